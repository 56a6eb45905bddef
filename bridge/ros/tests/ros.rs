//! The ROS side against real ROS 2, within one process. Run inside the ROS environment (`dev/ros cargo test -p iceway-ros`).

use std::mem::MaybeUninit;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use iceway_ros::{
    Context, Durability, MessageInfo, Publisher, Qos, Reliability, RosError, Subscription,
    SubscriptionOptions, TakePath, TakeSink, Taken, TypeSupport, Waiter, single_copy_take_works,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// One ROS context for all tests of this process, in a domain of its own.
fn context() -> Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT
        .get_or_init(|| {
            let context = Context::new(&[], "iceway_test", "").expect("the ROS environment");
            assert!(
                single_copy_take_works(&context) == (context.middleware() == "rmw_fastrtps_cpp")
            );
            context
        })
        .clone()
}

fn support(name: &str) -> Arc<TypeSupport> {
    TypeSupport::load(&name.parse().unwrap()).unwrap()
}

/// Gives a buffer, and remembers what was asked.
#[derive(Default)]
struct Buffer {
    memory: Vec<MaybeUninit<u8>>,
    asked: Vec<usize>,
    refuse: bool,
}

impl Buffer {
    /// What it holds; bytes that were not written are 0xee.
    fn bytes(&self) -> Vec<u8> {
        // SAFETY: all of it was initialised by `loan`, and the middleware wrote bytes over that.
        #[allow(unsafe_code)]
        self.memory
            .iter()
            .map(|byte| unsafe { byte.assume_init() })
            .collect()
    }
}

impl TakeSink for Buffer {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.asked.push(len);
        self.memory = vec![MaybeUninit::new(0xee); len];
        if self.refuse {
            None
        } else {
            Some(&mut self.memory)
        }
    }
}

struct Pair {
    publisher: Publisher,
    subscription: Subscription,
    arrived: Mutex<Receiver<usize>>,
}

impl Pair {
    fn new(topic: &str, type_name: &str, path: TakePath, qos: &Qos) -> Self {
        let (context, support) = (context(), support(type_name));
        let (sender, arrived) = channel();
        let options = SubscriptionOptions {
            on_message: Box::new(move |count| {
                let _ = sender.send(count);
            }),
            take_path: Some(path),
            ignore_local: false,
        };
        let subscription = Subscription::new(&context, topic, &support, qos, options).unwrap();
        let publisher = Publisher::new(&context, topic, &support, qos).unwrap();
        let end = Instant::now() + PATIENCE;
        while publisher.subscriptions() == 0 || subscription.publishers() == 0 {
            assert!(
                Instant::now() < end,
                "publisher and subscription did not find each other"
            );
            std::thread::yield_now();
        }
        Self {
            publisher,
            subscription,
            arrived: Mutex::new(arrived),
        }
    }

    /// Waits for the callback, then takes.
    fn take(&self, buffer: &mut Buffer) -> Taken {
        self.arrived
            .lock()
            .unwrap()
            .recv_timeout(PATIENCE)
            .expect("no message arrived");
        self.subscription.take(buffer).unwrap()
    }
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut cdr = vec![0, 1, 0, 0];
    cdr.extend(u32::try_from(text.len() + 1).unwrap().to_le_bytes());
    cdr.extend(text);
    cdr.push(0);
    cdr
}

const PATHS: [TakePath; 2] = [TakePath::Serialized, TakePath::SingleCopy];

#[test]
fn messages_of_every_size_arrive_whole_on_both_paths() {
    for path in PATHS {
        let pair = Pair::new(
            &format!("/sizes_{path:?}"),
            "std_msgs/msg/String",
            path,
            &Qos::default(),
        );
        assert_eq!(pair.subscription.take_path(), path);
        for len in [0, 1, 2, 3, 100, 65_000, 1_000_000, 25_000_000] {
            let sent = string(&vec![b'x'; len]);
            let before = iceway_now();
            pair.publisher.publish(&sent).unwrap();
            let mut buffer = Buffer::default();
            let Taken::Message { len: written, info } = pair.take(&mut buffer) else {
                panic!("not a message")
            };
            assert_eq!(buffer.asked, [written], "asked once, for what was written");
            assert!(buffer.bytes().starts_with(&sent), "{path:?} {len}");
            assert!(written - sent.len() < 4);
            assert_eq!(info.gid, pair.publisher.gid());
            assert!(
                before <= info.source_ns
                    && info.source_ns <= info.received_ns
                    && info.received_ns <= iceway_now()
            );
        }
        assert_eq!(
            pair.subscription.take(&mut Buffer::default()).unwrap(),
            Taken::Empty
        );
    }
}

fn iceway_now() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

#[test]
fn empty_messages_and_plain_types() {
    for path in PATHS {
        for (name, sent) in [
            ("std_msgs/msg/Empty", vec![0, 1, 0, 0, 0]),
            (
                "geometry_msgs/msg/Point",
                [vec![0, 1, 0, 0], 1.5_f64.to_le_bytes().repeat(3)].concat(),
            ),
        ] {
            let topic = format!("/plain_{path:?}_{}", name.replace('/', "_"));
            let pair = Pair::new(&topic, name, path, &Qos::default());
            pair.publisher.publish(&sent).unwrap();
            let mut buffer = Buffer::default();
            assert!(matches!(pair.take(&mut buffer), Taken::Message { .. }));
            assert!(
                buffer.bytes().starts_with(&sent),
                "{path:?} {name}: {:?}",
                buffer.bytes()
            );
        }
    }
}

#[test]
fn a_sink_that_refuses_loses_that_message_only() {
    for path in PATHS {
        let pair = Pair::new(
            &format!("/refuse_{path:?}"),
            "std_msgs/msg/String",
            path,
            &Qos::default(),
        );
        for text in [b"first", b"secnd"] {
            pair.publisher.publish(&string(text)).unwrap();
        }
        let mut buffer = Buffer {
            refuse: true,
            ..Buffer::default()
        };
        let Taken::Refused { len } = pair.take(&mut buffer) else {
            panic!("not refused")
        };
        assert!(len >= string(b"first").len());
        let mut buffer = Buffer::default();
        let taken = pair.take(&mut buffer);
        assert!(
            matches!(taken, Taken::Message { .. }),
            "{path:?}: {taken:?}"
        );
        assert!(buffer.bytes().starts_with(&string(b"secnd")));
    }
}

#[test]
fn a_panic_in_a_sink_goes_past_the_middleware() {
    struct Panics;
    impl TakeSink for Panics {
        fn loan(&mut self, _: usize) -> Option<&mut [MaybeUninit<u8>]> {
            panic!("on purpose")
        }
    }
    for path in PATHS {
        let pair = Pair::new(
            &format!("/panic_{path:?}"),
            "std_msgs/msg/String",
            path,
            &Qos::default(),
        );
        pair.publisher.publish(&string(b"x")).unwrap();
        pair.arrived.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        let panic =
            std::panic::catch_unwind(AssertUnwindSafe(|| pair.subscription.take(&mut Panics)))
                .unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        pair.publisher.publish(&string(b"y")).unwrap();
        let mut buffer = Buffer::default();
        assert!(matches!(pair.take(&mut buffer), Taken::Message { .. }));
        assert!(buffer.bytes().starts_with(&string(b"y")));
    }
}

#[test]
fn own_messages_are_not_echoed() {
    for path in PATHS {
        let (context, support) = (context(), support("std_msgs/msg/String"));
        let topic = format!("/echo_{path:?}");
        let make = |ignore_local| {
            let (sender, arrived) = channel();
            let options = SubscriptionOptions {
                on_message: Box::new(move |n| {
                    let _ = sender.send(n);
                }),
                take_path: Some(path),
                ignore_local,
            };
            (
                Subscription::new(&context, &topic, &support, &Qos::default(), options).unwrap(),
                arrived,
            )
        };
        let (ignoring, _) = make(true);
        let (hearing, arrived) = make(false);
        let publisher = Publisher::new(&context, &topic, &support, &Qos::default()).unwrap();
        let end = Instant::now() + PATIENCE;
        while publisher.subscriptions() < 2 {
            assert!(Instant::now() < end);
            std::thread::yield_now();
        }
        publisher.publish(&string(b"mine")).unwrap();
        arrived.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(
            hearing.take(&mut Buffer::default()).unwrap(),
            Taken::Message { .. }
        ));
        assert!(matches!(
            ignoring.take(&mut Buffer::default()).unwrap(),
            Taken::Echo | Taken::Empty
        ));
    }
}

#[test]
fn messages_that_wait_before_the_callback_is_set_are_announced() {
    let latched = Qos {
        durability: Durability::TransientLocal,
        ..Qos::default()
    };
    let (context, support) = (context(), support("std_msgs/msg/String"));
    let publisher = Publisher::new(&context, "/latched", &support, &latched).unwrap();
    publisher.publish(&string(b"old")).unwrap();
    let pair_late = {
        let (sender, arrived) = channel();
        let options = SubscriptionOptions {
            on_message: Box::new(move |n| {
                let _ = sender.send(n);
            }),
            take_path: None,
            ignore_local: false,
        };
        (
            Subscription::new(&context, "/latched", &support, &latched, options).unwrap(),
            arrived,
        )
    };
    pair_late.1.recv_timeout(PATIENCE).unwrap();
    let mut buffer = Buffer::default();
    assert!(matches!(
        pair_late.0.take(&mut buffer).unwrap(),
        Taken::Message { .. }
    ));
    assert!(buffer.bytes().starts_with(&string(b"old")));
}

#[test]
fn sequence_numbers_tell_gaps() {
    let qos = Qos {
        depth: 2,
        ..Qos::default()
    };
    let pair = Pair::new(
        "/numbers",
        "std_msgs/msg/String",
        TakePath::Serialized,
        &qos,
    );
    let numbers = |pair: &Pair| -> Vec<u64> {
        let mut found = Vec::new();
        while let Taken::Message {
            info: MessageInfo {
                publication_seq, ..
            },
            ..
        } = pair.subscription.take(&mut Buffer::default()).unwrap()
        {
            found.push(publication_seq);
        }
        found
    };
    for _ in 0..5 {
        pair.publisher.publish(&string(b"x")).unwrap();
    }
    let mut arrived = 0;
    while arrived < 5 {
        arrived += pair.arrived.lock().unwrap().recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(numbers(&pair), [4, 5], "a queue of two keeps the newest");
}

#[test]
fn definitions_and_hashes_come_with_the_type_support() {
    let image = support("sensor_msgs/msg/Image");
    let definition = image.definition().unwrap();
    let names: Vec<_> = definition
        .iter()
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(names[0], "sensor_msgs/msg/Image");
    assert!(
        names.contains(&"std_msgs/msg/Header".to_owned())
            && names.contains(&"builtin_interfaces/msg/Time".to_owned())
    );
    let schema = iceway_msg::Schema::from_sources(
        image.name(),
        definition
            .iter()
            .map(|(name, text)| (name.clone(), text.as_str())),
    )
    .unwrap();
    assert_eq!(Some(schema.type_hash()), image.type_hash());
}

#[test]
fn parts_of_services_and_actions_are_messages_too() {
    for name in [
        "std_srvs/srv/SetBool_Request",
        "test_msgs/action/Fibonacci_FeedbackMessage",
    ] {
        let part = support(name);
        assert!(!part.definition().unwrap().is_empty(), "{name}");
    }
}

fn failure(name: &str) -> RosError {
    match TypeSupport::load(&name.parse().unwrap()) {
        Ok(_) => panic!("{name} was found"),
        Err(error) => error,
    }
}

#[test]
fn unknown_types_say_what_to_do() {
    let package = failure("no_such_msgs/msg/X").to_string();
    assert!(
        package.contains("ros-<distro>-no-such-msgs") && package.contains("not installed"),
        "{package}"
    );
    let name = failure("std_msgs/msg/Strin").to_string();
    assert!(
        name.contains("std_msgs/msg/Strin") && name.contains("spelling"),
        "{name}"
    );
}

#[test]
fn bad_names_are_errors() {
    let (context, support) = (context(), support("std_msgs/msg/String"));
    assert!(Publisher::new(&context, "/a b", &support, &Qos::default()).is_err());
    assert!(Publisher::new(&context, "/a\0b", &support, &Qos::default()).is_err());
    assert!(context.resolve_topic("1//x").is_err());
    assert_eq!(context.resolve_topic("x").unwrap(), "/x");
}

#[test]
fn the_graph_tells_of_publishers_and_their_qos() {
    let context = context();
    let waiter = Waiter::new(&context).unwrap();
    let qos = Qos {
        reliability: Reliability::BestEffort,
        ..Qos::default()
    };
    let publisher =
        Publisher::new(&context, "/graph", &support("std_msgs/msg/String"), &qos).unwrap();
    let found = loop {
        let found = context.publishers("/graph").unwrap();
        if !found.is_empty() {
            break found;
        }
        waiter.wait().unwrap();
    };
    assert_eq!(found[0].gid[..16], publisher.gid()[..16]);
    assert_eq!(found[0].qos.reliability, Reliability::BestEffort);
    assert_eq!(found[0].node, "/iceway_test");
    let topics = context.topics().unwrap();
    let topic = topics.iter().find(|t| t.name == "/graph").unwrap();
    assert_eq!(topic.types[0].as_str(), "std_msgs/msg/String");
}

#[test]
fn a_wait_ends_when_told_to() {
    let waiter = Arc::new(Waiter::new(&context()).unwrap());
    let other = Arc::clone(&waiter);
    let thread = std::thread::spawn(move || while !other.wait().unwrap().by_hand {});
    waiter.wake();
    thread.join().unwrap();
}

#[test]
fn making_and_ending_under_load() {
    let (context, support) = (context(), support("std_msgs/msg/String"));
    let publisher = Publisher::new(&context, "/busy", &support, &Qos::default()).unwrap();
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let options = SubscriptionOptions {
                            on_message: Box::new(|_| {}),
                            take_path: None,
                            ignore_local: false,
                        };
                        let subscription = Subscription::new(
                            &context,
                            "/busy",
                            &support,
                            &Qos::default(),
                            options,
                        )
                        .unwrap();
                        subscription.take(&mut Buffer::default()).unwrap();
                    }
                })
            })
            .collect();
        while !makers
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            publisher.publish(&string(b"load")).unwrap();
        }
    });
}
