//! The processes of a benchmark with ROS: the native publisher that feeds all, the broker, and peers beside them.

use clap::ValueEnum;

use crate::keys::peer;
use crate::orders::Order;
use crate::processes::Process;
use crate::site::{Program, Site, Transport};

/// Seconds that ROS may take until publisher and subscribers have found each other.
pub(crate) const DISCOVERY_S: f64 = 20.0;

/// Who receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum PeerKind {
    /// iceway's Python client.
    IcewayPython,
    /// The same, but it never sleeps: it buys latency with a core.
    IcewayPythonSpin,
    /// rclpy, the usual way.
    Rclpy,
    /// A bare rcl subscriber in Rust.
    NativeTake,
    /// iceway's client core from Rust.
    IcewayRust,
}

impl PeerKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::IcewayPython => peer::ICEWAY_PYTHON,
            Self::IcewayPythonSpin => "iceway-python:spin",
            Self::Rclpy => peer::RCLPY,
            Self::NativeTake => peer::NATIVE_TAKE,
            Self::IcewayRust => peer::ICEWAY_RUST,
        }
    }

    pub(crate) fn program(self) -> Program {
        match self {
            Self::IcewayPython | Self::IcewayPythonSpin => Program::Python("iceway_peer.py"),
            Self::Rclpy => Program::RosPython("rclpy_peer.py"),
            Self::NativeTake => Program::OwnRos("native-take"),
            Self::IcewayRust => Program::Own("iceway-rust"),
        }
    }

    pub(crate) fn needs_broker(self) -> bool {
        matches!(
            self,
            Self::IcewayPython | Self::IcewayPythonSpin | Self::IcewayRust
        )
    }

    /// A name for topics.
    pub(crate) fn slug(self) -> String {
        self.name().replace(['-', ':'], "_")
    }
}

/// Publisher and broker of one transport.
pub(crate) struct World<'a> {
    pub(crate) source: Process<'a>,
    pub(crate) broker: Option<Process<'a>>,
    site: &'a Site,
    transport: Transport,
    next: u32,
}

impl<'a> World<'a> {
    pub(crate) fn start(
        site: &'a Site,
        transport: Transport,
        peers: &[PeerKind],
    ) -> anyhow::Result<Self> {
        let broker = if peers.iter().any(|p| p.needs_broker()) {
            Some(Process::start(
                site,
                "broker",
                Program::Broker,
                Some(transport),
            )?)
        } else {
            None
        };
        Ok(Self {
            source: Process::start(
                site,
                "publisher",
                Program::OwnRos("source"),
                Some(transport),
            )?,
            broker,
            site,
            transport,
            next: 1,
        })
    }

    /// Starts a peer.
    pub(crate) fn peer(&self, kind: PeerKind) -> anyhow::Result<Process<'a>> {
        Process::start(self.site, kind.name(), kind.program(), Some(self.transport))
    }

    /// The first of `count` message numbers that were not used before.
    pub(crate) fn numbers(&mut self, count: u32) -> u32 {
        let first = self.next;
        self.next += count;
        first
    }

    /// Advertises topics on the native publisher.
    pub(crate) fn advertise(&mut self, topics: &[String]) -> anyhow::Result<()> {
        self.source.tell(&Order::Advertise {
            topics: topics.to_vec(),
        })
    }

    /// Subscribes a peer, and waits until the publisher has found it (or the broker in its place).
    pub(crate) fn subscribe(
        &mut self,
        kind: PeerKind,
        peer: &mut Process<'_>,
        topics: &[String],
        depth: usize,
    ) -> anyhow::Result<()> {
        peer.tell(&Order::Subscribe {
            topics: topics.to_vec(),
            depth,
            spin: kind == PeerKind::IcewayPythonSpin,
        })?;
        self.await_subscribers(topics)
    }

    pub(crate) fn await_subscribers(&mut self, topics: &[String]) -> anyhow::Result<()> {
        self.source.tell(&Order::AwaitSubscribers {
            topics: topics.to_vec(),
            count: 1,
            timeout_s: DISCOVERY_S,
        })
    }

    /// The processes that take part when `peer` receives, with their names in the results.
    pub(crate) fn processes<'p>(
        &'p self,
        kind: PeerKind,
        peer: &'p Process<'a>,
    ) -> Vec<(&'static str, &'p Process<'a>)> {
        use crate::keys::process;
        let mut all = vec![
            (process::PUBLISHER, &self.source),
            (process::RECEIVER, peer),
        ];
        if let (true, Some(broker)) = (kind.needs_broker(), &self.broker) {
            all.push((process::BROKER, broker));
        }
        all
    }

    /// An error if publisher or broker have ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        self.source.check()?;
        self.broker.as_mut().map_or(Ok(()), Process::check)
    }
}
