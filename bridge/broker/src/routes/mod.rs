//! Routes: one for each topic that somebody wants. A route owns the topic's channel, and one half for each direction in use.

#[cfg(all(test, feature = "ros"))]
mod allocations;
#[cfg(all(test, feature = "ros"))]
mod copies;
mod inbound;
mod outbound;
mod receivers;
mod retained;
mod table;
#[cfg(all(test, feature = "ros"))]
mod testbed;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use iceway_bus::control::{Durability, ErrorCode as Code, Reply, Role, RouteStats};
use iceway_bus::{
    BusError, BusNode, Channel, ChannelSpec, FilledLoan, Loan, PublisherOptions, SubscriberOptions,
    TopicName,
};
use iceway_msg::TypeName;
use parking_lot::Mutex;

use crate::config::{Direction, RouteOptions};
use crate::counters::Counters;
use crate::lanes::Lanes;
use crate::refusal::Refusal;
use crate::ros::{QosWish, RosSide};
use crate::types::MessageType;
use inbound::Inbound;
use outbound::{Outbound, Parts};
pub(crate) use receivers::Answer;
use receivers::Receivers;
use retained::Retained;
pub(crate) use table::{Demand, RouteTable};

/// How long a half of a route lives on when nobody wants it any more, so that clients that come and go do not make it flap.
const LINGER: Duration = Duration::from_millis(1000);
/// The middleware may pad a message to a multiple of 4 or 8.
const MAX_PADDING: u64 = 8;
/// Depth of the ROS publisher's queue where nobody asks for another: what an AI process sends in a burst must not push itself out.
pub(crate) const PUBLISH_DEPTH: usize = 32;
/// How many frames of each writer of a latched topic are retained where nobody asks for another.
pub(crate) const DEFAULT_DEPTH: usize = 10;
/// Depth of the ROS subscription's queue where nobody asks for another: a relay must not lose what a burst brings before its thread runs.
pub(crate) const RELAY_DEPTH: usize = 64;
/// How long `advertise` waits for ROS subscriptions that are known to match, so that the first message reaches them.
const FIRST_MATCH: Duration = Duration::from_millis(1000);

/// What both halves of a route share.
pub(crate) struct Site<'a> {
    pub(crate) node: &'a BusNode,
    pub(crate) ros: Option<&'a RosSide>,
    pub(crate) lanes: &'a Lanes,
}

/// One topic's route.
pub(crate) struct Route {
    pub(crate) topic: TopicName,
    pub(crate) message_type: Arc<MessageType>,
    options: RouteOptions,
    channel: Channel,
    pub(crate) counters: Arc<Counters>,
    pub(crate) receivers: Receivers,
    /// Where the frames of a latched topic are kept; set once the topic is known to be latched.
    retained: Arc<OnceLock<Retained>>,
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    subscribers: usize,
    publishers: usize,
    /// Wanted by `--topic`.
    pinned: bool,
    wish: QosWish,
    inbound: Option<Arc<Inbound>>,
    outbound: Option<Outbound>,
    /// Since when nobody wants the half.
    inbound_idle: Option<Instant>,
    outbound_idle: Option<Instant>,
    types_warned_of: Vec<TypeName>,
}

impl Route {
    pub(crate) fn new(
        site: &Site<'_>,
        topic: TopicName,
        message_type: Arc<MessageType>,
        options: RouteOptions,
    ) -> Result<Self, Refusal> {
        let schema = &message_type.schema;
        let spec = ChannelSpec {
            type_name: schema.type_name().clone(),
            type_hash: schema.type_hash(),
            max_message_bytes: options
                .max_message_bytes
                .or(schema
                    .layout()
                    .max_size()
                    .map(|body| body as u64 + 4 + MAX_PADDING))
                .unwrap_or(site.node.limits().max_message_bytes),
        };
        let channel = site.node.create_channel(&topic, &spec).map_err(from_bus)?;
        let counters = Arc::default();
        Ok(Self {
            topic,
            message_type,
            options,
            channel,
            counters,
            receivers: Receivers::default(),
            retained: Arc::default(),
            halves: Mutex::default(),
        })
    }

    pub(crate) fn type_name(&self) -> &TypeName {
        self.message_type.schema.type_name()
    }

    /// One more client wants the topic in this role; starts the half that it needs.
    pub(crate) fn acquire(
        &self,
        site: &Site<'_>,
        role: Role,
        wish: QosWish,
    ) -> Result<(), Refusal> {
        let wish = wish.under(&self.options);
        let mut halves = self.halves.lock();
        match role {
            Role::Subscriber => {
                self.start_inbound(site, &mut halves, wish)?;
                halves.subscribers += 1;
                halves.inbound_idle = None;
            }
            Role::Publisher => {
                self.start_outbound(site, &mut halves, wish)?;
                halves.publishers += 1;
                halves.outbound_idle = None;
            }
        }
        Ok(())
    }

    /// Keeps the inbound half whatever the clients do.
    pub(crate) fn pin(&self, site: &Site<'_>) -> Result<(), Refusal> {
        let mut halves = self.halves.lock();
        halves.pinned = true;
        self.start_inbound(site, &mut halves, QosWish::default().under(&self.options))
    }

    /// One client less.
    pub(crate) fn release(&self, role: Role) {
        let mut halves = self.halves.lock();
        let now = Some(Instant::now());
        match role {
            Role::Subscriber => {
                halves.subscribers = halves.subscribers.saturating_sub(1);
                if halves.subscribers == 0 {
                    halves.inbound_idle = now;
                }
            }
            Role::Publisher => {
                halves.publishers = halves.publishers.saturating_sub(1);
                if halves.publishers == 0 {
                    halves.outbound_idle = now;
                }
            }
        }
    }

    /// A client's port exists now: a late joiner gets what is retained, a writer is connected to before its first frame.
    pub(crate) fn ready(
        &self,
        site: &Site<'_>,
        role: Role,
        receiver: Option<u64>,
    ) -> Result<Reply, Refusal> {
        match role {
            Role::Subscriber => {
                let inbound = self.halves.lock().inbound.clone();
                let writers = inbound.iter().map(|inbound| inbound.counts()).collect();
                if let Some(inbound) = inbound {
                    inbound.update_connections();
                }
                if let (Some(retained), Some(receiver)) = (self.retained.get(), receiver) {
                    retained.send_to(receiver).map_err(|e| {
                        Refusal::new(
                            Code::NoMemory,
                            format!(
                                "the retained messages of {} could not be sent: {e}",
                                self.topic
                            ),
                        )
                    })?;
                }
                Ok(Reply::Ready { writers })
            }
            Role::Publisher => {
                let publisher = {
                    let halves = self.halves.lock();
                    let Some(outbound) = &halves.outbound else {
                        return Ok(Reply::Done {});
                    };
                    outbound.update_connections();
                    outbound.ros().cloned()
                };
                if let (Some(publisher), Some(ros)) = (publisher, site.ros) {
                    publisher.wait_for_subscriptions(ros, &self.topic, FIRST_MATCH);
                }
                Ok(Reply::Done {})
            }
        }
    }

    /// Ends halves that nobody has wanted for a while, and gives idle memory back. True when the whole route can go.
    pub(crate) fn tend(&self) -> bool {
        self.receivers.tend();
        let over = |since: Option<Instant>| since.is_some_and(|t| t.elapsed() > LINGER);
        let (inbound, outbound) = {
            let mut halves = self.halves.lock();
            let inbound = if over(halves.inbound_idle) && !halves.pinned {
                halves.inbound.take()
            } else {
                None
            };
            let outbound = if over(halves.outbound_idle) {
                halves.outbound.take()
            } else {
                None
            };
            (inbound, outbound)
        };
        // Outside the lock: the last messages may take a while to reach ROS.
        if let Some(inbound) = inbound {
            drop(inbound.clear_subscriptions());
        }
        drop(outbound);
        let halves = self.halves.lock();
        if let Some(inbound) = &halves.inbound {
            inbound.retire();
            inbound.trim();
        }
        halves.subscribers + halves.publishers == 0
            && !halves.pinned
            && halves.inbound.is_none()
            && halves.outbound.is_none()
    }

    /// Ends both halves now.
    pub(crate) fn stop(&self) {
        let (inbound, outbound) = {
            let mut halves = self.halves.lock();
            (halves.inbound.take(), halves.outbound.take())
        };
        if let Some(inbound) = inbound {
            drop(inbound.clear_subscriptions());
        }
        drop(outbound);
    }

    /// ROS's publishers of this topic changed: take what they offer.
    pub(crate) fn follow_graph(&self, site: &Site<'_>) {
        let Some(ros) = site.ros else { return };
        let halves = self.halves.lock();
        let Some(inbound) = halves.inbound.clone() else {
            return;
        };
        let Some(subscription) = inbound.subscription() else {
            return;
        };
        if subscription.still_fits(ros, &self.topic) {
            return;
        }
        let before = subscription.qos();
        drop(subscription);
        let wish = halves.wish;
        // The topic may have turned out to be latched.
        if let Err(error) = self.retain(site, wish) {
            tracing::warn!(topic = %self.topic, %error, "cannot retain the latched messages");
        }
        match self.subscribe(site, &inbound, wish) {
            Ok(()) => {
                let now = inbound.subscription().map(|s| s.qos()).unwrap_or_default();
                tracing::info!(topic = %self.topic, %before, %now, "the publishers offer another QoS: subscribed anew");
            }
            Err(error) => tracing::warn!(topic = %self.topic, %error, "could not subscribe anew"),
        }
    }

    fn start_inbound(
        &self,
        site: &Site<'_>,
        halves: &mut Halves,
        wish: QosWish,
    ) -> Result<(), Refusal> {
        self.retain(site, wish)?;
        if site.ros.is_none()
            || halves.inbound.is_some()
            || self.options.direction == Direction::ToRos
        {
            return Ok(());
        }
        halves.wish = wish;
        let inbound = Inbound::new(
            self.topic.as_str().into(),
            self.message_type.schema.clone(),
            self.channel
                .publisher(&PublisherOptions::default())
                .map_err(from_bus)?,
            Arc::clone(&self.counters),
            Arc::clone(&self.retained),
            &self.options,
            site.lanes,
        );
        self.subscribe(site, &inbound, wish)?;
        halves.inbound = Some(inbound);
        tracing::info!(topic = %self.topic, r#type = %self.type_name(), "bridging from ROS");
        Ok(())
    }

    fn subscribe(
        &self,
        site: &Site<'_>,
        inbound: &Arc<Inbound>,
        wish: QosWish,
    ) -> Result<(), Refusal> {
        let (Some(ros), Some(support)) = (site.ros, &self.message_type.ros) else {
            return Ok(());
        };
        let target = Arc::downgrade(inbound);
        let on_message = Box::new(move || {
            if let Some(inbound) = target.upgrade() {
                inbound.announce();
            }
        });
        let subscription = ros.subscribe(&self.topic, support, wish, on_message)?;
        inbound.set_subscription(Arc::new(subscription));
        // What came before the callback was set is announced by hand.
        inbound.announce();
        Ok(())
    }

    fn start_outbound(
        &self,
        site: &Site<'_>,
        halves: &mut Halves,
        wish: QosWish,
    ) -> Result<(), Refusal> {
        if halves.outbound.is_some() {
            return Ok(());
        }
        self.retain(site, wish)?;
        let publish = self.options.direction != Direction::FromRos;
        let ros = match (site.ros, &self.message_type.ros) {
            (Some(ros), Some(support)) if publish => {
                Some(Arc::new(ros.publisher(&self.topic, support, wish)?))
            }
            _ => None,
        };
        let buffer = site.node.limits().buffer;
        let outbound = Outbound::start(Parts {
            topic: self.topic.as_str().into(),
            schema: self.message_type.schema.clone(),
            subscriber: self
                .channel
                .subscriber(&SubscriberOptions {
                    depth: buffer,
                    ..SubscriberOptions::default()
                })
                .map_err(from_bus)?,
            listener: self.channel.listener().map_err(from_bus)?,
            wake: self.channel.notifier().map_err(from_bus)?,
            acks: self.channel.acker().map_err(from_bus)?,
            ros,
            retained: Arc::clone(&self.retained),
            counters: Arc::clone(&self.counters),
        })
        .map_err(|e| Refusal::new(Code::Internal, format!("cannot start a thread: {e}")))?;
        halves.outbound = Some(outbound);
        tracing::info!(topic = %self.topic, r#type = %self.type_name(), "bridging to ROS");
        Ok(())
    }

    /// Makes a place for the messages of a latched topic, once it is known to be one. The halves' lock is held.
    fn retain(&self, site: &Site<'_>, wish: QosWish) -> Result<(), Refusal> {
        if self.retained.get().is_some() {
            return Ok(());
        }
        let by_wish =
            (wish.durability == Some(Durability::TransientLocal)).then(|| wish.depth.unwrap_or(1));
        let depth = by_wish.or_else(|| site.ros.and_then(|ros| ros.is_latched(&self.topic, wish)));
        if let Some(depth) = depth {
            let options = PublisherOptions::default();
            let publisher = self.channel.publisher(&options).map_err(from_bus)?;
            self.retained
                .get_or_init(|| Retained::new(depth.max(1), publisher));
        }
        Ok(())
    }

    /// What is going on, for `iceway stats`.
    pub(crate) fn stats(&self) -> RouteStats {
        let halves = self.halves.lock();
        RouteStats {
            topic: self.topic.to_string(),
            type_name: self.type_name().to_string(),
            subscribers: count(halves.subscribers),
            publishers: count(halves.publishers),
            from_ros: halves
                .inbound
                .as_ref()
                .and_then(|i| i.subscription())
                .map(|s| s.qos()),
            to_ros: halves
                .outbound
                .as_ref()
                .and_then(|o| o.ros())
                .map(|p| p.qos()),
            latched: self.retained.get().is_some(),
            counters: self.counters.values(),
        }
    }

    /// AI processes that subscribe and publish.
    pub(crate) fn clients(&self) -> (u32, u32) {
        let halves = self.halves.lock();
        (count(halves.subscribers), count(halves.publishers))
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.halves.lock().pinned
    }

    /// Warns once for each set of types that ROS uses on the topic beside the route's own.
    pub(crate) fn warn_of_types(&self, in_ros: &[TypeName]) {
        let mut halves = self.halves.lock();
        if halves.types_warned_of == in_ros {
            return;
        }
        halves.types_warned_of = in_ros.to_vec();
        let others: Vec<_> = in_ros
            .iter()
            .filter(|t| *t != self.type_name())
            .map(TypeName::as_str)
            .collect();
        if !others.is_empty() {
            tracing::warn!(
                "{} is bridged as {}, but ROS nodes also use it as {}: those messages do not reach the AI processes, nor theirs those nodes",
                self.topic,
                self.type_name(),
                others.join(" and "),
            );
        }
    }

    /// How many frames are kept for late joiners, where the topic is latched.
    pub(crate) fn retained_depth(&self) -> Option<usize> {
        self.retained.get().map(Retained::depth)
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn from_bus(error: BusError) -> Refusal {
    let code = match &error {
        BusError::TypeConflict { .. } => Code::TypeMismatch,
        BusError::NoMemory { .. } => Code::NoMemory,
        _ => Code::Internal,
    };
    Refusal::new(code, error.to_string())
}

/// A loan of which the middleware wrote the first `len` bytes.
#[allow(unsafe_code)]
fn filled(mut loan: Loan, len: usize) -> FilledLoan {
    loan.shrink_to(len);
    // SAFETY: rcl reported success and `len` bytes written from the loan's start, which is what it was given to write into.
    unsafe { loan.assume_filled() }
}
