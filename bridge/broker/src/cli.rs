//! The command line, as typed. `config.rs` turns it, together with `iceway.toml`, into one resolved configuration.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A zero-copy bridge between ROS 2 and Python AI.
#[derive(Debug, Parser)]
#[command(name = "iceway", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the broker: bridge ROS 2 topics into shared memory and back, on demand.
    Run(RunArgs),
    /// List what ROS offers, and what is bridged.
    Topics(ClientArgs),
    /// Print the messages of a topic, read from shared memory.
    Echo(EchoArgs),
    /// Show the rate and the latency of a topic, read from shared memory.
    Hz(HzArgs),
    /// Show the broker's routes and their counters.
    Stats(StatsArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Everything after --ros-args goes to ROS: --ros-args -r __node:=name -r __ns:=/ns -r old:=new"
)]
pub(crate) struct RunArgs {
    /// Read options from this file; flags given here win.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Bridge this topic always, not only while a client wants it. May be repeated.
    #[arg(long = "topic", value_name = "NAME[:TYPE]")]
    pub(crate) topics: Vec<String>,
    /// Bridge only topics that match one of these globs (`*` stays within a name, `**` crosses `/`). May be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) allow: Vec<String>,
    /// Never bridge topics that match one of these globs. May be repeated; wins over --allow.
    #[arg(long, value_name = "GLOB")]
    pub(crate) deny: Vec<String>,
    #[command(flatten)]
    pub(crate) domain: DomainArgs,
    /// Do not use ROS: only AI processes talk with each other.
    #[arg(long)]
    pub(crate) no_ros: bool,
    /// Arguments for ROS; set apart before clap parses the rest.
    #[arg(skip)]
    pub(crate) ros_args: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DomainArgs {
    /// The iceway domain; different domains do not see each other.
    #[arg(long, value_name = "N", env = "ICEWAY_DOMAIN")]
    pub(crate) domain: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    #[command(flatten)]
    pub(crate) domain: DomainArgs,
    /// Seconds to wait for the broker.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(crate) timeout: f64,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Print the broker's answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EchoArgs {
    /// The topic's name.
    pub(crate) topic: String,
    /// The type, where no publisher tells it.
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: Option<String>,
    /// Stop after this many messages.
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Print arrays and strings whole.
    #[arg(long)]
    pub(crate) full: bool,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HzArgs {
    /// The topic's name.
    pub(crate) topic: String,
    /// The type, where no publisher tells it.
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: Option<String>,
    /// Stop after this many messages.
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

impl Cli {
    /// Parses the process's arguments. `--ros-args … [--]` is cut out first, as every ROS program does.
    pub(crate) fn from_args(args: impl IntoIterator<Item = String>) -> Result<Self, clap::Error> {
        let (own, ros) = split_ros_args(args);
        let mut cli = Self::try_parse_from(own)?;
        match &mut cli.command {
            Command::Run(run) => run.ros_args = ros,
            _ if !ros.is_empty() => {
                return Err(clap::Error::raw(
                    clap::error::ErrorKind::UnknownArgument,
                    "--ros-args belongs to `iceway run`; the other commands read shared memory only\n",
                ));
            }
            _ => {}
        }
        Ok(cli)
    }
}

/// Separates ROS arguments from the program's own: each `--ros-args` starts a ROS section, a lone `--` or the end closes it.
fn split_ros_args(args: impl IntoIterator<Item = String>) -> (Vec<String>, Vec<String>) {
    let (mut own, mut ros) = (Vec::new(), Vec::new());
    let mut in_ros = false;
    for arg in args {
        match arg.as_str() {
            "--ros-args" if !in_ros => {
                in_ros = true;
                ros.push(arg);
            }
            "--" if in_ros => in_ros = false,
            _ if in_ros => ros.push(arg),
            _ => own.push(arg),
        }
    }
    (own, ros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::from_args(line.split(' ').map(str::to_owned))
    }

    #[test]
    fn ros_arguments_are_set_apart() {
        let cli = parse(
            "iceway run --topic /a:std_msgs/msg/String --ros-args -r __node:=x -- --domain 7",
        )
        .unwrap();
        let Command::Run(run) = cli.command else {
            panic!("not run")
        };
        assert_eq!(run.ros_args, ["--ros-args", "-r", "__node:=x"]);
        assert_eq!(run.topics, ["/a:std_msgs/msg/String"]);
        assert_eq!(run.domain.domain, Some(7));
    }

    #[test]
    fn other_commands_refuse_ros_arguments() {
        assert!(
            parse("iceway topics --ros-args -r a:=b")
                .unwrap_err()
                .to_string()
                .contains("iceway run")
        );
    }

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
