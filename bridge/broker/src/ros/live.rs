//! The broker's ROS side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use iceway_bus::TopicName;
use iceway_bus::control::{Durability, ErrorCode, Reliability};
use iceway_msg::TypeName;
use iceway_ros::{
    Context, Endpoint, Publisher, Qos, RosError, RosEvent, Side, Subscription, SubscriptionOptions,
    TypeSupport, Waiter,
};
pub(crate) use iceway_ros::{MessageInfo, TakeSink, Taken};

use super::{QosWish, Report, RosTopic};
use crate::refusal::Refusal;
use crate::routes::{DEFAULT_DEPTH, PUBLISH_DEPTH, RELAY_DEPTH};

/// The broker's node in the ROS graph.
pub(crate) struct RosSide {
    context: Arc<Context>,
    waiter: Arc<Waiter>,
    single_copy: bool,
    stopping: AtomicBool,
    /// Found together with an event, and not told yet.
    graph_changed: AtomicBool,
}

/// A message type with its ROS type support.
#[derive(Clone)]
pub(crate) struct RosType(Arc<TypeSupport>);

/// Why the ROS thread woke.
pub(crate) enum Wake {
    GraphChanged,
    /// Something that a person should know.
    Report(Vec<Report>),
    Stopped,
}

impl RosSide {
    pub(crate) fn start(ros_args: &[String]) -> anyhow::Result<Self> {
        // The broker logs to stderr itself; rcl adds /rosout, and no console lines or files of its own.
        let quiet = [
            "--ros-args",
            "--disable-stdout-logs",
            "--disable-external-lib-logs",
            "--",
        ]
        .map(String::from);
        let context = Context::new(&[quiet.as_slice(), ros_args].concat(), "iceway", "")?;
        let single_copy = iceway_ros::single_copy_take_works(&context);
        let waiter = Arc::new(Waiter::new(&context).context("cannot wait for ROS")?);
        Ok(Self {
            context,
            waiter,
            single_copy,
            stopping: AtomicBool::new(false),
            graph_changed: AtomicBool::new(false),
        })
    }

    pub(crate) fn describe(&self) -> String {
        format!(
            "ROS 2 {} through {} as node {}, {}",
            iceway_ros::BUILT_FOR,
            self.context.middleware(),
            self.context.node_name(),
            if self.single_copy {
                "taking messages with one copy"
            } else {
                "taking messages through rcl's serialized take"
            }
        )
    }

    /// Passes a line of the log on to /rosout.
    pub(crate) fn log(&self, level: tracing::Level, message: &str) {
        self.context.log(level, message);
    }

    pub(crate) fn resolve(&self, name: &str) -> Result<TopicName, String> {
        let resolved = self.context.resolve_topic(name).map_err(|e| match e {
            RosError::Call { message, .. } => message,
            other => other.to_string(),
        })?;
        resolved.parse::<TopicName>().map_err(|e| e.to_string())
    }

    pub(crate) fn topics(&self) -> Vec<RosTopic> {
        let topics = self.context.topics().unwrap_or_default();
        topics.into_iter().map(|t| self.with_endpoints(t)).collect()
    }

    fn with_endpoints(&self, topic: iceway_ros::Topic) -> RosTopic {
        let others = |found: Result<Vec<Endpoint>, RosError>| {
            found
                .unwrap_or_default()
                .iter()
                .filter(|e| e.node != self.context.node_name())
                .count()
        };
        RosTopic {
            publishers: others(self.context.publishers(&topic.name)),
            subscriptions: others(self.context.subscriptions(&topic.name)),
            name: topic.name,
            types: topic.types,
        }
    }

    /// The types that ROS nodes (the broker's own endpoints apart) use on a topic.
    pub(crate) fn types(&self, name: &TopicName) -> Vec<TypeName> {
        let endpoints = [
            self.context.publishers(name.as_str()),
            self.context.subscriptions(name.as_str()),
        ];
        let mut types: Vec<TypeName> = endpoints
            .into_iter()
            .flat_map(Result::unwrap_or_default)
            .filter(|e| e.node != self.context.node_name())
            .filter_map(|e| e.type_name.parse().ok())
            .collect();
        types.sort();
        types.dedup();
        types
    }

    pub(crate) fn load_type(
        &self,
        name: &TypeName,
    ) -> Result<(RosType, Vec<(TypeName, String)>), Refusal> {
        let unknown = |e: RosError| Refusal::new(ErrorCode::UnknownType, e.to_string());
        let support = TypeSupport::load(name).map_err(unknown)?;
        let sources = support.definition().map_err(unknown)?;
        Ok((RosType(support), sources))
    }

    pub(crate) fn subscribe(
        &self,
        topic: &TopicName,
        ros_type: &RosType,
        wish: QosWish,
        on_message: Box<dyn Fn() + Send + Sync>,
    ) -> Result<RosSubscription, Refusal> {
        let qos = self.subscription_qos(topic, wish);
        let options = SubscriptionOptions {
            on_message: Box::new(move |_| on_message()),
            take_path: None,
            ignore_local: true,
        };
        let subscription =
            Subscription::new(&self.context, topic.as_str(), &ros_type.0, &qos, options).map_err(
                |e| {
                    Refusal::new(
                        ErrorCode::Internal,
                        format!("cannot subscribe to {topic} in ROS: {e}"),
                    )
                },
            )?;
        let subscription = Arc::new(subscription);
        self.waiter.watch(&subscription);
        Ok(RosSubscription {
            subscription: Some(subscription),
            waiter: Arc::clone(&self.waiter),
            wish,
        })
    }

    pub(crate) fn publisher(
        &self,
        topic: &TopicName,
        ros_type: &RosType,
        wish: QosWish,
    ) -> Result<RosPublisher, Refusal> {
        let qos = with_wish(
            Qos {
                depth: PUBLISH_DEPTH,
                ..Qos::default()
            },
            wish,
        );
        let publisher =
            Publisher::new(&self.context, topic.as_str(), &ros_type.0, &qos).map_err(|e| {
                Refusal::new(
                    ErrorCode::Internal,
                    format!("cannot publish {topic} in ROS: {e}"),
                )
            })?;
        self.waiter.watch_publisher(&publisher);
        Ok(RosPublisher(publisher))
    }

    /// The depth of what must be retained for late joiners, if every publisher of the topic is latched.
    pub(crate) fn is_latched(&self, topic: &TopicName, wish: QosWish) -> Option<usize> {
        let qos = self.subscription_qos(topic, wish);
        (qos.durability == iceway_ros::Durability::TransientLocal)
            .then(|| wish.depth.unwrap_or(DEFAULT_DEPTH))
    }

    /// Waits for the next thing to do.
    pub(crate) fn wait(&self) -> Wake {
        loop {
            if self.stopping.load(Ordering::Acquire) {
                return Wake::Stopped;
            }
            if self.graph_changed.swap(false, Ordering::Relaxed) {
                return Wake::GraphChanged;
            }
            match self.waiter.wait() {
                Ok(woken) if !woken.events.is_empty() => {
                    // Both may come at once; the other one's turn is next.
                    self.graph_changed
                        .store(woken.graph_changed, Ordering::Relaxed);
                    return Wake::Report(woken.events.iter().map(|e| self.report(e)).collect());
                }
                Ok(woken) if woken.graph_changed => return Wake::GraphChanged,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "waiting for ROS");
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.waiter.wake();
    }

    fn subscription_qos(&self, topic: &TopicName, wish: QosWish) -> Qos {
        with_wish(
            Qos {
                depth: RELAY_DEPTH,
                ..Qos::for_subscription(&self.publishers(topic))
            },
            wish,
        )
    }

    fn publishers(&self, topic: &TopicName) -> Vec<Endpoint> {
        let mut publishers = self.context.publishers(topic.as_str()).unwrap_or_default();
        publishers.retain(|p| p.node != self.context.node_name());
        publishers
    }

    fn report(&self, event: &RosEvent) -> Report {
        let (topic, sentence) = match event {
            RosEvent::IncompatibleQos {
                topic, side, own, ..
            } => {
                let named =
                    |e: &Endpoint, why: Option<String>| Some(format!("{}: {}", e.node, why?));
                let (what, reasons): (_, Vec<_>) = match side {
                    Side::Subscription => (
                        "a publisher's QoS does not fit the subscription, its messages do not arrive",
                        self.context
                            .publishers(topic)
                            .unwrap_or_default()
                            .iter()
                            .filter_map(|p| named(p, p.qos.refuses(own)))
                            .collect(),
                    ),
                    Side::Publisher => (
                        "a ROS subscription asks for more than the AI process's publisher offers and gets nothing",
                        self.context
                            .subscriptions(topic)
                            .unwrap_or_default()
                            .iter()
                            .filter_map(|s| named(s, own.refuses(&s.qos)))
                            .collect(),
                    ),
                };
                (topic, format!("{what}. {}", reasons.join("; ")))
            }
            RosEvent::MessageLost { topic, total, new } => (
                topic,
                format!("the middleware lost {new} messages ({total} so far)"),
            ),
            RosEvent::DeadlineMissed { topic, total } => (
                topic,
                format!("a publisher missed its deadline ({total} times so far)"),
            ),
            RosEvent::IncompatibleType { topic, .. } => (
                topic,
                "a publisher uses another type; its messages do not arrive".to_owned(),
            ),
        };
        Report {
            topic: topic.clone(),
            sentence,
        }
    }
}

fn with_wish(mut qos: Qos, wish: QosWish) -> Qos {
    match wish.reliability {
        Some(Reliability::Reliable) => qos.reliability = iceway_ros::Reliability::Reliable,
        Some(Reliability::BestEffort) => qos.reliability = iceway_ros::Reliability::BestEffort,
        None => {}
    }
    match wish.durability {
        Some(Durability::TransientLocal) => qos.durability = iceway_ros::Durability::TransientLocal,
        Some(Durability::Volatile) => qos.durability = iceway_ros::Durability::Volatile,
        None => {}
    }
    qos.depth = wish.depth.unwrap_or(qos.depth);
    qos
}

/// A subscription of the broker in ROS.
pub(crate) struct RosSubscription {
    subscription: Option<Arc<Subscription>>,
    waiter: Arc<Waiter>,
    wish: QosWish,
}

impl RosSubscription {
    fn get(&self) -> &Subscription {
        self.subscription.as_ref().expect("there until drop")
    }

    pub(crate) fn take(&self, sink: &mut dyn TakeSink) -> Result<Taken, RosError> {
        self.get().take(sink)
    }

    /// Whether what was asked for is still what the topic's publishers offer.
    pub(crate) fn still_fits(&self, ros: &RosSide, topic: &TopicName) -> bool {
        let (now, wanted) = (self.get().qos(), ros.subscription_qos(topic, self.wish));
        ros.publishers(topic).is_empty()
            || (now.reliability, now.durability, now.deadline)
                == (wanted.reliability, wanted.durability, wanted.deadline)
    }

    pub(crate) fn qos(&self) -> String {
        self.get().qos().to_string()
    }
}

impl Drop for RosSubscription {
    fn drop(&mut self) {
        drop(self.subscription.take());
        // A wait that is under way holds it; let that end.
        self.waiter.wake();
    }
}

/// A publisher of the broker in ROS.
pub(crate) struct RosPublisher(Publisher);

impl RosPublisher {
    pub(crate) fn publish(&self, cdr: &[u8]) -> Result<(), RosError> {
        self.0.publish(cdr)
    }

    pub(crate) fn wait_for_all_acked(&self, timeout: Duration) {
        if self.0.subscriptions() > 0 && !self.0.wait_for_all_acked(timeout) {
            tracing::warn!("a ROS subscriber did not confirm the last messages within {timeout:?}");
        }
    }

    /// Waits until the ROS subscriptions that are known, and whose QoS fits, have found this publisher.
    pub(crate) fn wait_for_subscriptions(
        &self,
        ros: &RosSide,
        topic: &TopicName,
        timeout: Duration,
    ) {
        let offered = self.0.qos();
        let end = Instant::now() + timeout;
        loop {
            let subscriptions = ros
                .context
                .subscriptions(topic.as_str())
                .unwrap_or_default();
            let fitting = subscriptions
                .iter()
                .filter(|s| s.node != ros.context.node_name() && offered.refuses(&s.qos).is_none())
                .count();
            if self.0.subscriptions() >= fitting || Instant::now() > end {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn qos(&self) -> String {
        self.0.qos().to_string()
    }
}
