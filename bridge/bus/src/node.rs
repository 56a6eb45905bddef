//! A process's membership in a domain.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use iceoryx2::prelude::{
    CallbackProgression, Config, LogLevel, Node, NodeBuilder, NodeName, SignalHandlingMode,
    set_log_level,
};

use crate::channel::{Channel, ChannelSpec};
use crate::domain::Domain;
use crate::error::BusError;
use crate::event::{self, Listener, Notifier};
use crate::fork::ForkGuard;
use crate::limits::Limits;
use crate::memory::{PortBudget, SpaceProbe, port_budget};
use crate::service::Ipc;
use crate::topic::TopicName;
use crate::wire::IoxEvent;

/// What a node takes in /dev/shm at most.
const NODE_BYTES: u64 = 256 << 10;

/// How long to wait for somebody else who is cleaning up the same dead process.
const CLEANUP_PATIENCE: Duration = Duration::from_millis(200);

/// A participant of a domain: the owner of all ports of a process. Cheap to clone.
///
/// Its resources are freed when the last port, frame or clone is gone; if the process is killed, by the
/// broker, or by the next [`BusNode::cleanup_dead`] of anyone.
#[derive(Clone, Debug)]
pub struct BusNode {
    core: Arc<NodeCore>,
}

#[derive(Debug)]
pub(crate) struct NodeCore {
    node: ForkGuard<Mutex<Node<Ipc>>>,
    announce: ForkGuard<IoxEvent>,
    domain: Domain,
    limits: Limits,
    id: u64,
    space: SpaceProbe,
    budget: PortBudget,
    // Dropped after the node.
    _leftovers: ForkGuard<Leftovers>,
}

/// iceoryx2 keeps a counter per domain in /dev/shm and never removes it. The last participant does.
#[derive(Debug)]
struct Leftovers {
    prefix: String,
    config: Config,
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let mut alone = true;
        let listed = Node::<Ipc>::list(&self.config, |_| {
            alone = false;
            CallbackProgression::Stop
        });
        // Whoever joins right now has its number already, or starts to count anew: the numbers only tell apart
        // nodes that one process creates in the same nanosecond.
        if listed.is_ok() && alone {
            crate::memory::remove_files(&self.prefix, ".global_mgmt");
        }
    }
}

/// A number that no other participant has: random, never 0.
pub(crate) fn random_id() -> u64 {
    let state = RandomState::new();
    state
        .hash_one((std::process::id(), crate::clock::realtime_ns()))
        .max(1)
}

impl BusNode {
    /// Joins `domain`; `name` is for people (diagnostics).
    ///
    /// # Errors
    /// Unusable folder, limits out of range, no memory, or what iceoryx2 says.
    pub fn new(domain: &Domain, name: &str, limits: &Limits) -> Result<Self, BusError> {
        Self::with_id(domain, name, limits, random_id())
    }

    /// [`BusNode::new`] with an id chosen before.
    pub(crate) fn with_id(
        domain: &Domain,
        name: &str,
        limits: &Limits,
        id: u64,
    ) -> Result<Self, BusError> {
        static QUIET: Once = Once::new();
        QUIET.call_once(|| set_log_level(LogLevel::Error));
        limits.check()?;
        domain.prepare()?;
        let config = domain.iceoryx_config()?;
        let space = SpaceProbe::new(limits.free_margin_bytes)?;
        space.require_for("a node", NODE_BYTES)?;
        let budget = port_budget(limits);
        if let Some(reason) = &budget.shrunk_by {
            tracing::warn!(
                "{reason}: messages may have to be smaller, and fewer frames can be held"
            );
        }
        let node = Self::create_node(name, &config)?;
        let announce = event::open_or_create(&node, &domain.announce_name(), limits)?;
        let core = NodeCore {
            node: ForkGuard::new(Mutex::new(node)),
            announce: ForkGuard::new(announce),
            domain: domain.clone(),
            limits: limits.clone(),
            id,
            space,
            budget,
            _leftovers: ForkGuard::new(Leftovers {
                prefix: domain.prefix().to_owned(),
                config,
            }),
        };
        Ok(Self {
            core: Arc::new(core),
        })
    }

    fn create_node(name: &str, config: &Config) -> Result<Node<Ipc>, BusError> {
        let name: String = name.chars().filter(char::is_ascii).take(100).collect();
        let name = NodeName::new(&name).map_err(|e| BusError::iceoryx("naming a node", e))?;
        NodeBuilder::new()
            .name(&name)
            .config(config)
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<Ipc>()
            .map_err(|e| BusError::iceoryx("creating a node", e))
    }

    /// This participant's id: random, not 0; the `origin` of all its frames.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.core.id
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.core.domain
    }

    /// The limits given at creation.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.core.limits
    }

    /// Creates the channel of `topic`, or opens it if it exists with the same type. Only the broker does this.
    ///
    /// # Errors
    /// [`BusError::TypeConflict`] if it exists with another type; no memory; what iceoryx2 says.
    pub fn create_channel(
        &self,
        topic: &TopicName,
        spec: &ChannelSpec,
    ) -> Result<Channel, BusError> {
        Channel::create(&self.core, topic, spec)
    }

    /// Opens the channel of `topic`.
    ///
    /// # Errors
    /// [`BusError::NoChannel`] if nobody created it; no memory; what iceoryx2 says.
    pub fn open_channel(&self, topic: &TopicName) -> Result<Channel, BusError> {
        Channel::open(&self.core, topic)
    }

    /// Frees what killed processes of the domain left behind. Returns how many there were.
    ///
    /// Costs some milliseconds per dead process, else a look at a folder; call it on a timer and when a
    /// client's connection ends.
    #[must_use]
    pub fn cleanup_dead(&self) -> usize {
        if !self.core.node.is_own() {
            return 0;
        }
        let state = self
            .core
            .lock()
            .blocking_cleanup_dead_nodes(CLEANUP_PATIENCE);
        usize::try_from(state.cleanups).unwrap_or(usize::MAX)
    }

    /// Wakes every process that listens to announcements: "there is a new writer, connect to it".
    ///
    /// # Errors
    /// What iceoryx2 says.
    pub fn announcer(&self) -> Result<Notifier, BusError> {
        Notifier::new(&self.core, &self.core.announce)
    }

    /// Hears announcements; then call [`crate::Subscriber::update_connections`] on all subscribers.
    ///
    /// # Errors
    /// What iceoryx2 says.
    pub fn announcements(&self) -> Result<Listener, BusError> {
        Listener::new(&self.core, &self.core.announce)
    }

    /// Bytes free in /dev/shm (`u64::MAX`: no limit).
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.core.space.free()
    }

    /// For tests: as if the kernel did not know `MADV_POPULATE_WRITE`, for publishers created from now on.
    #[doc(hidden)]
    pub fn pretend_old_kernel() {
        crate::memory::pretend_old_kernel();
    }

    /// For tests: pretends that so much is free in /dev/shm.
    #[doc(hidden)]
    pub fn pretend_free_bytes(&self, free: Option<u64>) {
        self.core.space.pretend(free);
    }
}

impl NodeCore {
    /// The iceoryx2 node.
    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, Node<Ipc>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn check_process(&self) -> Result<(), BusError> {
        if self.node.is_own() {
            Ok(())
        } else {
            Err(BusError::Forked)
        }
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.domain
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn space(&self) -> &SpaceProbe {
        &self.space
    }

    pub(crate) fn budget(&self) -> &PortBudget {
        &self.budget
    }
}
