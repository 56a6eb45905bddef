//! Where the ROS 2 distributions differ. The rest of the crate is the same for all of them.
//!
//! Since Iron, the type support carries the type's hash and the text of its definition, endpoints tell the hash of their type, and there
//! are events for publishers of another type. Humble has none of that. (Its ids of publishers have 24 bytes instead of 16: callers copy
//! what is there into 24.)
#![allow(unsafe_code)]

use iceway_msg::{TypeHash, TypeName};
use r2r_rcl as rcl;

pub(crate) use events::{
    PUBLISHER_INCOMPATIBLE_TYPE, SUBSCRIPTION_INCOMPATIBLE_TYPE, incompatible_types,
};

type Handle = *const rcl::rosidl_message_type_support_t;

/// The hash of a type, if its type support tells it.
///
/// # Safety
/// `handle` is the type support of a library that stays loaded.
#[cfg(not(ros_humble))]
pub(crate) unsafe fn type_hash(handle: Handle) -> Option<TypeHash> {
    // SAFETY: by this function's contract; the function returns a static constant, or NULL.
    unsafe {
        let hash = (*handle).get_type_hash_func?(handle).as_ref()?;
        known(hash)
    }
}

/// The hash of the type that an endpoint uses, if it tells it.
#[cfg(not(ros_humble))]
pub(crate) fn endpoint_type_hash(info: &rcl::rmw_topic_endpoint_info_t) -> Option<TypeHash> {
    known(&info.topic_type_hash)
}

/// Version 0 is "unset"; 1 is RIHS01.
#[cfg(not(ros_humble))]
fn known(hash: &rcl::rosidl_type_hash_t) -> Option<TypeHash> {
    (hash.version == 1).then_some(TypeHash(hash.value))
}

/// The definitions of the type and of all it needs, if the type support carries them.
///
/// # Safety
/// As for [`type_hash`].
#[cfg(not(ros_humble))]
pub(crate) unsafe fn definitions(handle: Handle) -> Vec<(TypeName, String)> {
    // SAFETY: by this function's contract; the sequence and its strings are static constants with the sizes that they tell.
    let (sources, string) = unsafe {
        let Some(get) = (*handle).get_type_description_sources_func else {
            return Vec::new();
        };
        let Some(sequence) = get(handle).as_ref().filter(|s| !s.data.is_null()) else {
            return Vec::new();
        };
        let string = |s: &rcl::rosidl_runtime_c__String| {
            if s.data.is_null() {
                return String::new();
            }
            // Some sizes count the NUL at the end, some do not.
            let bytes = std::slice::from_raw_parts(s.data.cast::<u8>(), s.size);
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        };
        (
            std::slice::from_raw_parts(sequence.data, sequence.size),
            string,
        )
    };
    sources
        .iter()
        // Types that rosidl makes for services and actions ("implicit") have no text of their own.
        .filter(|source| source.raw_file_contents.size > 0)
        .filter_map(|source| {
            Some((
                string(&source.type_name).parse().ok()?,
                string(&source.raw_file_contents),
            ))
        })
        .collect()
}

#[cfg(ros_humble)]
pub(crate) unsafe fn type_hash(_: Handle) -> Option<TypeHash> {
    None
}

#[cfg(ros_humble)]
pub(crate) fn endpoint_type_hash(_: &rcl::rmw_topic_endpoint_info_t) -> Option<TypeHash> {
    None
}

#[cfg(ros_humble)]
pub(crate) unsafe fn definitions(_: Handle) -> Vec<(TypeName, String)> {
    Vec::new()
}

/// The event "the other side uses another type".
#[cfg(not(ros_humble))]
mod events {
    use r2r_rcl as rcl;

    pub(crate) const SUBSCRIPTION_INCOMPATIBLE_TYPE: Option<rcl::rcl_subscription_event_type_t> =
        Some(rcl::rcl_subscription_event_type_e::RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE);
    pub(crate) const PUBLISHER_INCOMPATIBLE_TYPE: Option<rcl::rcl_publisher_event_type_t> =
        Some(rcl::rcl_publisher_event_type_e::RCL_PUBLISHER_INCOMPATIBLE_TYPE);

    /// The status of that event, read by `take` into the struct that belongs to it.
    pub(crate) fn incompatible_types(
        take: impl FnOnce(*mut std::ffi::c_void) -> Option<()>,
    ) -> Option<i32> {
        let mut status = rcl::rmw_incompatible_type_status_t {
            total_count: 0,
            total_count_change: 0,
        };
        take((&raw mut status).cast())?;
        Some(status.total_count)
    }
}

#[cfg(ros_humble)]
mod events {
    use r2r_rcl as rcl;

    pub(crate) const SUBSCRIPTION_INCOMPATIBLE_TYPE: Option<rcl::rcl_subscription_event_type_t> =
        None;
    pub(crate) const PUBLISHER_INCOMPATIBLE_TYPE: Option<rcl::rcl_publisher_event_type_t> = None;

    pub(crate) fn incompatible_types(
        _: impl FnOnce(*mut std::ffi::c_void) -> Option<()>,
    ) -> Option<i32> {
        None
    }
}
