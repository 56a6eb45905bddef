//! `iceway run`: starts the broker's parts and threads, and ends them in order.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use iceway_bus::control::Listener;
use iceway_bus::{BrokerInfo, BrokerLock, BusNode, Domain};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::broker::Broker;
use crate::cli::RunArgs;
use crate::config::Config;
use crate::environment;
use crate::logging;
use crate::ros::RosSide;
use crate::session;

/// Runs the broker until SIGINT or SIGTERM.
pub(crate) fn run(args: RunArgs) -> anyhow::Result<()> {
    let config = Config::resolve(args, environment::default_domain()?)?;
    let domain = Domain::new(config.domain, environment::root())?;
    // Before anything that ROS or iceoryx2 may install.
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen to signals")?;
    let lock = BrokerLock::acquire(&domain, BrokerInfo::current())?;
    let node = BusNode::new(&domain, "iceway broker", &config.limits)?;
    let freed = node.cleanup_dead();
    if freed > 0 {
        tracing::info!(
            processes = freed,
            "freed what killed processes had left behind"
        );
    }
    let ros = if config.no_ros {
        None
    } else {
        Some(RosSide::start(&config.ros_args)?)
    };
    if let Some(ros) = &ros {
        tracing::info!("{}", ros.describe());
    }
    let listener = Listener::bind(&lock)?;
    listener.set_nonblocking(false)?;
    let broker = Arc::new(Broker::new(config, node, ros)?);
    logging::also_to_rosout(Arc::downgrade(&broker));

    let mut threads = Vec::new();
    let mut spawn = |name: &str, run: Box<dyn FnOnce() + Send>| -> anyhow::Result<()> {
        threads.push(
            thread::Builder::new()
                .name(name.into())
                .spawn(run)
                .context("cannot start a thread")?,
        );
        Ok(())
    };
    {
        let broker = Arc::clone(&broker);
        spawn("tend", Box::new(move || broker.tend()))?;
    }
    if broker.ros.is_some() {
        let broker = Arc::clone(&broker);
        spawn("ros", Box::new(move || broker.follow_ros()))?;
    }
    {
        let broker = Arc::clone(&broker);
        spawn("accept", Box::new(move || accept(&broker, &listener)))?;
    }
    broker.pin_topics();
    tracing::info!(
        domain = domain.id(),
        pid = std::process::id(),
        "the broker is ready"
    );

    let signal = signals.forever().next();
    tracing::info!(signal, "ending");
    broker.stop();
    broker.clients.close();
    // Wakes the thread that waits for clients.
    drop(UnixStream::connect(domain.broker_sock()));
    for thread in threads {
        let _ = thread.join();
    }
    broker.finish();
    // The node's files in shared memory go with the broker, before the lock is free for another.
    drop(broker);
    drop(lock);
    Ok(())
}

/// Takes new connections; each gets a thread, since a request may wait for a topic.
fn accept(broker: &Arc<Broker>, listener: &Listener) {
    let mut id = 0;
    let mut sessions: Vec<thread::JoinHandle<()>> = Vec::new();
    loop {
        let connection = match listener.accept() {
            Ok(connection) => connection,
            // Out of file descriptors, say: it may pass.
            Err(error) => {
                if error.kind() != ErrorKind::ConnectionAborted {
                    tracing::warn!(%error, "cannot take a new client");
                    thread::sleep(std::time::Duration::from_millis(100));
                }
                continue;
            }
        };
        if broker.is_stopping() {
            break;
        }
        id += 1;
        sessions.retain(|session| !session.is_finished());
        broker.clients.add(id, connection.writer());
        let serving = Arc::clone(broker);
        let started = thread::Builder::new().name("client".into()).spawn(move || {
            session::serve(&serving, connection);
            serving.clients.remove(id);
        });
        match started {
            Ok(session) => sessions.push(session),
            Err(error) => {
                tracing::warn!(%error, "cannot start a thread for a new client");
                broker.clients.remove(id);
            }
        }
    }
    broker.clients.close();
    for session in sessions {
        let _ = session.join();
    }
}
