//! The core of every client: the connection to the broker, and ports that survive a restart of it.
//!
//! [`Client::connect`] starts **one thread** (`iceway-client`), which ends with [`Client::close`] or the last
//! clone. It reads the broker's answers, connects subscribers to new writers when these announce themselves,
//! gives back idle memory of publishers, and, when the broker is gone, looks for a new one every 100 ms and
//! declares all subscriptions and publishers again. Code that uses them has nothing to do.
//!
//! Everything that waits takes an `interrupt` function, which is asked several times per second and whenever a
//! signal arrived; when it returns true, the wait ends with [`ClientError::Interrupted`].

mod connection;
mod core;
mod error;
mod housekeeping;
mod publisher;
mod registered;
mod subscriber;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use error::ClientError;
pub use publisher::{AdvertiseOptions, ClientPublisher, PublisherStats};
pub use registered::RouteInfo;
pub use subscriber::{ClientSubscriber, ClientSubscriberStats, SubscribeOptions};

use crate::control::{Event, HelloReply, Op, Reply, Severity, StatsReply, TopicInfo, TypeReply};
use crate::domain::Domain;
use crate::error::BusError;
use crate::fork;
use crate::node::{BusNode, random_id};
use connection::Connection;
use core::ClientCore;

/// How long a plain request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Asked while waiting; true ends the wait.
pub type Interrupt<'a> = &'a mut dyn FnMut() -> bool;

/// For waits that nothing interrupts.
pub fn never() -> bool {
    false
}

/// Options of [`Client::connect`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// The client's name, for people.
    pub name: String,
    /// How long to wait for a broker.
    pub timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            name: format!("process-{}", std::process::id()),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Something that the broker wants the user to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How bad.
    pub severity: Severity,
    /// The topic, if it is about one.
    pub topic: Option<String>,
    /// In words.
    pub message: String,
}

/// A connection to the broker of a domain. Cheap to clone; usable from all threads.
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
}

/// Ends the thread with the last clone.
#[derive(Debug)]
pub(crate) struct Handle {
    core: Arc<ClientCore>,
    thread: Mutex<Option<JoinHandle<()>>>,
    process: u32,
}

impl Client {
    /// Connects to the broker of `domain`, and waits for one if there is none.
    ///
    /// # Errors
    /// [`ClientError::NoBroker`] says how to start one; [`ClientError::VersionMismatch`] names both versions.
    pub fn connect(
        domain: &Domain,
        options: &ConnectOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<Self, ClientError> {
        let participant = random_id();
        let deadline = Instant::now() + options.timeout;
        let (connection, hello) =
            Connection::wait_for_broker(domain, &options.name, participant, deadline, interrupt)
                .map_err(|error| error.after_waiting(options.timeout))?;
        let node = BusNode::with_id(domain, &options.name, &hello.limits, participant)?;
        let announcements = node.announcements()?;
        let announcer = node.announcer()?;
        let wake: OwnedFd = rustix::event::eventfd(
            0,
            rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK,
        )
        .map_err(|e| BusError::io("creating an eventfd", e))?;
        let core = Arc::new(ClientCore::new(
            node,
            options.name.clone(),
            hello,
            announcer,
            wake,
        ));
        let reader = core.install(connection)?;
        let worker = housekeeping::Housekeeping::new(core.clone(), announcements, reader);
        let thread = std::thread::Builder::new()
            .name("iceway-client".to_owned())
            .spawn(move || worker.run())
            .map_err(|e| BusError::io("starting the client's thread", e))?;
        let handle = Handle {
            core,
            thread: Mutex::new(Some(thread)),
            process: fork::process(),
        };
        Ok(Self {
            handle: Arc::new(handle),
        })
    }

    /// Subscribes to `topic`; waits until it exists, at most `options.timeout`. Without `type_name` the type is
    /// taken from the ROS graph.
    ///
    /// # Errors
    /// What the broker refuses, by [`crate::control::ErrorCode`]; no memory; no broker.
    pub fn subscribe(
        &self,
        topic: &str,
        type_name: Option<&str>,
        options: &SubscribeOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<ClientSubscriber, ClientError> {
        self.check_process()?;
        ClientSubscriber::new(&self.handle, topic, type_name, options, interrupt)
    }

    /// Becomes a writer of `topic`. When this returns, the broker and all receivers know the port.
    ///
    /// # Errors
    /// What the broker refuses, by [`crate::control::ErrorCode`]; no memory; no broker.
    pub fn advertise(
        &self,
        topic: &str,
        type_name: &str,
        options: &AdvertiseOptions,
        interrupt: Interrupt<'_>,
    ) -> Result<ClientPublisher, ClientError> {
        self.check_process()?;
        ClientPublisher::new(&self.handle, topic, type_name, options, interrupt)
    }

    /// The topics that there are.
    ///
    /// # Errors
    /// No broker.
    pub fn topics(&self, interrupt: Interrupt<'_>) -> Result<Vec<TopicInfo>, ClientError> {
        match self.request(&Op::Topics {}, interrupt)? {
            Reply::Topics { topics } => Ok(topics),
            other => Err(ClientError::unexpected(&other)),
        }
    }

    /// The definition of a type.
    ///
    /// # Errors
    /// [`crate::control::ErrorCode::UnknownType`]; no broker.
    pub fn describe(
        &self,
        type_name: &str,
        interrupt: Interrupt<'_>,
    ) -> Result<TypeReply, ClientError> {
        match self.request(
            &Op::Describe {
                type_name: type_name.to_owned(),
            },
            interrupt,
        )? {
            Reply::Type(found) => Ok(found),
            other => Err(ClientError::unexpected(&other)),
        }
    }

    /// The broker's counters.
    ///
    /// # Errors
    /// No broker.
    pub fn stats(&self, interrupt: Interrupt<'_>) -> Result<StatsReply, ClientError> {
        match self.request(&Op::Stats {}, interrupt)? {
            Reply::Stats(stats) => Ok(stats),
            other => Err(ClientError::unexpected(&other)),
        }
    }

    fn request(&self, op: &Op, interrupt: Interrupt<'_>) -> Result<Reply, ClientError> {
        self.check_process()?;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        self.handle
            .core
            .request(op, deadline, interrupt)
            .map(|(reply, _)| reply)
    }

    fn check_process(&self) -> Result<(), ClientError> {
        if self.handle.process == fork::process() {
            Ok(())
        } else {
            Err(BusError::Forked.into())
        }
    }

    /// What the (last) broker said of itself.
    #[must_use]
    pub fn broker(&self) -> HelloReply {
        self.handle.core.broker()
    }

    /// True while there is a connection to a broker.
    #[must_use]
    pub fn broker_alive(&self) -> bool {
        self.handle.core.is_connected()
    }

    /// This process's participation in the domain.
    #[must_use]
    pub fn node(&self) -> &BusNode {
        self.handle.core.node()
    }

    /// What the broker sent since the last call (at most the last hundred).
    #[must_use]
    pub fn take_notices(&self) -> Vec<Notice> {
        self.handle.core.take_notices()
    }

    /// Ends the connection, and with it all demand of this client. Subscribers and publishers give
    /// [`ClientError::Closed`] from now on; frames in hand stay valid. May be called again.
    pub fn close(&self) {
        self.handle.close();
    }
}

impl Handle {
    pub(crate) fn core(&self) -> &Arc<ClientCore> {
        &self.core
    }

    pub(crate) fn check_process(&self) -> Result<(), ClientError> {
        if self.process == fork::process() {
            Ok(())
        } else {
            Err(BusError::Forked.into())
        }
    }

    fn close(&self) {
        if self.process != fork::process() {
            return; // the thread and the connection are the parent's
        }
        self.core.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

impl Notice {
    fn of(event: Event) -> Option<Self> {
        match event {
            Event::Notice {
                severity,
                topic,
                message,
            } => Some(Self {
                severity,
                topic,
                message,
            }),
            _ => None,
        }
    }
}
