//! The iceway broker and its command line.

#![cfg_attr(not(feature = "ros"), allow(dead_code, reason = "what only ROS calls"))]

mod broker;
mod cli;
mod clients;
mod config;
mod counters;
mod environment;
mod lanes;
mod logging;
mod names;
mod refusal;
mod ros;
mod routes;
mod run;
mod session;
mod tools;
mod types;

use std::process::ExitCode;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::from_args(std::env::args()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    logging::init();
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
