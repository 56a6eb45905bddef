//! rcl's context and node: making, asking, ending.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use r2r_rcl as rcl;

use crate::error::RosError;
use crate::ffi::{Entities, allocator, c_string, check, reset_error, text};
use crate::logging::{Logging, close_rosout, open_rosout};

/// A node in a context of its own. Dropped under `entities()`, after all entities that were made with it.
pub(crate) struct Node {
    // In the order in which they end.
    node: NodeHandle,
    _logging: Logging,
    context: ContextHandle,
}

// SAFETY: the functions of rcl that are called with a shared node or context (graph queries, name resolution, the logger's name, making wait
// sets) are thread-safe or called under `entities()`; rcl ties neither to a thread.
unsafe impl Send for Node {}
// SAFETY: as for Send.
unsafe impl Sync for Node {}

/// An initialised rcl context. Boxed: rcl keeps pointers to it.
struct ContextHandle(*mut rcl::rcl_context_t);

/// An initialised rcl node, with its publisher of /rosout. Boxed: rcl keeps pointers to it.
struct NodeHandle(*mut rcl::rcl_node_t);

impl Node {
    pub(crate) fn new(
        entities: &Entities,
        ros_args: &[String],
        name: &str,
        namespace: &str,
        domain: Option<u32>,
    ) -> Result<Self, RosError> {
        let context = ContextHandle::new(entities, ros_args, domain)?;
        // SAFETY: the context is initialised.
        let logging =
            unsafe { Logging::start(entities, &raw const (*context.0).global_arguments)? };
        let node = NodeHandle::new(entities, &context, name, namespace)?;
        // SAFETY: the node is initialised.
        unsafe { open_rosout(node.0)? };
        Ok(Self {
            node,
            _logging: logging,
            context,
        })
    }

    pub(crate) fn node(&self) -> *mut rcl::rcl_node_t {
        self.node.0
    }

    pub(crate) fn context(&self) -> *mut rcl::rcl_context_t {
        self.context.0
    }

    pub(crate) fn full_name(&self) -> String {
        // SAFETY: the node is valid, and the name as long as it.
        unsafe { text(rcl::rcl_node_get_fully_qualified_name(self.node.0)) }
    }

    pub(crate) fn logger(&self) -> CString {
        // SAFETY: the node is valid, and its logger's name, a C string or NULL, as long as it.
        unsafe {
            let name = rcl::rcl_node_get_logger_name(self.node.0);
            if name.is_null() {
                CString::default()
            } else {
                CStr::from_ptr(name).to_owned()
            }
        }
    }

    pub(crate) fn domain(&self) -> u32 {
        let mut domain = 0;
        // SAFETY: the context is valid; `domain` is written during the call.
        if unsafe { rcl::rcl_context_get_domain_id(self.context.0, &raw mut domain) } != 0 {
            reset_error();
        }
        u32::try_from(domain).unwrap_or_default()
    }

    pub(crate) fn resolve_topic(&self, name: &str) -> Result<String, RosError> {
        let name = c_string(name)?;
        let alloc = allocator();
        let mut resolved = ptr::null_mut();
        // SAFETY: the node is valid; rcl allocates the result with the allocator given, with which it is freed here.
        unsafe {
            let code = rcl::rcl_node_resolve_name(
                self.node.0,
                name.as_ptr(),
                alloc,
                false,
                false,
                &raw mut resolved,
            );
            check("rcl_node_resolve_name", code)?;
            let result = text(resolved);
            if let Some(deallocate) = alloc.deallocate {
                deallocate(resolved.cast(), alloc.state);
            }
            Ok(result)
        }
    }
}

/// Which middleware runs.
pub(crate) fn middleware() -> String {
    // SAFETY: returns a static string.
    unsafe { text(rcl::rmw_get_implementation_identifier()) }
}

impl ContextHandle {
    fn new(_: &Entities, ros_args: &[String], domain: Option<u32>) -> Result<Self, RosError> {
        let arguments = ros_args
            .iter()
            .map(|a| c_string(a))
            .collect::<Result<Vec<_>, _>>()?;
        let pointers: Vec<*const c_char> = arguments.iter().map(|a| a.as_ptr()).collect();
        let argc = i32::try_from(pointers.len()).map_err(|_| RosError::Call {
            call: "rcl_init",
            code: 1,
            message: "too many arguments".into(),
        })?;
        // Without arguments rcl_init demands NULL.
        let argv = if pointers.is_empty() {
            ptr::null()
        } else {
            pointers.as_ptr()
        };
        // SAFETY: options and context are zero-initialised by rcl's own functions before use; the options are ended once, whatever comes
        // between; argv lives during rcl_init, which copies it. The context is ended by `drop` only if rcl_init succeeded.
        unsafe {
            let mut options = rcl::rcl_get_zero_initialized_init_options();
            check(
                "rcl_init_options_init",
                rcl::rcl_init_options_init(&raw mut options, allocator()),
            )?;
            let domain_set = domain.map_or(0, |domain| {
                rcl::rcl_init_options_set_domain_id(&raw mut options, domain as usize)
            });
            let mut started = check("rcl_init_options_set_domain_id", domain_set);
            let context = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_context()));
            if started.is_ok() {
                let code = rcl::rcl_init(argc, argv, &raw const options, context);
                started = check("rcl_init", code);
            }
            if started.is_err() {
                drop(Box::from_raw(context));
            }
            let context = started.map(|()| Self(context));
            check(
                "rcl_init_options_fini",
                rcl::rcl_init_options_fini(&raw mut options),
            )?;
            context
        }
    }
}

impl Drop for ContextHandle {
    fn drop(&mut self) {
        // SAFETY: initialised; made by Box::into_raw; nothing that was made with it is left; not used again.
        unsafe {
            ended("rcl_shutdown", rcl::rcl_shutdown(self.0));
            ended("rcl_context_fini", rcl::rcl_context_fini(self.0));
            drop(Box::from_raw(self.0));
        }
    }
}

impl NodeHandle {
    fn new(
        _: &Entities,
        context: &ContextHandle,
        name: &str,
        namespace: &str,
    ) -> Result<Self, RosError> {
        let (name, namespace) = (c_string(name)?, c_string(namespace)?);
        // SAFETY: the node is zero-initialised by rcl's own function; names and options live during the call; the context outlives the
        // node (see `Node`). The node is ended by `drop` only if rcl_node_init succeeded.
        unsafe {
            let node = Box::into_raw(Box::new(rcl::rcl_get_zero_initialized_node()));
            let mut options = rcl::rcl_node_get_default_options();
            let code = rcl::rcl_node_init(
                node,
                name.as_ptr(),
                namespace.as_ptr(),
                context.0,
                &raw const options,
            );
            let made = check("rcl_node_init", code);
            if made.is_err() {
                drop(Box::from_raw(node));
            }
            let made = made.map(|()| Self(node));
            check(
                "rcl_node_options_fini",
                rcl::rcl_node_options_fini(&raw mut options),
            )?;
            made
        }
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        // SAFETY: as for the context.
        unsafe {
            close_rosout(self.0);
            ended("rcl_node_fini", rcl::rcl_node_fini(self.0));
            drop(Box::from_raw(self.0));
        }
    }
}

/// What ends badly cannot be helped any more.
fn ended(call: &'static str, code: i32) {
    if let Err(error) = check(call, code) {
        tracing::debug!(%error, "ending ROS");
    }
}
