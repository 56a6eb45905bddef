//! Where a run takes place: paths, domains, and the signal that ends it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::{Args, ValueEnum};

/// Options of all benchmarks: where things are, and where results go.
#[derive(Debug, Clone, Args)]
pub(crate) struct SiteArgs {
    /// Folder for results.json; without it, a benchmark other than `all` only prints.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Interpreter that has the package iceway.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Interpreter that has the libraries beside iceway (`hop --peers`).
    #[arg(long, value_name = "FILE")]
    peers_python: Option<PathBuf>,
    /// The broker.
    #[arg(long, value_name = "FILE")]
    broker: Option<PathBuf>,
    /// Fast DDS profile of transport `shm`.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// ROS domain of the run; nothing else may use it meanwhile.
    #[arg(long, value_name = "N")]
    domain: Option<u32>,
}

/// How the ROS publisher's process sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Transport {
    /// The middleware as it comes.
    Default,
    /// Fast DDS with the profile `config/fastdds_shm.xml` in all ROS processes of the run.
    Shm,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Shm => "shm",
        }
    }
}

/// What a child process is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program {
    /// A subcommand of this executable, in the ROS environment.
    OwnRos(&'static str),
    /// A subcommand of this executable.
    Own(&'static str),
    /// A script of `bench/peers` with ROS's Python.
    RosPython(&'static str),
    /// A script of `bench/peers` with iceway's Python.
    Python(&'static str),
    /// A script of `bench/peers` with the Python of the libraries beside iceway.
    PeersPython(&'static str),
    /// The broker.
    Broker,
    /// The broker without its ROS side.
    BrokerAlone,
}

/// One run's surroundings.
pub(crate) struct Site {
    pub(crate) root: PathBuf,
    pub(crate) python: PathBuf,
    /// It may not exist.
    pub(crate) peers_python: PathBuf,
    pub(crate) broker: PathBuf,
    profile: PathBuf,
    domain: u32,
    folder: tempfile::TempDir,
    interrupted: Arc<AtomicBool>,
}

impl Site {
    pub(crate) fn new(args: &SiteArgs) -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the bench package lies in the repository")?
            .to_owned();
        let beside = std::env::current_exe()?.with_file_name("iceway");
        let python = args
            .python
            .clone()
            .unwrap_or_else(|| root.join(".venv/bin/python"));
        let peers_python = args
            .peers_python
            .clone()
            .unwrap_or_else(|| root.join(".venv-peers/bin/python"));
        let broker = args.broker.clone().unwrap_or(beside);
        let profile = match &args.profile {
            Some(own) => own
                .canonicalize()
                .with_context(|| format!("{}", own.display()))?,
            None => root.join("config/fastdds_shm.xml"),
        };
        for (file, what) in [
            (&python, "a Python with the package iceway (--python)"),
            (&broker, "the broker (--broker)"),
        ] {
            anyhow::ensure!(
                file.exists(),
                "{} is missing: {what}. `make bench` builds all that is needed.",
                file.display()
            );
        }
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The first one ends the run in order, a second one at once.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&interrupted))?;
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(Self {
            root,
            python,
            peers_python,
            broker,
            profile,
            domain: args.domain.unwrap_or(150 + std::process::id() % 20),
            folder: tempfile::Builder::new().prefix("iwb").tempdir_in("/tmp")?,
            interrupted,
        })
    }

    /// An error once the user wants an end.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            anyhow::bail!(Interrupted);
        }
        Ok(())
    }

    pub(crate) fn ros_launcher(&self) -> PathBuf {
        self.root.join("dev/ros")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// The bus of the run, for this process.
    pub(crate) fn bus_domain(&self) -> anyhow::Result<iceway_bus::Domain> {
        Ok(iceway_bus::Domain::new(self.domain, self.folder.path())?)
    }

    /// The command that starts a child.
    pub(crate) fn command(
        &self,
        program: Program,
        transport: Option<Transport>,
    ) -> anyhow::Result<Command> {
        let in_ros = |file: &OsStr| {
            let mut command = Command::new(self.ros_launcher());
            command.arg(file);
            command
        };
        let own = std::env::current_exe()?;
        let peer = |script: &str| self.root.join("bench/peers").join(script);
        let mut command = match program {
            Program::OwnRos(_) => in_ros(own.as_os_str()),
            Program::Own(_) => Command::new(&own),
            Program::RosPython(_) => in_ros("python3".as_ref()),
            Program::Python(_) => Command::new(&self.python),
            Program::PeersPython(_) => Command::new(&self.peers_python),
            Program::Broker => in_ros(self.broker.as_os_str()),
            Program::BrokerAlone => Command::new(&self.broker),
        };
        match program {
            Program::OwnRos(sub) | Program::Own(sub) => command.args(["peer", sub]),
            Program::RosPython(script) | Program::Python(script) | Program::PeersPython(script) => {
                command.arg(peer(script))
            }
            Program::Broker => command.arg("run"),
            Program::BrokerAlone => command.args(["run", "--no-ros"]),
        };
        let domain = self.domain.to_string();
        command
            .env("ROS_DOMAIN_ID", &domain)
            .env("ICEWAY_DOMAIN", &domain)
            .env("ICEWAY_ROOT", self.folder.path())
            .env("PYTHONUNBUFFERED", "1")
            .env("RCUTILS_COLORIZED_OUTPUT", "0")
            // What NumPy computes with: one thread, so that it measures a core and not the machine.
            .env("OPENBLAS_NUM_THREADS", "1")
            .env("OMP_NUM_THREADS", "1")
            .env_remove("FASTRTPS_DEFAULT_PROFILES_FILE");
        if transport == Some(Transport::Shm) {
            command.env("FASTRTPS_DEFAULT_PROFILES_FILE", &self.profile);
        }
        Ok(command)
    }
}

/// The user pressed Ctrl-C.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
