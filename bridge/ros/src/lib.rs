//! The only part of iceway that knows rcl: takes serialized messages straight into memory of the caller's choice, publishes
//! serialized messages straight from it, loads type support at run time, and follows the ROS graph.
//!
//! The calls go to rcl through `r2r_rcl`'s bindings, so any middleware (rmw) works. What a caller of rcl has to keep to
//! (see rcl's headers) is stated at each `unsafe` block.

mod context;
mod distribution;
mod error;
mod events;
mod fastdds;
mod ffi;
mod graph;
mod logging;
mod node;
mod own;
mod publisher;
mod qos;
mod self_test;
mod subscription;
mod take;
mod type_support;
mod waiter;
#[cfg(ros_wheels)]
mod wheels;

pub use context::Context;
pub use error::RosError;
pub use events::{RosEvent, Side};
pub use graph::{Endpoint, Topic};
pub use publisher::Publisher;
pub use qos::{Durability, History, Liveliness, Qos, Reliability, UnknownPolicy};
pub use self_test::single_copy_take_works;
pub use subscription::{Subscription, SubscriptionOptions};
pub use take::{MessageInfo, TakePath, TakeSink, Taken};
pub use type_support::TypeSupport;
pub use waiter::{Waiter, Woken};

/// The ROS 2 distribution that this was built for.
pub const BUILT_FOR: &str = env!("ICEWAY_BUILT_FOR");

/// `AMENT_PREFIX_PATH` at build time.
pub const BUILT_WITH_PREFIXES: &str = env!("ICEWAY_BUILT_WITH_PREFIXES");
