//! The ROS context and node of this process.

use std::sync::Arc;

use r2r_rcl as rcl;

use crate::error::RosError;
use crate::ffi::entities;
use crate::logging;
use crate::node::Node;
use crate::own::OwnGids;

/// An initialised rcl context with one node. All entities hold it, so it ends after them.
pub struct Context {
    /// There until `drop`, which ends it under the lock of all entities.
    node: Option<Node>,
    name: String,
    pub(crate) own: OwnGids,
}

impl Context {
    /// Initialises rcl with `ros_args` (`--ros-args …`, as on a command line) and makes a node. Remappings of its name and namespace
    /// in the arguments win over `name` and `namespace`. The domain is that of `ROS_DOMAIN_ID`.
    ///
    /// Remapping holds for all nodes that a context has, so give the arguments to one context of the process only.
    ///
    /// # Errors
    /// [`RosError::NotSourced`] without a ROS environment; what rcl says of bad arguments.
    pub fn new(ros_args: &[String], name: &str, namespace: &str) -> Result<Arc<Self>, RosError> {
        Self::in_domain(ros_args, name, namespace, None)
    }

    /// The same in a given domain.
    ///
    /// # Errors
    /// As for [`Context::new`].
    pub fn in_domain(
        ros_args: &[String],
        name: &str,
        namespace: &str,
        domain: Option<u32>,
    ) -> Result<Arc<Self>, RosError> {
        if std::env::var_os("AMENT_PREFIX_PATH").is_none_or(|v| v.is_empty()) {
            return Err(RosError::NotSourced);
        }
        let node = Node::new(&entities(), ros_args, name, namespace, domain)?;
        Ok(Arc::new(Self {
            name: node.full_name(),
            node: Some(node),
            own: OwnGids::default(),
        }))
    }

    fn get(&self) -> &Node {
        self.node.as_ref().expect("there until drop")
    }

    /// The node's fully qualified name.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.name
    }

    /// The ROS domain.
    #[must_use]
    pub fn domain(&self) -> u32 {
        self.get().domain()
    }

    /// Which middleware runs, e.g. `rmw_fastrtps_cpp`.
    #[must_use]
    pub fn middleware(&self) -> String {
        crate::node::middleware()
    }

    /// The absolute, remapped name of a topic.
    ///
    /// # Errors
    /// What rcl says of a bad name.
    pub fn resolve_topic(&self, name: &str) -> Result<String, RosError> {
        self.get().resolve_topic(name)
    }

    /// Logs to /rosout as this node. Not to the console nor to ROS's log files: those are for whoever has a log of their own to decide.
    pub fn log(&self, severity: tracing::Level, message: &str) {
        logging::log(&self.get().logger(), severity, message);
    }

    pub(crate) fn node(&self) -> *const rcl::rcl_node_t {
        self.get().node()
    }

    pub(crate) fn node_mut(&self) -> *mut rcl::rcl_node_t {
        self.get().node()
    }

    pub(crate) fn context_mut(&self) -> *mut rcl::rcl_context_t {
        self.get().context()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _entities = entities();
        drop(self.node.take());
    }
}
