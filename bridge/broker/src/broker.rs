//! The broker: what is shared by its threads, and what clients can ask of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use iceway_bus::control::{
    ErrorCode as Code, Event, Qos, Reply, Role, RouteReply, Severity, StatsReply, TopicInfo,
};
use iceway_bus::{BusNode, TopicName};
use iceway_msg::TypeName;
use parking_lot::{Condvar, Mutex};

use crate::clients::Clients;
use crate::config::Config;
use crate::lanes::Lanes;
use crate::refusal::Refusal;
use crate::ros::{QosWish, Report, RosSide, Wake};
use crate::routes::{Demand, Route, RouteTable, Site};
use crate::types::{MessageType, Types};

/// How often clients that died are looked for, routes that nobody wants are ended and idle memory is given back.
const TEND_PERIOD: Duration = Duration::from_millis(500);

pub(crate) struct Broker {
    pub(crate) config: Config,
    pub(crate) node: BusNode,
    pub(crate) ros: Option<RosSide>,
    pub(crate) clients: Clients,
    lanes: Lanes,
    types: Types,
    routes: RouteTable,
    stopping: AtomicBool,
    started: Instant,
    next_claim: AtomicU64,
    /// Counts graph changes; its condition variable wakes who waits for a topic, and the tending thread at the end.
    graph: Mutex<u64>,
    changed: Condvar,
}

/// A client's claim on a route; given back by [`Broker::release`].
pub(crate) struct Claim {
    /// The number by which the client names it.
    pub(crate) id: u64,
    pub(crate) route: Arc<Route>,
    pub(crate) role: Role,
}

/// What a client asks for.
pub(crate) struct Ask<'a> {
    pub(crate) topic: &'a str,
    pub(crate) type_name: Option<&'a str>,
    pub(crate) definition: Option<&'a str>,
    pub(crate) qos: Option<&'a Qos>,
    pub(crate) role: Role,
    /// How long to wait for somebody to tell the topic's type.
    pub(crate) timeout: Duration,
}

impl Broker {
    pub(crate) fn new(config: Config, node: BusNode, ros: Option<RosSide>) -> anyhow::Result<Self> {
        let lanes = Lanes::start(&config.lanes)?;
        Ok(Self {
            config,
            node,
            ros,
            clients: Clients::default(),
            lanes,
            types: Types::default(),
            routes: RouteTable::default(),
            stopping: AtomicBool::new(false),
            started: Instant::now(),
            next_claim: AtomicU64::new(1),
            graph: Mutex::new(0),
            changed: Condvar::new(),
        })
    }

    fn site(&self) -> Site<'_> {
        Site {
            node: &self.node,
            ros: self.ros.as_ref(),
            lanes: &self.lanes,
        }
    }

    /// Grants a route to a client, and makes it if there is none.
    pub(crate) fn claim(&self, ask: &Ask<'_>) -> Result<(Claim, RouteReply), Refusal> {
        let topic = self.resolve(ask.topic)?;
        self.config
            .permits(&topic)
            .map_err(|message| Refusal::new(Code::Denied, message))?;
        let message_type = self.type_of(&topic, ask)?;
        let demand = Demand::Client(ask.role, wish(ask.qos));
        let route = self.routes.acquire(
            &self.site(),
            &topic,
            &message_type,
            self.config.route(&topic),
            demand,
        )?;
        let schema = &route.message_type.schema;
        let retained = route.retained_depth();
        let id = self.next_claim.fetch_add(1, Ordering::Relaxed);
        let reply = RouteReply {
            route: id,
            channel: topic.to_string(),
            topic: topic.to_string(),
            type_name: schema.type_name().to_string(),
            hash: schema.type_hash().to_string(),
            definition: schema.definition().to_owned(),
            latched: retained.is_some(),
            retained: retained.map_or(0, |depth| u32::try_from(depth).unwrap_or(u32::MAX)),
            ack_buffer: u32::try_from(self.node.limits().buffer).unwrap_or(u32::MAX),
        };
        Ok((
            Claim {
                id,
                route,
                role: ask.role,
            },
            reply,
        ))
    }

    /// The client's port exists.
    pub(crate) fn ready(&self, claim: &Claim, receiver: Option<u64>) -> Result<Reply, Refusal> {
        claim.route.ready(&self.site(), claim.role, receiver)
    }

    pub(crate) fn release(&self, claim: &Claim) {
        claim.route.receivers.remove(claim.id);
        claim.route.release(claim.role);
    }

    /// A client's connection ended. If it was killed, what it left behind is freed at once.
    pub(crate) fn client_gone(&self) {
        let freed = self.node.cleanup_dead();
        if freed > 0 {
            tracing::debug!(
                processes = freed,
                "freed what ended processes had left behind"
            );
        }
    }

    /// A type's definition and hash.
    pub(crate) fn describe(&self, type_name: &str) -> Result<Arc<MessageType>, Refusal> {
        self.types
            .get(&parse_type(type_name)?, None, self.ros.as_ref())
    }

    /// Every topic that ROS or an AI process knows.
    pub(crate) fn topics(&self) -> Vec<TopicInfo> {
        let mut topics: Vec<TopicInfo> = self
            .ros
            .iter()
            .flat_map(RosSide::topics)
            .map(|t| TopicInfo {
                name: t.name,
                types: t.types.iter().map(ToString::to_string).collect(),
                ros_publishers: u32::try_from(t.publishers).unwrap_or(u32::MAX),
                ros_subscriptions: u32::try_from(t.subscriptions).unwrap_or(u32::MAX),
                ..TopicInfo::default()
            })
            .collect();
        for route in self.routes.all() {
            let (subscribers, publishers) = route.clients();
            let index = topics
                .iter()
                .position(|t| t.name == route.topic.as_str())
                .unwrap_or_else(|| {
                    topics.push(TopicInfo {
                        name: route.topic.to_string(),
                        types: vec![route.type_name().to_string()],
                        ..TopicInfo::default()
                    });
                    topics.len() - 1
                });
            let topic = &mut topics[index];
            (topic.bridged, topic.subscribers, topic.publishers) = (true, subscribers, publishers);
        }
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    pub(crate) fn stats(&self) -> StatsReply {
        StatsReply {
            uptime_s: self.started.elapsed().as_secs_f64(),
            routes: self.routes.all().iter().map(|r| r.stats()).collect(),
            counters: [("shm_free_bytes".to_owned(), self.node.free_bytes())].into(),
        }
    }

    fn resolve(&self, given: &str) -> Result<TopicName, Refusal> {
        let resolved = match &self.ros {
            Some(ros) => ros.resolve(given),
            None => crate::names::absolute(given),
        };
        resolved.map_err(|reason| {
            Refusal::new(
                Code::InvalidName,
                format!("'{given}' is not a topic name: {reason}"),
            )
        })
    }

    /// The type to bridge a topic as: the one asked for, else the route's, else what ROS's graph tells within the timeout.
    fn type_of(&self, topic: &TopicName, ask: &Ask<'_>) -> Result<Arc<MessageType>, Refusal> {
        let get = |name: &TypeName| self.types.get(name, ask.definition, self.ros.as_ref());
        if let Some(asked) = ask.type_name {
            let asked = parse_type(asked)?;
            let in_ros = self
                .ros
                .as_ref()
                .map(|ros| ros.types(topic))
                .unwrap_or_default();
            if !in_ros.is_empty() && !in_ros.contains(&asked) {
                return Err(Refusal::new(
                    Code::TypeMismatch,
                    format!(
                        "{topic} carries {} in ROS, but {asked} is asked for",
                        in_words(&in_ros)
                    ),
                ));
            }
            return get(&asked);
        }
        let end = Instant::now() + ask.timeout;
        let mut generation = self.graph.lock();
        loop {
            if let Some(route) = self.routes.get(topic) {
                return Ok(Arc::clone(&route.message_type));
            }
            let types = self
                .ros
                .as_ref()
                .map(|ros| ros.types(topic))
                .unwrap_or_default();
            match types.as_slice() {
                [] => {}
                [one] => return get(one),
                several => {
                    return Err(Refusal::new(
                        Code::TypeMismatch,
                        format!(
                            "{topic} has several types in ROS: {}. Say which one you want.",
                            in_words(several)
                        ),
                    ));
                }
            }
            if self.is_stopping() {
                return Err(Refusal::new(Code::Internal, "the broker is ending"));
            }
            if self.changed.wait_until(&mut generation, end).timed_out() {
                return Err(Refusal::new(
                    Code::UnknownTopic,
                    format!(
                        "nobody told the type of {topic} within {:.1} s: no ROS node publishes or subscribes to it. \
                         Check the name (iceway topics), or pass the type.",
                        ask.timeout.as_secs_f64()
                    ),
                ));
            }
        }
    }

    /// Follows ROS until [`Broker::stop`]: run on a thread of its own.
    pub(crate) fn follow_ros(&self) {
        let Some(ros) = &self.ros else { return };
        loop {
            match ros.wait() {
                Wake::GraphChanged => self.graph_changed(ros),
                Wake::Report(reports) => reports.into_iter().for_each(|report| self.report(report)),
                Wake::Stopped => return,
            }
        }
    }

    /// Something that a person should know, wherever they look: in the log, or in a client.
    fn report(&self, report: Report) {
        let Report { topic, sentence } = report;
        tracing::warn!("{topic}: {sentence}");
        self.clients.tell(&Event::Notice {
            severity: Severity::Warning,
            topic: Some(topic),
            message: sentence,
        });
    }

    fn graph_changed(&self, ros: &RosSide) {
        *self.graph.lock() += 1;
        self.changed.notify_all();
        let mut pinned = Vec::new();
        for (topic, _) in &self.config.topics {
            if self.routes.get(topic).is_none() {
                pinned.push(topic);
            }
        }
        if !pinned.is_empty() {
            self.pin_topics();
        }
        for route in self.routes.all() {
            route.follow_graph(&self.site());
            let types = ros.types(&route.topic);
            route.warn_of_types(&types);
        }
    }

    /// Makes the routes of `--topic` whose type is known by now.
    pub(crate) fn pin_topics(&self) {
        for (topic, type_name) in &self.config.topics {
            let ask = Ask {
                topic: topic.as_str(),
                type_name: type_name.as_ref().map(TypeName::as_str),
                definition: None,
                qos: None,
                role: Role::Subscriber,
                timeout: Duration::ZERO,
            };
            let pinned = self.resolve(ask.topic).and_then(|topic| {
                if self.routes.get(&topic).is_some_and(|r| r.is_pinned()) {
                    return Ok(());
                }
                let message_type = self.type_of(&topic, &ask)?;
                self.routes
                    .acquire(
                        &self.site(),
                        &topic,
                        &message_type,
                        self.config.route(&topic),
                        Demand::Pinned,
                    )
                    .map(drop)
            });
            match pinned {
                Ok(()) => {}
                Err(refusal) if refusal.code == Code::UnknownTopic => {
                    tracing::debug!(%topic, "waiting for a publisher that tells the type");
                }
                Err(error) => tracing::warn!(%topic, %error, "cannot bridge a topic of --topic"),
            }
        }
    }

    /// Keeps house until [`Broker::stop`]: run on a thread of its own.
    pub(crate) fn tend(&self) {
        while !self.stopping.load(Ordering::Acquire) {
            self.client_gone();
            self.routes.tend();
            let mut generation = self.graph.lock();
            if !self.stopping.load(Ordering::Acquire) {
                self.changed.wait_for(&mut generation, TEND_PERIOD);
            }
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Tells all threads to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(ros) = &self.ros {
            ros.stop();
        }
        let _generation = self.graph.lock();
        self.changed.notify_all();
    }

    /// Ends all routes, then the lanes. After [`Broker::stop`] and the end of the other threads.
    pub(crate) fn finish(&self) {
        self.routes.stop();
        self.lanes.stop();
    }
}

fn parse_type(given: &str) -> Result<TypeName, Refusal> {
    given
        .parse::<TypeName>()
        .map_err(|e| Refusal::new(Code::UnknownType, e.to_string()))
}

fn in_words(types: &[TypeName]) -> String {
    types
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" and ")
}

fn wish(qos: Option<&Qos>) -> QosWish {
    let Some(qos) = qos else {
        return QosWish::default();
    };
    QosWish {
        reliability: qos.reliability,
        durability: qos.durability,
        depth: qos
            .depth
            .map(|d| usize::try_from(d).unwrap_or(usize::MAX).max(1)),
    }
}
