//! Latency benchmarks of iceway.

mod hop;
#[allow(dead_code)]
mod keys;
#[allow(dead_code)]
mod results;

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
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Hop(args) => hop::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("iceway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
