//! Taking and publishing within one process, on both paths.

mod common;

use std::mem::MaybeUninit;
use std::panic::AssertUnwindSafe;
use std::time::SystemTime;

use common::{Buffer, Listener, PATHS, Pair, Peer, context, string, support, until};
use iceway_ros::{Durability, Publisher, Qos, RosError, TakeSink, Taken};

const STRING: &str = "std_msgs/msg/String";

fn now_ns() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}

#[test]
fn messages_of_every_size_arrive_whole() {
    for path in PATHS {
        let pair = Pair::new(&format!("/sizes_{path:?}"), STRING, path, &Qos::default());
        assert_eq!(pair.listener.subscription.take_path(), path);
        for len in [0, 1, 2, 3, 100, 65_000, 1_000_000, 25_000_000] {
            let sent = string(&vec![b'x'; len]);
            let before = now_ns();
            pair.publisher.publish(&sent).unwrap();
            let mut buffer = Buffer::default();
            let Taken::Message { len: written, info } = pair.listener.take(&mut buffer) else {
                panic!("not a message")
            };
            assert_eq!(buffer.asked, [written], "asked once, for what was written");
            assert!(buffer.bytes().starts_with(&sent), "{path:?} {len}");
            assert!(written - sent.len() < 4, "no more than padding at the end");
            assert_eq!(info.gid, pair.publisher.gid());
            assert!(before <= info.source_ns && info.source_ns <= info.received_ns);
            assert!(info.received_ns <= now_ns());
        }
        let nothing = pair
            .listener
            .subscription
            .take(&mut Buffer::default())
            .unwrap();
        assert_eq!(nothing, Taken::Empty);
    }
}

#[test]
fn both_paths_give_the_same_bytes() {
    let (context, qos) = (context(), Qos::default());
    for (i, (name, sent)) in [
        ("std_msgs/msg/Empty", vec![0, 1, 0, 0, 0]),
        ("std_msgs/msg/Bool", vec![0, 1, 0, 0, 1]),
        (
            "geometry_msgs/msg/Point",
            [vec![0, 1, 0, 0], 1.5_f64.to_le_bytes().repeat(3)].concat(),
        ),
        (STRING, string(b"")),
        (STRING, string(b"seven..")),
        (STRING, string(&[b'x'; 70_001])),
        // Big-endian, as some publishers send.
        ("std_msgs/msg/Int32", vec![0, 0, 0, 0, 0, 0, 1, 2]),
    ]
    .into_iter()
    .enumerate()
    {
        let topic = format!("/same_{i}");
        let make = |path| Listener::new(&context, &topic, name, &qos, Some(path), false);
        let listeners = PATHS.map(make);
        let publisher = Publisher::new(&context, &topic, &support(name), &qos).unwrap();
        until("both listen", || publisher.subscriptions() == 2);
        publisher.publish(&sent).unwrap();
        let [portable, direct] = listeners.map(|listener| listener.next());
        assert_eq!(portable, direct, "{name}");
        assert!(direct.starts_with(&sent), "{name}: {direct:?}");
    }
}

/// The loan of a channel: memory that is there before the message comes.
struct Fixed {
    memory: Vec<MaybeUninit<u8>>,
    given: *const u8,
}

impl TakeSink for Fixed {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        let loan = &mut self.memory[64..64 + len];
        self.given = loan.as_ptr().cast();
        Some(loan)
    }
}

#[test]
fn the_message_is_written_where_the_sink_says_and_nowhere_else() {
    for path in PATHS {
        let pair = Pair::new(&format!("/where_{path:?}"), STRING, path, &Qos::default());
        let sent = string(&[b'q'; 1000]);
        pair.publisher.publish(&sent).unwrap();
        pair.listener
            .arrived
            .recv_timeout(common::PATIENCE)
            .unwrap();
        let mut fixed = Fixed {
            memory: vec![MaybeUninit::new(0xee); 4096],
            given: [].as_ptr(),
        };
        let taken = pair.listener.subscription.take(&mut fixed).unwrap();
        let Taken::Message { len, .. } = taken else {
            panic!("{taken:?}")
        };
        assert_eq!(fixed.given, fixed.memory[64..].as_ptr().cast());
        // SAFETY: all of it was initialised above, and only bytes were written over that.
        #[allow(unsafe_code)]
        let bytes: Vec<u8> = fixed
            .memory
            .iter()
            .map(|b| unsafe { b.assume_init() })
            .collect();
        assert!(bytes[64..].starts_with(&sent));
        assert!(
            bytes[..64]
                .iter()
                .chain(&bytes[64 + len..])
                .all(|b| *b == 0xee)
        );
    }
}

#[test]
fn a_sink_that_refuses_loses_that_message_only() {
    for path in PATHS {
        let pair = Pair::new(&format!("/refuse_{path:?}"), STRING, path, &Qos::default());
        for text in [b"first", b"secnd"] {
            pair.publisher.publish(&string(text)).unwrap();
        }
        let Taken::Refused { len } = pair.listener.take(&mut Buffer::refusing()) else {
            panic!("not refused")
        };
        assert!(len >= string(b"first").len());
        assert!(pair.listener.next().starts_with(&string(b"secnd")));
    }
}

/// Does not keep what it promises.
struct Short(Vec<MaybeUninit<u8>>);

impl TakeSink for Short {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.0 = vec![MaybeUninit::new(0); len - 1];
        Some(&mut self.0)
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
        let pair = Pair::new(&format!("/panic_{path:?}"), STRING, path, &Qos::default());
        let sinks: [&mut dyn TakeSink; 2] = [&mut Panics, &mut Short(Vec::new())];
        for sink in sinks {
            pair.publisher.publish(&string(b"x")).unwrap();
            pair.listener
                .arrived
                .recv_timeout(common::PATIENCE)
                .unwrap();
            let take = || pair.listener.subscription.take(sink);
            std::panic::catch_unwind(AssertUnwindSafe(take)).unwrap_err();
            pair.publisher.publish(&string(b"y")).unwrap();
            assert!(pair.listener.next().starts_with(&string(b"y")));
        }
    }
}

#[test]
fn a_panic_in_a_callback_goes_no_further() {
    let (context, qos) = (context(), Qos::default());
    let options = iceway_ros::SubscriptionOptions {
        on_message: Box::new(|_| panic!("on purpose")),
        take_path: None,
        ignore_local: false,
    };
    let support = support(STRING);
    let subscription =
        iceway_ros::Subscription::new(&context, "/callback_panics", &support, &qos, options)
            .unwrap();
    let publisher = Publisher::new(&context, "/callback_panics", &support, &qos).unwrap();
    until("it listens", || publisher.subscriptions() == 1);
    publisher.publish(&string(b"x")).unwrap();
    let mut bytes = Vec::new();
    until("it is there", || subscription.publishers() == 1);
    let end = std::time::Instant::now() + common::PATIENCE;
    while subscription.take_into(&mut bytes).unwrap() == Taken::Empty {
        assert!(std::time::Instant::now() < end);
        std::thread::yield_now();
    }
    assert!(bytes.starts_with(&string(b"x")));
}

/// Awaits two subscriptions, then publishes each line that it reads.
const PUBLISH_LINES: &str = "
import sys, time, rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('peer')
publisher = node.create_publisher(String, sys.argv[1], 10)
while publisher.get_subscription_count() < 2:
    time.sleep(0.01)
print('ready', flush=True)
for line in sys.stdin:
    publisher.publish(String(data=line.strip()))
node.destroy_node()
rclpy.shutdown()
";

#[test]
fn own_messages_are_not_echoed_and_hide_no_others() {
    for path in PATHS {
        let (context, qos) = (context(), Qos::default());
        let topic = format!("/echo_{path:?}");
        let ignoring = Listener::new(&context, &topic, STRING, &qos, Some(path), true);
        let hearing = Listener::new(&context, &topic, STRING, &qos, Some(path), false);
        let own = Publisher::new(&context, &topic, &support(STRING), &qos).unwrap();
        // Another process: middlewares differ in whether another context of this one is "local".
        let mut other = Peer::start(PUBLISH_LINES, &[&topic]);
        assert_eq!(other.line(), "ready");
        until("all have found each other", || {
            [&ignoring, &hearing]
                .iter()
                .all(|l| l.subscription.publishers() == 2)
                && own.subscriptions() == 2
        });
        // All of it is there before the first take that ignores, so that one take may meet several messages.
        for i in 0..3 {
            own.publish(&string(format!("mine {i}").as_bytes()))
                .unwrap();
            assert!(
                hearing
                    .next()
                    .starts_with(&string(format!("mine {i}").as_bytes()))
            );
            other.say(&format!("theirs {i}"));
            assert!(
                hearing
                    .next()
                    .starts_with(&string(format!("theirs {i}").as_bytes()))
            );
        }
        let mut arrived = 0;
        while arrived < 6 {
            arrived += ignoring.arrived.recv_timeout(common::PATIENCE).unwrap();
        }
        drop(own); // what it sent is still its own
        let mut heard = Vec::new();
        loop {
            let mut buffer = Buffer::default();
            match ignoring.subscription.take(&mut buffer).unwrap() {
                Taken::Message { .. } => heard.push(buffer.bytes()),
                Taken::Echo => {}
                Taken::Empty => break,
                refused @ Taken::Refused { .. } => panic!("{refused:?}"),
            }
        }
        assert_eq!(heard.len(), 3, "{path:?}");
        for (i, heard) in heard.iter().enumerate() {
            assert!(heard.starts_with(&string(format!("theirs {i}").as_bytes())));
        }
    }
}

#[test]
fn messages_that_wait_before_the_callback_is_set_are_announced() {
    let latched = Qos {
        durability: Durability::TransientLocal,
        depth: 5,
        ..Qos::default()
    };
    let (context, support) = (context(), support(STRING));
    let publisher = Publisher::new(&context, "/latched", &support, &latched).unwrap();
    for i in 0..5 {
        publisher.publish(&string(&[b'0' + i])).unwrap();
    }
    let late = Listener::new(&context, "/latched", STRING, &latched, None, false);
    for i in 0..5 {
        assert!(late.next().starts_with(&string(&[b'0' + i])));
    }
}

#[test]
fn sequence_numbers_tell_gaps() {
    for path in PATHS {
        let qos = Qos {
            depth: 2,
            ..Qos::default()
        };
        let pair = Pair::new(&format!("/numbers_{path:?}"), STRING, path, &qos);
        for _ in 0..5 {
            pair.publisher.publish(&string(b"x")).unwrap();
        }
        let mut arrived = 0;
        while arrived < 5 {
            arrived += pair
                .listener
                .arrived
                .recv_timeout(common::PATIENCE)
                .unwrap();
        }
        let mut numbers = Vec::new();
        while let Taken::Message { info, .. } = pair
            .listener
            .subscription
            .take(&mut Buffer::default())
            .unwrap()
        {
            numbers.push(info.publication_seq);
        }
        assert_eq!(numbers, [4, 5], "a queue of two keeps the newest");
    }
}

#[test]
fn what_is_no_message_is_not_published() {
    let pair = Pair::new("/no_message", STRING, PATHS[0], &Qos::default());
    for len in 0..4 {
        let refused = pair.publisher.publish(&[0, 1, 0][..len.min(3)]);
        assert!(matches!(refused, Err(RosError::TooShort { .. })));
    }
    pair.publisher.publish(&string(b"good")).unwrap();
    assert!(pair.listener.next().starts_with(&string(b"good")));
    assert!(pair.publisher.wait_for_all_acked(common::PATIENCE));
}
