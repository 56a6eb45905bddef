//! The graph, its changes, and events.

mod common;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use common::{Listener, PATIENCE, Peer, context, domain, new_context, string, support};
use iceway_ros::{
    Context, Durability, Publisher, Qos, Reliability, RosError, RosEvent, Side, Taken, Waiter,
    Woken,
};

const STRING: &str = "std_msgs/msg/String";

fn best_effort() -> Qos {
    Qos {
        reliability: Reliability::BestEffort,
        ..Qos::default()
    }
}

/// Waits until something is true of the graph, woken by its changes alone.
fn once<T>(waiter: &Waiter, what: impl Fn() -> Option<T>) -> T {
    loop {
        if let Some(found) = what() {
            return found;
        }
        let woken = waiter.wait_for(Some(PATIENCE)).unwrap();
        assert!(
            woken.graph_changed || woken.by_hand,
            "the graph did not change: {woken:?}"
        );
    }
}

/// Waits until there were as many such events.
fn events(waiter: &Waiter, wanted: impl Fn(&RosEvent) -> bool, count: usize) -> Vec<RosEvent> {
    let end = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    while found.len() < count {
        assert!(Instant::now() < end, "only {found:?}");
        let woken = waiter.wait_for(Some(PATIENCE)).unwrap();
        found.extend(woken.events.into_iter().filter(&wanted));
    }
    found
}

#[test]
fn publishers_come_and_go_with_their_qos() {
    let context = new_context(&[], "watcher", "/here");
    assert_eq!(
        (context.node_name(), context.domain()),
        ("/here/watcher", domain())
    );
    let waiter = Waiter::new(&context).unwrap();
    let qos = Qos {
        durability: Durability::TransientLocal,
        deadline: Some(Duration::from_millis(100)),
        ..best_effort()
    };
    let support = support(STRING);
    let publisher = Publisher::new(&context, "/graph", &support, &qos).unwrap();
    let found = once(&waiter, || context.publishers("/graph").unwrap().pop());
    assert_eq!(found.gid, publisher.gid());
    assert_eq!(
        (found.qos.reliability, found.qos.durability),
        (qos.reliability, qos.durability)
    );
    assert!(
        found
            .qos
            .deadline
            .unwrap()
            .abs_diff(Duration::from_millis(100))
            < Duration::from_micros(1)
    );
    assert_eq!(
        (found.node.as_str(), found.type_name.as_str()),
        ("/here/watcher", STRING)
    );
    assert_eq!(found.type_hash, support.type_hash());
    let topics = context.topics().unwrap();
    let topic = topics.iter().find(|t| t.name == "/graph").unwrap();
    assert_eq!(topic.types, [STRING.parse().unwrap()]);
    drop(publisher);
    once(&waiter, || {
        context
            .publishers("/graph")
            .unwrap()
            .is_empty()
            .then_some(())
    });
}

const CAMERA: &str = "
import sys, rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('camera', namespace='/robot')
publisher = node.create_publisher(Image, '/image', qos_profile_sensor_data)
subscription = node.create_subscription(Image, '/wanted', print, 10)
sys.stdin.read()
node.destroy_node()
rclpy.shutdown()
";

#[test]
fn other_processes_are_seen() {
    let context = new_context(&[], "looker", "");
    let waiter = Waiter::new(&context).unwrap();
    let peer = Peer::start(CAMERA, &[]);
    let image = support("sensor_msgs/msg/Image");
    let publisher = once(&waiter, || context.publishers("/image").unwrap().pop());
    // The node's name may come after its publisher.
    once(&waiter, || {
        let node = context.publishers("/image").unwrap().pop()?.node;
        (node == "/robot/camera").then_some(())
    });
    assert_eq!(publisher.type_name, "sensor_msgs/msg/Image");
    assert_eq!(publisher.type_hash, image.type_hash());
    assert_eq!(
        Qos::for_subscription(&[publisher]).reliability,
        Reliability::BestEffort
    );
    let wanted = once(&waiter, || context.subscriptions("/wanted").unwrap().pop());
    assert_eq!(wanted.qos.reliability, Reliability::Reliable);
    drop(peer);
}

#[test]
fn a_wait_ends_when_told_to_or_when_the_time_is_up() {
    let context = new_context(&[], "sleeper", "");
    let waiter = Arc::new(Waiter::new(&context).unwrap());
    waiter.wake();
    assert!(
        waiter.wait_for(Some(PATIENCE)).unwrap().by_hand,
        "a wake is not lost when nobody waits"
    );
    let (sender, started) = channel();
    let other = Arc::clone(&waiter);
    let thread = std::thread::spawn(move || {
        sender.send(()).unwrap();
        while !other.wait().unwrap().by_hand {}
    });
    started.recv().unwrap();
    waiter.wake();
    thread.join().unwrap();
    // Others may change the graph of this domain meanwhile.
    while waiter
        .wait_for(Some(Duration::from_millis(1)))
        .unwrap()
        .graph_changed
    {}
    assert!(matches!(
        waiter.wait_for(Some(Duration::ZERO)).unwrap(),
        Woken { by_hand: false, events, .. } if events.is_empty()
    ));
}

#[test]
fn incompatible_qos_is_told_to_both_sides() {
    let context = new_context(&[], "unlucky", "");
    let waiter = Waiter::new(&context).unwrap();
    let publisher = Publisher::new(&context, "/apart", &support(STRING), &best_effort()).unwrap();
    waiter.watch_publisher(&publisher);
    let listener = Listener::new(&context, "/apart", STRING, &Qos::default(), None, false);
    waiter.watch(&listener.subscription);
    let mut sides = Vec::new();
    for found in events(
        &waiter,
        |e| matches!(e, RosEvent::IncompatibleQos { .. }),
        2,
    ) {
        let RosEvent::IncompatibleQos {
            topic,
            side,
            own,
            policy,
            total,
        } = found
        else {
            unreachable!()
        };
        assert_eq!(
            (topic.as_str(), policy, total),
            ("/apart", "reliability", 1)
        );
        assert_eq!(
            own.reliability == Reliability::BestEffort,
            side == Side::Publisher
        );
        sides.push(side);
    }
    assert!(sides.contains(&Side::Subscription) && sides.contains(&Side::Publisher));
    let offered = &context.publishers("/apart").unwrap()[0].qos;
    let why = offered.refuses(&listener.subscription.qos()).unwrap();
    assert!(
        why.contains("best_effort") && why.contains("reliable"),
        "{why}"
    );
}

#[test]
fn a_missed_deadline_is_told() {
    let context = new_context(&[], "late", "");
    let waiter = Waiter::new(&context).unwrap();
    let offered = Qos {
        deadline: Some(Duration::from_millis(20)),
        ..Qos::default()
    };
    let publisher = Publisher::new(&context, "/late", &support(STRING), &offered).unwrap();
    let seen = once(&waiter, || context.publishers("/late").unwrap().pop());
    let requested = Qos::for_subscription(&[seen]);
    assert!(requested.deadline.unwrap() >= Duration::from_millis(20));
    let listener = Listener::new(&context, "/late", STRING, &requested, None, false);
    waiter.watch(&listener.subscription);
    common::until("they have found each other", || {
        publisher.subscriptions() == 1
    });
    publisher.publish(&string(b"the only one")).unwrap();
    let missed = events(&waiter, |e| matches!(e, RosEvent::DeadlineMissed { .. }), 1);
    assert!(
        matches!(&missed[0], RosEvent::DeadlineMissed { topic, total } if topic == "/late" && *total > 0)
    );
}

#[test]
fn messages_do_not_wake_who_waits_for_the_graph() {
    let context = new_context(&[], "quiet", "");
    let waiter = Waiter::new(&context).unwrap();
    let support = support(STRING);
    let publisher = Publisher::new(&context, "/quiet", &support, &Qos::default()).unwrap();
    waiter.watch_publisher(&publisher);
    let listener = Listener::new(&context, "/quiet", STRING, &Qos::default(), None, false);
    waiter.watch(&listener.subscription);
    common::until("they have found each other", || {
        publisher.subscriptions() == 1
    });
    for _ in 0..100 {
        publisher.publish(&string(b"x")).unwrap();
        listener.next();
    }
    publisher.publish(&string(b"unread")).unwrap();
    let (mut wakes, end) = (0, Instant::now() + Duration::from_secs(1));
    while Instant::now() < end {
        let left = end.saturating_duration_since(Instant::now());
        let woken = waiter.wait_for(Some(left)).unwrap();
        assert!(woken.events.is_empty());
        // Other tests of this process change the graph too.
        wakes += usize::from(!woken.graph_changed);
    }
    assert!(wakes <= 2, "woke {wakes} times for nothing");
}

#[test]
fn what_is_dropped_during_a_wait_ends_at_once() {
    let context = new_context(&[], "dropper", "");
    let waiter = Arc::new(Waiter::new(&context).unwrap());
    let listener = Listener::new(&context, "/dropped", STRING, &Qos::default(), None, false);
    waiter.watch(&listener.subscription);
    let publisher =
        Publisher::new(&context, "/dropped", &support(STRING), &Qos::default()).unwrap();
    waiter.watch_publisher(&publisher);
    let waiting = Arc::clone(&waiter);
    let (stop, stopped) = channel::<()>();
    let thread = std::thread::spawn(move || {
        while stopped.try_recv().is_err() {
            waiting.wait().unwrap();
        }
    });
    common::until("they have found each other", || {
        publisher.subscriptions() == 1
    });
    drop(listener);
    common::until("the subscription is gone", || {
        publisher.subscriptions() == 0
    });
    drop(publisher);
    common::until("the publisher is gone", || {
        context.publishers("/dropped").unwrap().is_empty()
    });
    stop.send(()).unwrap();
    waiter.wake();
    thread.join().unwrap();
}

#[test]
fn names_are_resolved_and_remapped_in_one_context_alone() {
    let args = [
        "--ros-args",
        "-r",
        "__node:=renamed",
        "-r",
        "__ns:=/robot",
        "-r",
        "image:=/camera/image",
    ];
    let context = new_context(&args, "iceway", "");
    assert_eq!(context.node_name(), "/robot/renamed");
    assert_eq!(context.resolve_topic("image").unwrap(), "/camera/image");
    assert_eq!(context.resolve_topic("other").unwrap(), "/robot/other");
    let plain = common::context();
    assert_eq!(plain.node_name(), "/iceway_test");
    assert_eq!(plain.resolve_topic("image").unwrap(), "/image");
    assert!(plain.resolve_topic("1//x").is_err());
    assert!(matches!(plain.resolve_topic("a\0b"), Err(RosError::Nul(_))));
}

#[test]
fn bad_arguments_and_names_are_errors_with_a_reason() {
    let fails = |args: &[&str], name: &str, namespace: &str| {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        match Context::in_domain(&args, name, namespace, Some(domain())) {
            Ok(_) => panic!("{args:?} {name} {namespace}"),
            Err(error) => error.to_string(),
        }
    };
    assert!(fails(&["--ros-args", "-r", "nonsense"], "x", "").contains("nonsense"));
    assert!(fails(&[], "a b", "").contains("node name"));
    assert!(fails(&[], "x", "no//slashes").contains("namespace"));
    let (context, support) = (context(), support(STRING));
    for topic in ["/a b", "/a\0b", ""] {
        assert!(
            Publisher::new(&context, topic, &support, &Qos::default()).is_err(),
            "{topic:?}"
        );
    }
}

#[test]
fn log_lines_reach_rosout_as_the_node() {
    let context = new_context(&[], "talker", "");
    let latched = Qos {
        durability: Durability::TransientLocal,
        depth: 100,
        ..Qos::default()
    };
    let listener = Listener::new(
        &common::context(),
        "/rosout",
        "rcl_interfaces/msg/Log",
        &latched,
        None,
        false,
    );
    context.log(tracing::Level::WARN, "100 %s %n\0 of it");
    loop {
        let line = listener.next();
        if find(&line, b"100 %s %n  of it") {
            assert!(find(&line, b"talker"));
            break;
        }
    }
    let nothing = listener
        .subscription
        .take(&mut common::Buffer::default())
        .unwrap();
    assert_eq!(nothing, Taken::Empty, "once");
}

fn find(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|w| w == text)
}
