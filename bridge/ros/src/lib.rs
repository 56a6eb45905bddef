//! The only part of iceway that knows rcl: takes serialized messages straight into memory of the caller's choice, publishes
//! serialized messages straight from it, loads type support at run time, and follows the ROS graph.
//!
//! ```text
//! Context ─┬─ Subscription ── take(sink) ──► Taken      data: TakePath::Serialized (any rmw), or SingleCopy (rmw_fastrtps)
//!          ├─ Publisher ───── publish(bytes)
//!          ├─ topics(), publishers(), subscriptions()   graph
//!          └─ Waiter ──────── wait() ──► Woken          changes of the graph, RosEvents: one thread of the caller
//! TypeSupport::load("pkg/msg/Name")                     definition, hash
//! Qos                                                   what fits whom, in words
//! ```
//!
//! The calls go to rcl through `r2r_rcl`'s bindings, so any middleware (rmw) works. What a caller of rcl has to keep to
//! (see rcl's headers) is stated at each `unsafe` block. The crate starts no threads, and of the environment it reads only
//! `AMENT_PREFIX_PATH`; the middleware reads more.
//!
//! # Linking an executable
//!
//! ROS must be sourced at build time (`ROS_DISTRO`, `AMENT_PREFIX_PATH`); with a distribution that is installed as usual nothing else is needed
//! to link. The wheels of ROS 2 on PyPI need two symbols more, and an executable that should start without `LD_LIBRARY_PATH` needs an rpath.
//! Link arguments of a library do not reach the executables that use it, so the build script of this crate hands them on, and that of each
//! executable prints them. The package of the executable must depend on this crate **directly**:
//!
//! ```text
//! // build.rs
//! fn main() {
//!     println!("cargo:rerun-if-env-changed=DEP_ICEWAY_ROS_LINK_ARGS");
//!     for arg in std::env::var("DEP_ICEWAY_ROS_LINK_ARGS").unwrap_or_default().split(';').filter(|a| !a.is_empty()) {
//!         println!("cargo:rustc-link-arg-bins={arg}"); // -tests, -examples, -benches likewise
//!     }
//! }
//! ```

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

/// Everything may be used from several threads.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Context>();
    shared::<TypeSupport>();
    shared::<Subscription>();
    shared::<Publisher>();
    shared::<Waiter>();
    shared::<RosError>();
};
