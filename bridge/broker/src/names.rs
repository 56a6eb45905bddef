//! Names as users give them: with or without the leading slash.

use iceway_bus::TopicName;

/// The absolute topic name for `given`; without ROS there are no namespaces, so a relative name starts at the root.
pub(crate) fn absolute(given: &str) -> Result<TopicName, String> {
    let absolute = if given.starts_with('/') || given.is_empty() {
        given.to_owned()
    } else {
        format!("/{given}")
    };
    absolute.parse::<TopicName>().map_err(|e| e.to_string())
}
