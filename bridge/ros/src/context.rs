//! The ROS context and node of this process.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use r2r_rcl as rcl;

use crate::error::RosError;
use crate::ffi::{allocator, c_string, check, entities, text};

unsafe extern "C" {
    /// Exported by librcl (rcl/logging_rosout.h), not in r2r_rcl's bindings.
    fn rcl_logging_rosout_init_publisher_for_node(node: *mut rcl::rcl_node_t) -> i32;
}

/// An initialised rcl context with one node. All entities hold it, so it ends after them.
pub struct Context {
    // Boxed: rcl keeps pointers to both.
    context: *mut rcl::rcl_context_t,
    node: *mut rcl::rcl_node_t,
    name: String,
}

// SAFETY: rcl's functions that take a const context or node are thread-safe (graph queries, name resolution, waiting);
// those that are not (making and ending entities) run under `ffi::entities()`.
unsafe impl Send for Context {}
// SAFETY: as for Send.
unsafe impl Sync for Context {}

impl Context {
    /// Initialises rcl with `ros_args` (`--ros-args …`, as on a command line) and makes a node. Remappings of its name and namespace
    /// in the arguments win over `name` and `namespace`.
    ///
    /// # Errors
    /// [`RosError::NotSourced`] without a ROS environment; what rcl says of bad arguments.
    pub fn new(ros_args: &[String], name: &str, namespace: &str) -> Result<Arc<Self>, RosError> {
        if std::env::var_os("AMENT_PREFIX_PATH").is_none_or(|v| v.is_empty()) {
            return Err(RosError::NotSourced);
        }
        let arguments = ros_args
            .iter()
            .map(|a| c_string(a))
            .collect::<Result<Vec<_>, _>>()?;
        let pointers: Vec<*const c_char> = arguments.iter().map(|a| a.as_ptr()).collect();
        let (name, namespace) = (c_string(name)?, c_string(namespace)?);
        let _guard = entities();
        // SAFETY: each struct is zero-initialised by rcl's own function before use; the context and node are boxed, so their addresses
        // hold until `drop`; argv lives during rcl_init, which copies it; with no arguments argv is NULL as rcl_init demands.
        unsafe {
            let mut options = rcl::rcl_get_zero_initialized_init_options();
            check(
                "rcl_init_options_init",
                rcl::rcl_init_options_init(&raw mut options, allocator()),
            )?;
            let context = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_context()));
            let argv = if pointers.is_empty() {
                ptr::null()
            } else {
                pointers.as_ptr()
            };
            let argc = i32::try_from(pointers.len()).unwrap_or(i32::MAX);
            let started = check(
                "rcl_init",
                rcl::rcl_init(argc, argv, &raw const options, context),
            );
            check(
                "rcl_init_options_fini",
                rcl::rcl_init_options_fini(&raw mut options),
            )?;
            if let Err(error) = started {
                drop(Box::from_raw(context));
                return Err(error);
            }
            // Before the node, or it gets no /rosout publisher.
            let alloc = allocator();
            check(
                "rcl_logging_configure",
                rcl::rcl_logging_configure(
                    &raw const (*context).global_arguments,
                    &raw const alloc,
                ),
            )?;
            let node = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_node()));
            let mut node_options = rcl::rcl_node_get_default_options();
            let made = check(
                "rcl_node_init",
                rcl::rcl_node_init(
                    node,
                    name.as_ptr(),
                    namespace.as_ptr(),
                    context,
                    &raw const node_options,
                ),
            );
            check(
                "rcl_node_options_fini",
                rcl::rcl_node_options_fini(&raw mut node_options),
            )?;
            made?;
            check(
                "rcl_logging_rosout_init_publisher_for_node",
                rcl_logging_rosout_init_publisher_for_node(node),
            )?;
            let full_name = text(rcl::rcl_node_get_fully_qualified_name(node));
            Ok(Arc::new(Self {
                context,
                node,
                name: full_name,
            }))
        }
    }

    /// The node's fully qualified name.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.name
    }

    /// Which middleware runs, e.g. `rmw_fastrtps_cpp`.
    #[must_use]
    pub fn middleware(&self) -> String {
        // SAFETY: returns a static string.
        unsafe { text(rcl::rmw_get_implementation_identifier()) }
    }

    /// The absolute, remapped name of a topic.
    ///
    /// # Errors
    /// What rcl says of a bad name.
    pub fn resolve_topic(&self, name: &str) -> Result<String, RosError> {
        let name = c_string(name)?;
        let mut resolved = ptr::null_mut();
        // SAFETY: the node is valid as long as self; rcl allocates the result with the allocator given, with which it is freed here.
        unsafe {
            let code = rcl::rcl_node_resolve_name(
                self.node,
                name.as_ptr(),
                allocator(),
                false,
                false,
                &raw mut resolved,
            );
            check("rcl_node_resolve_name", code)?;
            let result = text(resolved);
            let alloc = allocator();
            if let Some(deallocate) = alloc.deallocate {
                deallocate(resolved.cast(), alloc.state);
            }
            Ok(result)
        }
    }

    /// Logs to /rosout and the console's handlers as this node.
    pub fn log(&self, severity: tracing::Level, message: &str) {
        use rcl::RCUTILS_LOG_SEVERITY as Severity;
        let severity = match severity {
            tracing::Level::ERROR => Severity::RCUTILS_LOG_SEVERITY_ERROR,
            tracing::Level::WARN => Severity::RCUTILS_LOG_SEVERITY_WARN,
            tracing::Level::INFO => Severity::RCUTILS_LOG_SEVERITY_INFO,
            _ => Severity::RCUTILS_LOG_SEVERITY_DEBUG,
        };
        let Ok(message) = c_string(&message.replace('\0', " ")) else {
            return;
        };
        let location = rcl::rcutils_log_location_t {
            function_name: c"iceway".as_ptr(),
            file_name: c"iceway".as_ptr(),
            line_number: 0,
        };
        // SAFETY: the logger's name lives as long as the node; the format is ours and takes one string, which lives during the call.
        unsafe {
            let logger = rcl::rcl_node_get_logger_name(self.node);
            rcl::rcutils_log(
                &raw const location,
                severity as i32,
                logger,
                c"%s".as_ptr(),
                message.as_ptr(),
            );
        }
    }

    pub(crate) fn node(&self) -> *const rcl::rcl_node_t {
        self.node
    }

    pub(crate) fn node_mut(&self) -> *mut rcl::rcl_node_t {
        self.node
    }

    pub(crate) fn context_mut(&self) -> *mut rcl::rcl_context_t {
        self.context
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _guard = entities();
        // SAFETY: every entity holds an Arc of this context, so none is left; both pointers came from Box::into_raw and are not used again.
        unsafe {
            for (call, code) in [
                ("rcl_node_fini", rcl::rcl_node_fini(self.node)),
                ("rcl_shutdown", rcl::rcl_shutdown(self.context)),
                ("rcl_context_fini", rcl::rcl_context_fini(self.context)),
                ("rcl_logging_fini", rcl::rcl_logging_fini()),
            ] {
                if let Err(error) = check(call, code) {
                    tracing::debug!(%error, "ending ROS");
                }
            }
            drop(Box::from_raw(self.node));
            drop(Box::from_raw(self.context));
        }
    }
}
