//! Latency benchmarks of iceway.

mod compare;
mod files;
mod hop;
#[allow(dead_code)] // some keys are only written, by the measuring subcommands
mod keys;
mod reach;
mod report;
mod results;
#[cfg(test)]
mod sample;
mod units;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Latency benchmarks of iceway.
#[derive(Debug, Parser)]
#[command(name = "iceway-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The hop through shared memory alone, Rust to Rust, by size; beside it a memcpy of the same size.
    Hop(hop::HopArgs),
    /// A page with tables and plots from a results.json: one file that needs no network.
    Report(report::ReportArgs),
    /// Two runs side by side.
    Compare(compare::CompareArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Hop(args) => hop::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("iceway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
