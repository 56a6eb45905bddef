//! Latency benchmarks of iceway.
#![cfg_attr(
    not(feature = "ros"),
    allow(dead_code, reason = "what only benchmarks with ROS use")
)]

mod all;
mod compare;
mod files;
mod gather;
mod hop;
mod image;
mod interference;
mod keys;
mod latency;
mod libraries;
mod machine;
mod orders;
mod peers;
mod processes;
mod procfs;
mod publish;
mod reach;
mod report;
mod results;
mod round_trip;
mod run;
#[cfg(test)]
mod sample;
mod scale;
mod site;
mod soak;
mod stats;
mod throughput;
mod units;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use run::Run;
use site::SiteArgs;

/// Latency benchmarks of iceway.
#[derive(Debug, Parser)]
#[command(name = "iceway-bench", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// From a ROS publisher to the receiver's array, by size.
    Latency(Benchmark<latency::LatencyArgs>),
    /// ROS → Python → ROS: until the publisher has its own message back.
    RoundTrip(Benchmark<round_trip::RoundTripArgs>),
    /// Shared memory alone, by size: into Python, into Rust, a raw ring, a memcpy; and other libraries beside. Needs no ROS.
    Hop(Benchmark<hop::HopArgs>),
    /// What publishing from Python costs its caller.
    Publish(Benchmark<publish::PublishArgs>),
    /// How fast an inference loop runs while it is subscribed to cameras.
    Interference(Benchmark<interference::InterferenceArgs>),
    /// Many topics: CPU and losses of the broker and of an rclpy node.
    Scale(Benchmark<scale::ScaleArgs>),
    /// A publisher that does not wait: what arrives.
    Throughput(Benchmark<throughput::ThroughputArgs>),
    /// A long run at load: whether memory grows.
    Soak(Benchmark<soak::SoakArgs>),
    /// All of them, and how far the speed of DESIGN §8 is reached.
    All(Benchmark<all::AllArgs>),
    /// A page with tables and plots from a results.json: one file that needs no network.
    Report(report::ReportArgs),
    /// Two runs side by side.
    Compare(compare::CompareArgs),
    /// A child of a benchmark.
    #[command(hide = true, subcommand)]
    Peer(peers::Peer),
}

/// A benchmark's own options, and those of all.
#[derive(Debug, clap::Args)]
struct Benchmark<A: clap::Args> {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    own: A,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Latency(args) => with_ros(&args.site, |run| latency::run(run, &args.own)),
        Command::RoundTrip(args) => with_ros(&args.site, |run| round_trip::run(run, &args.own)),
        Command::Hop(args) => measure(&args.site, |run| hop::run(run, &args.own)),
        Command::Publish(args) => with_ros(&args.site, |run| publish::run(run, &args.own)),
        Command::Interference(args) => {
            with_ros(&args.site, |run| interference::run(run, &args.own))
        }
        Command::Scale(args) => with_ros(&args.site, |run| scale::run(run, &args.own)),
        Command::Throughput(args) => with_ros(&args.site, |run| throughput::run(run, &args.own)),
        Command::Soak(args) => with_ros(&args.site, |run| soak::run(run, &args.own)),
        Command::All(args) => with_ros(&args.site, |run| {
            let outcome = all::run(run, &args.own);
            reach::print(&run.results);
            outcome
        }),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Peer(peer) => peers::run(&peer),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("iceway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a benchmark that needs ROS.
fn with_ros(
    site: &SiteArgs,
    benchmark: impl FnOnce(&mut Run) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        cfg!(feature = "ros"),
        "this iceway-bench was built without ROS. `make bench` builds it with ROS, or: dev/ros cargo build --release -p iceway-bench --features ros"
    );
    measure(site, benchmark)
}

/// Runs a benchmark, and saves what it found.
fn measure(
    site: &SiteArgs,
    benchmark: impl FnOnce(&mut Run) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut run = Run::start(site)?;
    let outcome = benchmark(&mut run);
    run.finish(outcome)
}
