//! The commands that read shared memory as any client does.

pub(crate) mod echo;
pub(crate) mod hz;
pub(crate) mod stats;
pub(crate) mod topics;
mod yaml;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use iceway_bus::Domain;
use iceway_bus::client::{Client, ConnectOptions};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::ClientArgs;
use crate::environment;

/// Set by Ctrl-C.
pub(crate) struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    fn install() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .context("cannot listen to signals")?;
        }
        Ok(Self(flag))
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Connects as the command line says.
pub(crate) fn connect(args: &ClientArgs) -> anyhow::Result<(Client, Interrupted)> {
    let interrupted = Interrupted::install()?;
    let id = match args.domain.domain {
        Some(id) => id,
        None => environment::default_domain()?,
    };
    let domain = Domain::new(id, environment::root())?;
    let timeout = Duration::try_from_secs_f64(args.timeout)
        .context("--timeout is not a number of seconds")?;
    let options = ConnectOptions {
        name: format!("iceway-cli-{}", std::process::id()),
        timeout,
    };
    let client = Client::connect(&domain, &options, &mut || interrupted.get())?;
    Ok((client, interrupted))
}
