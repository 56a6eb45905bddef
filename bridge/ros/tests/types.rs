//! Type support that is loaded at run time.

mod common;

use common::support;
use iceway_msg::Schema;
use iceway_ros::{RosError, TypeSupport};

#[test]
fn definitions_and_hashes_come_with_the_type_support() {
    for name in [
        "sensor_msgs/msg/Image",
        "std_msgs/msg/Empty",
        "visualization_msgs/msg/MarkerArray",
        "std_srvs/srv/SetBool_Request",
        "test_msgs/srv/Arrays_Response",
        "test_msgs/action/Fibonacci_FeedbackMessage",
        "test_msgs/action/Fibonacci_SendGoal_Request",
        "test_msgs/action/Fibonacci_GetResult_Response",
        "std_srvs/srv/SetBool_Event",
    ] {
        let support = support(name);
        let definition = support.definition().unwrap();
        let sources = definition
            .iter()
            .map(|(name, text)| (name.clone(), text.as_str()));
        let schema =
            Schema::from_sources(support.name(), sources).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Humble tells no hash.
        let expected = support.type_hash().unwrap_or(schema.type_hash());
        assert_eq!(schema.type_hash(), expected, "{name}");
    }
}

#[test]
fn the_type_itself_comes_first() {
    let definition = support("sensor_msgs/msg/Image").definition().unwrap();
    let names: Vec<_> = definition.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[0], "sensor_msgs/msg/Image");
    assert!(
        names.contains(&"std_msgs/msg/Header") && names.contains(&"builtin_interfaces/msg/Time")
    );
    assert!(definition.iter().all(|(_, text)| !text.contains('\0')));
}

fn failure(name: &str) -> RosError {
    match TypeSupport::load(&name.parse().unwrap()) {
        Ok(_) => panic!("{name} was found"),
        Err(error) => error,
    }
}

#[test]
fn unknown_types_say_what_to_do() {
    let package = failure("no_such_msgs/msg/X");
    assert!(matches!(package, RosError::UnknownPackage { .. }));
    let package = package.to_string();
    assert!(
        package.contains("ros-<distro>-no-such-msgs") && package.contains("not installed"),
        "{package}"
    );
    let name = failure("std_msgs/msg/Strin");
    assert!(matches!(name, RosError::UnknownType { .. }));
    let name = name.to_string();
    assert!(
        name.contains("std_msgs/msg/Strin") && name.contains("spelling"),
        "{name}"
    );
    // A service is no message.
    assert!(matches!(
        failure("std_srvs/srv/SetBool"),
        RosError::UnknownType { .. }
    ));
}
