//! The broker's ROS side, or its absence: both have the same items, so that the rest of the broker is the same with and without ROS.

#[cfg(feature = "ros")]
mod live;
#[cfg(feature = "ros")]
pub(crate) use live::*;

#[cfg(not(feature = "ros"))]
mod absent;
#[cfg(not(feature = "ros"))]
pub(crate) use absent::*;

use iceway_bus::control::{Durability, Reliability};
use iceway_msg::TypeName;

use crate::config::RouteOptions;

/// What ROS knows of one topic.
#[derive(Debug, Clone)]
pub(crate) struct RosTopic {
    pub(crate) name: String,
    pub(crate) types: Vec<TypeName>,
    pub(crate) publishers: usize,
    pub(crate) subscriptions: usize,
}

/// What a person should know of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) topic: String,
    pub(crate) sentence: String,
}

/// The QoS that a client or `iceway.toml` asks for; what is `None` follows ROS.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct QosWish {
    pub(crate) reliability: Option<Reliability>,
    pub(crate) durability: Option<Durability>,
    pub(crate) depth: Option<usize>,
}

impl QosWish {
    /// The configuration wins over the client: it is what the operator wants.
    pub(crate) fn under(self, options: &RouteOptions) -> Self {
        Self {
            reliability: options.reliability.or(self.reliability),
            durability: options.durability.or(self.durability),
            depth: options.depth.or(self.depth),
        }
    }
}
