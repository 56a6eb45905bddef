//! What is said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client; the answer has it too.
    pub id: u64,
    /// What is wanted.
    #[serde(flatten)]
    pub op: Op,
}

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// First of all; anything else before it is refused.
    Hello(Hello),
    /// The topics that there are.
    Topics {},
    /// The definition of a type.
    Describe {
        /// `pkg/msg/Name`.
        #[serde(rename = "type")]
        type_name: String,
    },
    /// Wants the frames of a topic.
    Subscribe {
        /// Its name; a relative one is resolved in the namespace of the broker's node.
        topic: String,
        /// The type, if the client knows it; else it is taken from the graph.
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        type_name: Option<String>,
        /// The type's definition, for a broker without ROS.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        definition: Option<String>,
        /// How many frames the client will queue.
        depth: u32,
        /// QoS of the ROS subscription, where it is not to follow the publishers'.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        qos: Option<Qos>,
        /// How long to wait for the topic to appear.
        timeout_ms: u64,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// From the reply to `subscribe`.
        route: u64,
    },
    /// Wants to write a topic.
    Advertise {
        /// Its name; a relative one is resolved in the namespace of the broker's node.
        topic: String,
        /// The type.
        #[serde(rename = "type")]
        type_name: String,
        /// The type's definition, for a broker without ROS.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        definition: Option<String>,
        /// QoS of the ROS publisher.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        qos: Option<Qos>,
    },
    /// Ends an advertisement.
    Unadvertise {
        /// From the reply to `advertise`.
        route: u64,
    },
    /// The client's port exists. For a subscriber, the broker now sends what is retained, to `receiver`; for a
    /// publisher, it connects to it, and has the topic's receivers connect ([`Event::Connect`]). Answered when that is done.
    Ready {
        /// From the reply to `subscribe` or `advertise`.
        route: u64,
        /// Which of the two.
        role: Role,
        /// Subscribers: `target` of the retained frames ([`crate::Subscriber::receiver_id`]).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receiver: Option<u64>,
    },
    /// The subscriber is connected to all writers that there are: in answer to [`Event::Connect`].
    Connected {
        /// As in the event.
        route: u64,
        /// As in the event.
        token: u64,
    },
    /// Counters of all routes.
    Stats {},
}

/// Who the client is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`super::PROTOCOL`].
    pub protocol: u32,
    /// Version of iceway.
    pub version: String,
    /// Version of iceoryx2.
    pub iceoryx2: String,
    /// Process id.
    pub pid: u32,
    /// For people.
    pub name: String,
    /// Participant id ([`crate::BusNode::id`]).
    pub participant: u64,
}

/// Which end of a route a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It receives.
    Subscriber,
    /// It sends.
    Publisher,
}

/// Quality of service; what is absent is up to the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qos {
    /// Reliability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reliability: Option<Reliability>,
    /// Durability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
    /// History.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// Depth of the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Deadline in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Lifespan in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifespan_ms: Option<u64>,
    /// `automatic` or `manual_by_topic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveliness: Option<String>,
}

/// ROS reliability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reliability {
    /// Lost frames are sent again.
    Reliable,
    /// They are not.
    BestEffort,
}

/// ROS durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Late joiners get nothing old.
    Volatile,
    /// Late joiners get the last messages ("latched").
    TransientLocal,
}

/// ROS history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// The last `depth` messages.
    KeepLast,
    /// All.
    KeepAll,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The request's.
    pub id: u64,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// `ok` or `error`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Ok(Reply),
    /// Not done.
    Error(ErrorBody),
}

/// The answer to each [`Op`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To `hello`.
    Hello(HelloReply),
    /// To `topics`.
    Topics {
        /// Sorted by name.
        topics: Vec<TopicInfo>,
    },
    /// To `describe`.
    Type(TypeReply),
    /// To `subscribe` and `advertise`.
    Route(Box<RouteReply>),
    /// To a subscriber's `ready`.
    Ready {
        /// The broker's writers of the topic, as they were when the port was there: what they send from then on is meant for it.
        writers: Vec<WriterCounts>,
    },
    /// To `unsubscribe`, `unadvertise`, `connected`, and a publisher's `ready`.
    Done {},
    /// To `stats`.
    Stats(StatsReply),
}

/// Who the broker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloReply {
    /// [`super::PROTOCOL`].
    pub protocol: u32,
    /// Version of iceway.
    pub version: String,
    /// Version of iceoryx2.
    pub iceoryx2: String,
    /// Process id.
    pub pid: u32,
    /// The broker's participant id.
    pub participant: u64,
    /// Limits of the channels.
    pub limits: Limits,
    /// ROS distribution; absent if the broker has no ROS side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ros: Option<String>,
}

/// A topic that somebody offers or wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicInfo {
    /// Fully qualified name.
    pub name: String,
    /// Its type; more than one is a mistake in the system.
    pub types: Vec<String>,
    /// ROS publishers.
    pub ros_publishers: u32,
    /// ROS subscriptions.
    pub ros_subscriptions: u32,
    /// Subscriptions of AI processes.
    pub subscribers: u32,
    /// Publishers of AI processes.
    pub publishers: u32,
    /// True if a route exists.
    pub bridged: bool,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeReply {
    /// `pkg/msg/Name`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// `RIHS01_…`.
    pub hash: String,
    /// Definition text with all dependencies (the format of ROS recordings).
    pub definition: String,
}

/// A client's end of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteReply {
    /// Names it in later requests of this connection.
    pub route: u64,
    /// The topic, after remapping.
    pub topic: String,
    /// Name of the channel.
    pub channel: String,
    /// `pkg/msg/Name`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// `RIHS01_…`.
    pub hash: String,
    /// Definition text with all dependencies.
    pub definition: String,
    /// True if the topic is latched (transient_local).
    #[serde(default)]
    pub latched: bool,
    /// How many frames are retained at most, if it is latched.
    #[serde(default)]
    pub retained: u32,
    /// Advertisements: queue of the broker; 0 if it does not acknowledge.
    #[serde(default)]
    pub ack_buffer: u32,
}

/// How far a writer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterCounts {
    /// Id of its port, in hexadecimal digits.
    pub port: String,
    /// Number of its next frame.
    pub next_seq: u64,
    /// Frames that it could not write.
    pub drops: u64,
    /// Frames lost before it.
    pub lost_before: u64,
}

/// Counters of the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsReply {
    /// Seconds since it started.
    pub uptime_s: f64,
    /// Its routes.
    pub routes: Vec<RouteStats>,
    /// Counters that belong to no route.
    pub counters: BTreeMap<String, u64>,
}

/// Counters of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteStats {
    /// The topic.
    pub topic: String,
    /// `pkg/msg/Name`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Subscriptions of AI processes.
    pub subscribers: u32,
    /// Publishers of AI processes.
    pub publishers: u32,
    /// QoS of the broker's ROS subscription, in words; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_ros: Option<String>,
    /// QoS of the broker's ROS publisher, in words; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_ros: Option<String>,
    /// True if late joiners get the last frames.
    pub latched: bool,
    /// Frames and bytes each way, and losses by cause.
    pub counters: BTreeMap<String, u64>,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// The broker's version, with `version_mismatch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_version: Option<String>,
}

impl ErrorBody {
    /// An error.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            broker_version: None,
        }
    }
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Versions differ.
    VersionMismatch,
    /// Nobody offers the topic.
    UnknownTopic,
    /// The type is not installed where the broker runs.
    UnknownType,
    /// The topic has another type.
    TypeMismatch,
    /// A name is not valid.
    InvalidName,
    /// The broker's configuration forbids it.
    Denied,
    /// The broker has no ROS side.
    NoRos,
    /// /dev/shm is full.
    NoMemory,
    /// A limit is reached.
    Limit,
    /// The request makes no sense here.
    BadRequest,
    /// Something else.
    #[serde(other)]
    Internal,
}

/// What the broker says without being asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something that the user should know (incompatible QoS, …).
    Notice {
        /// How bad.
        severity: Severity,
        /// The topic, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
        /// In words.
        message: String,
    },
    /// A writer of the topic is there and about to send: connect to it and say [`Op::Connected`].
    Connect {
        /// The client's subscription.
        route: u64,
        /// To be given back.
        token: u64,
    },
    /// A route ended, and this client's end of it; the client may declare it again.
    RouteClosed {
        /// The route.
        route: u64,
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
    /// The broker ends.
    Shutdown {},
    /// From a newer broker.
    #[serde(other)]
    Unknown,
}

/// Severity of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something does not work as it should.
    Warning,
    /// Something does not work.
    Error,
}

/// A line from the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ServerMessage {
    /// An answer.
    Response(Response),
    /// An event.
    Event(Event),
}
