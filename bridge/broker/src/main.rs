//! The iceway broker and its command line.

mod broker;
mod cli;
mod config;
mod counters;
mod environment;
mod lanes;
mod names;
mod refusal;
mod ros;
mod routes;
mod run;
mod session;
mod tools;
mod types;

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::from_args(std::env::args()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let filter = EnvFilter::try_from_env("ICEWAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let done = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Topics(args) => tools::topics::run(&args),
        Command::Echo(args) => tools::echo::run(&args),
        Command::Hz(args) => tools::hz::run(&args),
        Command::Stats(args) => tools::stats::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("iceway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
