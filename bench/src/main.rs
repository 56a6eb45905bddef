//! Latency benchmarks of iceway.
#![cfg_attr(
    not(feature = "ros"),
    allow(dead_code, reason = "what only benchmarks with ROS use")
)]

mod gather;
mod hop;
mod image;
#[allow(dead_code)]
mod keys;
mod latency;
mod machine;
mod orders;
mod peers;
mod processes;
mod procfs;
mod results;
mod run;
mod site;
mod stats;
#[allow(dead_code)]
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
    /// The hop through shared memory alone, Rust to Rust, by size; beside it a memcpy of the same size.
    Hop(hop::HopArgs),
    /// From a ROS publisher to the receiver's array, by size.
    Latency(Benchmark<latency::LatencyArgs>),
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
        Command::Hop(args) => hop::run(&args),
        Command::Latency(args) => with_ros(&args.site, |run| latency::run(run, &args.own)),
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
    let mut run = Run::start(site)?;
    let outcome = benchmark(&mut run);
    run.finish(outcome)
}
