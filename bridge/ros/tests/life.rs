//! Making and ending things while others are in use.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use common::{Listener, Peer, context, new_context, string, support};
use iceway_ros::{Publisher, Qos, Subscription, SubscriptionOptions, Taken, Waiter};

const STRING: &str = "std_msgs/msg/String";

#[test]
fn making_and_ending_under_load() {
    let (context, support) = (context(), support(STRING));
    let publisher = Publisher::new(&context, "/busy", &support, &Qos::default()).unwrap();
    let waiter = Waiter::new(&context).unwrap();
    let done = AtomicBool::new(false);
    let taken = AtomicUsize::new(0);
    let start = Barrier::new(3);
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..3)
            .map(|maker| {
                let (waiter, context, support, taken, start) =
                    (&waiter, &context, &support, &taken, &start);
                scope.spawn(move || {
                    start.wait();
                    for i in 0..100 {
                        let called = Arc::new(AtomicUsize::new(0));
                        let calls = Arc::clone(&called);
                        let options = SubscriptionOptions {
                            on_message: Box::new(move |n| {
                                calls.fetch_add(n, Ordering::Relaxed);
                            }),
                            take_path: Some(common::PATHS[(i + maker) % 2]),
                            ignore_local: maker == 0,
                        };
                        let topic = ["/busy", "/other"][i % 2];
                        let subscription =
                            Subscription::new(context, topic, support, &Qos::default(), options)
                                .unwrap();
                        waiter.watch(&subscription);
                        let mut bytes = Vec::new();
                        if let Taken::Message { .. } = subscription.take_into(&mut bytes).unwrap() {
                            assert!(bytes.starts_with(&string(b"load")));
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                        drop(subscription);
                        assert_eq!(
                            Arc::strong_count(&called),
                            1,
                            "the callback is gone with it"
                        );
                    }
                })
            })
            .collect();
        let waiting = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                waiter.wait().unwrap();
            }
        });
        while !makers
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            publisher.publish(&string(b"load")).unwrap();
        }
        done.store(true, Ordering::Release);
        waiter.wake();
        waiting.join().unwrap();
    });
}

#[test]
fn contexts_come_and_go() {
    let heard = Listener::new(&context(), "/again", STRING, &Qos::default(), None, false);
    for i in 0..5 {
        let context = new_context(&[], &format!("again_{i}"), "");
        let publisher =
            Publisher::new(&context, "/again", &support(STRING), &Qos::default()).unwrap();
        // It holds what it needs.
        drop(context);
        common::until("it is heard", || publisher.subscriptions() == 1);
        publisher
            .publish(&string(format!("{i}").as_bytes()))
            .unwrap();
        assert!(heard.next().starts_with(&string(format!("{i}").as_bytes())));
    }
}

const LARGE: &str = "
import sys, time, rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('camera')
publisher = node.create_publisher(Image, '/large', 10)
while publisher.get_subscription_count() < 2:
    time.sleep(0.01)
image = Image(height=2160, width=3840, encoding='rgb8', step=3 * 3840)
image.header.frame_id = 'front'
import array
image.data = array.array('B', bytes(range(256)) * (2160 * 3840 * 3 // 256))
publisher.publish(image)
print(sum(image.data), flush=True)
sys.stdin.read()
node.destroy_node()
rclpy.shutdown()
";

#[test]
fn an_image_of_another_process_arrives_the_same_on_both_paths() {
    let (context, qos) = (context(), Qos::default());
    let make = |path| {
        Listener::new(
            &context,
            "/large",
            "sensor_msgs/msg/Image",
            &qos,
            Some(path),
            true,
        )
    };
    let listeners = common::PATHS.map(make);
    let mut peer = Peer::start(LARGE, &[]);
    let [portable, direct] = listeners.map(|listener| listener.next());
    assert_eq!(portable, direct);
    let sum: u64 = direct[direct.len() - 3840 * 2160 * 3..]
        .iter()
        .map(|b| u64::from(*b))
        .sum();
    assert_eq!(peer.line(), sum.to_string());
}

const ECHO: &str = "
import sys, threading, rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('echo')
publisher = node.create_publisher(String, '/back', 10)
subscription = node.create_subscription(String, '/forth', lambda m: publisher.publish(String(data=m.data + '!')), 10)
threading.Thread(target=rclpy.spin, args=[node], daemon=True).start()
sys.stdin.read()
rclpy.shutdown()
";

#[test]
fn rclpy_understands_what_is_published() {
    let context = context();
    let listener = Listener::new(&context, "/back", STRING, &Qos::default(), None, true);
    let publisher = Publisher::new(&context, "/forth", &support(STRING), &Qos::default()).unwrap();
    let _peer = Peer::start(ECHO, &[]);
    common::until("it is there", || {
        publisher.subscriptions() == 1 && listener.subscription.publishers() == 1
    });
    // The way back is open when an answer came; until then it may get lost.
    let mut bytes = Vec::new();
    while listener.subscription.take_into(&mut bytes).unwrap() == Taken::Empty {
        publisher.publish(&string(b"ping")).unwrap();
        let _ = listener
            .arrived
            .recv_timeout(std::time::Duration::from_millis(50));
    }
    assert!(bytes.starts_with(&string(b"ping!")));
}
