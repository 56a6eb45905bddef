//! iceway's channels: one ROS topic is one shared-memory channel over iceoryx2.
//!
//! ```text
//! Publisher::loan -> Loan -> FilledLoan::send ==> Subscriber::receive -> Frame
//! ```
//!
//! A [`Channel`] is a publish-subscribe service of raw bytes with a [`FrameHeader`] in front, plus an event
//! service that wakes receivers. The payload is the CDR that ROS itself uses. Chunks are large and sparse
//! (only touched pages cost memory), so a port is never resized; a full `/dev/shm` is an error
//! ([`LoanError::NoMemory`]), never a SIGBUS.
//!
//! [`control`] is the protocol between broker and clients (a Unix socket, one JSON object per line), and
//! [`client`] is the core of every client. Apart from the one documented thread of [`client::Client`] this
//! crate spawns no threads, and it reads no environment variables.

pub mod ack;
pub mod client;
pub mod clock;
pub mod control;

mod channel;
mod domain;
mod error;
mod event;
mod fork;
mod frame;
mod limits;
mod loan;
mod lock;
mod memory;
mod node;
mod publisher;
mod service;
mod subscriber;
mod topic;
mod tracker;
mod umask;
mod wire;

pub use channel::{Channel, ChannelSpec, PortCounts};
pub use domain::{Domain, MAX_ROOT_LEN};
pub use error::{BusError, LoanError, ReceiveError, SendError};
pub use event::{Listener, Notifier, Wake};
pub use frame::Frame;
pub use iceway_msg::frame::{FrameFlags, FrameHeader};
pub use iceway_msg::{TypeHash, TypeName};
pub use limits::Limits;
pub use loan::{FilledLoan, Loan, Placement};
pub use lock::{BrokerInfo, BrokerLock, LockError};
pub use node::BusNode;
pub use publisher::{Publisher, PublisherOptions};
pub use subscriber::{Subscriber, SubscriberOptions, SubscriberStats};
pub use topic::{TopicName, TopicNameError};

/// Version of iceoryx2 that this build speaks; both sides of a channel must have the same.
pub const ICEORYX2_VERSION: &str = "0.10.0";

/// Version of iceway.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
