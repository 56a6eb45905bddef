//! What the ROS graph tells: topics, their types, and who publishes and subscribes with which QoS.
#![allow(unsafe_code)]

use std::slice;

use iceway_msg::{TypeHash, TypeName};
use r2r_rcl as rcl;

use crate::context::Context;
use crate::distribution::endpoint_type_hash;
use crate::error::RosError;
use crate::ffi::{allocator, c_string, check, text};
use crate::qos::Qos;

/// A topic of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its absolute name.
    pub name: String,
    /// Its types; more than one is a conflict.
    pub types: Vec<TypeName>,
}

/// A publisher or subscription of the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its node's fully qualified name.
    pub node: String,
    /// Its type, as the middleware tells it.
    pub type_name: String,
    /// The type's hash, where the distribution tells it.
    pub type_hash: Option<TypeHash>,
    /// Its id, padded with zeros.
    pub gid: [u8; 24],
    /// Its QoS; the middleware does not tell depth and history of others.
    pub qos: Qos,
}

#[derive(Clone, Copy)]
enum Side {
    Publishers,
    Subscriptions,
}

impl Context {
    /// All topics that have a publisher or a subscription, in the graph as it is known here now.
    ///
    /// # Errors
    /// What rcl says.
    pub fn topics(&self) -> Result<Vec<Topic>, RosError> {
        let mut alloc = allocator();
        // SAFETY: the node is valid as long as self; `found` is zero-initialised by rmw's own function, filled by rcl, read within
        // the sizes it tells, and ended once.
        unsafe {
            let mut found = rcl::rmw_get_zero_initialized_names_and_types();
            let code = rcl::rcl_get_topic_names_and_types(
                self.node(),
                &raw mut alloc,
                false,
                &raw mut found,
            );
            check("rcl_get_topic_names_and_types", code)?;
            let mut topics = Vec::with_capacity(found.names.size);
            for i in 0..found.names.size {
                let types = &*found.types.add(i);
                topics.push(Topic {
                    name: text(*found.names.data.add(i)),
                    types: (0..types.size)
                        .filter_map(|k| text(*types.data.add(k)).parse().ok())
                        .collect(),
                });
            }
            check(
                "rmw_names_and_types_fini",
                rcl::rmw_names_and_types_fini(&raw mut found),
            )?;
            Ok(topics)
        }
    }

    /// The publishers of a topic.
    ///
    /// # Errors
    /// What rcl says.
    pub fn publishers(&self, topic: &str) -> Result<Vec<Endpoint>, RosError> {
        self.endpoints(topic, Side::Publishers)
    }

    /// The subscriptions of a topic.
    ///
    /// # Errors
    /// What rcl says.
    pub fn subscriptions(&self, topic: &str) -> Result<Vec<Endpoint>, RosError> {
        self.endpoints(topic, Side::Subscriptions)
    }

    fn endpoints(&self, topic: &str, side: Side) -> Result<Vec<Endpoint>, RosError> {
        let topic = c_string(topic)?;
        let mut alloc = allocator();
        // SAFETY: as in `topics`.
        unsafe {
            let mut found = rcl::rmw_get_zero_initialized_topic_endpoint_info_array();
            let (call, query): (_, unsafe extern "C" fn(_, _, _, _, _) -> _) = match side {
                Side::Publishers => (
                    "rcl_get_publishers_info_by_topic",
                    rcl::rcl_get_publishers_info_by_topic,
                ),
                Side::Subscriptions => (
                    "rcl_get_subscriptions_info_by_topic",
                    rcl::rcl_get_subscriptions_info_by_topic,
                ),
            };
            check(
                call,
                query(
                    self.node(),
                    &raw mut alloc,
                    topic.as_ptr(),
                    false,
                    &raw mut found,
                ),
            )?;
            let infos = if found.size == 0 {
                &[]
            } else {
                slice::from_raw_parts(found.info_array, found.size)
            };
            let endpoints = infos.iter().map(|info| endpoint(info)).collect();
            check(
                "rmw_topic_endpoint_info_array_fini",
                rcl::rmw_topic_endpoint_info_array_fini(&raw mut found, &raw mut alloc),
            )?;
            Ok(endpoints)
        }
    }
}

/// # Safety
/// The strings of `info` are NULL or NUL-terminated and live.
unsafe fn endpoint(info: &rcl::rmw_topic_endpoint_info_t) -> Endpoint {
    let mut gid = [0; 24];
    gid[..info.endpoint_gid.len()].copy_from_slice(&info.endpoint_gid);
    // SAFETY: by this function's contract.
    let (namespace, name, type_name) = unsafe {
        (
            text(info.node_namespace),
            text(info.node_name),
            text(info.topic_type),
        )
    };
    let slash = if namespace.ends_with('/') { "" } else { "/" };
    Endpoint {
        node: format!("{namespace}{slash}{name}"),
        type_name,
        type_hash: endpoint_type_hash(info),
        gid,
        qos: Qos::from_rmw(&info.qos_profile),
    }
}
