//! ROS logging: rcl's own lines go where ROS puts them, those of iceway only to /rosout, since iceway has a log of its own.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::ReentrantMutex;
use r2r_rcl as rcl;

use crate::error::RosError;
use crate::ffi::{Entities, allocator, c_string, check, reset_error};

// Exported by librcl (rcl/logging_rosout.h), not in r2r_rcl's bindings.
unsafe extern "C" {
    fn rcl_logging_rosout_init_publisher_for_node(node: *mut rcl::rcl_node_t) -> rcl::rcl_ret_t;
    fn rcl_logging_rosout_fini_publisher_for_node(node: *mut rcl::rcl_node_t) -> rcl::rcl_ret_t;
    fn rcl_logging_rosout_output_handler(
        location: *const rcl::rcutils_log_location_t,
        severity: c_int,
        name: *const c_char,
        timestamp: rcl::rcutils_time_point_value_t,
        format: *const c_char,
        args: *mut rcl::va_list,
    );
}

/// rcl's logging is not thread-safe (rcl/logging.h, rcl/logging_rosout.h): neither are its handlers, nor is logging while a node gets or
/// loses its /rosout. Whatever touches it holds this. It may log itself, hence reentrant. Taken after `entities()`, never before.
static LOGGING: ReentrantMutex<()> = ReentrantMutex::new(());

/// How many contexts use rcl's logging, which is one for the whole process. Changed under `entities()` only.
static USERS: AtomicUsize = AtomicUsize::new(0);

/// A share in rcl's logging: the first configures it, the last one ends it. Dropped under `entities()`.
pub(crate) struct Logging(());

impl Logging {
    /// Configures logging, unless another context did. Must come before the first node is made, or that gets no /rosout.
    ///
    /// # Safety
    /// `arguments` are those of an initialised context.
    pub(crate) unsafe fn start(
        _: &Entities,
        arguments: *const rcl::rcl_arguments_t,
    ) -> Result<Self, RosError> {
        let _logging = LOGGING.lock();
        if USERS.load(Ordering::Relaxed) == 0 {
            let alloc = allocator();
            // SAFETY: the arguments are valid by this function's contract; the allocator is copied; `output` may be called from
            // any thread. Nobody else configures logging at the same time: that takes `Entities`.
            let code = unsafe {
                rcl::rcl_logging_configure_with_output_handler(
                    arguments,
                    &raw const alloc,
                    Some(output),
                )
            };
            check("rcl_logging_configure_with_output_handler", code)?;
        }
        USERS.fetch_add(1, Ordering::Relaxed);
        Ok(Self(()))
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _logging = LOGGING.lock();
        // SAFETY: it was configured by `start`; the last context that used it has ended.
        if USERS.fetch_sub(1, Ordering::Relaxed) == 1 && unsafe { rcl::rcl_logging_fini() } != 0 {
            reset_error();
        }
    }
}

/// Gives a node its publisher of /rosout.
///
/// # Safety
/// `node` is initialised.
pub(crate) unsafe fn open_rosout(node: *mut rcl::rcl_node_t) -> Result<(), RosError> {
    let _logging = LOGGING.lock();
    // SAFETY: by this function's contract. It does nothing where --disable-rosout-logs was given, or the node has one.
    let code = unsafe { rcl_logging_rosout_init_publisher_for_node(node) };
    check("rcl_logging_rosout_init_publisher_for_node", code)
}

/// Takes it away again, before the node ends.
///
/// # Safety
/// `node` is initialised.
pub(crate) unsafe fn close_rosout(node: *mut rcl::rcl_node_t) {
    let _logging = LOGGING.lock();
    // SAFETY: by this function's contract. It does nothing for a node without one.
    if unsafe { rcl_logging_rosout_fini_publisher_for_node(node) } != 0 {
        reset_error();
    }
}

thread_local! {
    /// This thread is inside `log`.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Logs a line as `logger`, to /rosout only. Ignores what ROS's log level for that logger leaves out.
pub(crate) fn log(logger: &CStr, severity: tracing::Level, message: &str) {
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
    let _logging = LOGGING.lock(); // for the levels too, which rcutils caches
    OURS.set(true);
    // SAFETY: all strings live during the call; the format takes one string, which is given.
    unsafe {
        rcl::rcutils_log(
            &raw const location,
            severity as c_int,
            logger.as_ptr(),
            c"%s".as_ptr(),
            message.as_ptr(),
        );
    }
    OURS.set(false);
}

/// Where rcutils sends every line.
unsafe extern "C" fn output(
    location: *const rcl::rcutils_log_location_t,
    severity: c_int,
    name: *const c_char,
    timestamp: rcl::rcutils_time_point_value_t,
    format: *const c_char,
    args: *mut rcl::va_list,
) {
    let _logging = LOGGING.lock();
    // SAFETY: the arguments are rcutils's own, handed on as they came, once.
    unsafe {
        if OURS.get() {
            rcl_logging_rosout_output_handler(location, severity, name, timestamp, format, args);
        } else {
            rcl::rcl_logging_multiple_output_handler(
                location, severity, name, timestamp, format, args,
            );
        }
    }
}
