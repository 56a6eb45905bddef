//! The client core against a broker without ROS.
#![allow(missing_docs)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use common::broker::FakeBroker;
use common::*;
use iceway_bus::client::{
    AdvertiseOptions, Client, ClientError, ClientPublisher, ClientSubscriber, ConnectOptions,
    SubscribeOptions, never,
};
use iceway_bus::control::{ErrorBody, ErrorCode, Event, Role, Severity};
use iceway_bus::{Domain, LoanError, Placement};

fn connect(domain: &Domain) -> Client {
    Client::connect(
        domain,
        &ConnectOptions {
            name: "test".to_owned(),
            timeout: Duration::from_secs(20),
        },
        &mut never,
    )
    .unwrap()
}

fn subscribe(client: &Client, topic: &str, depth: usize) -> ClientSubscriber {
    let options = SubscribeOptions {
        depth,
        ..SubscribeOptions::default()
    };
    client.subscribe(topic, None, &options, &mut never).unwrap()
}

fn advertise(client: &Client, topic: &str, send_timeout_ms: u64) -> ClientPublisher {
    let options = AdvertiseOptions {
        send_timeout: Duration::from_millis(send_timeout_ms),
        ..AdvertiseOptions::default()
    };
    client
        .advertise(topic, "test_msgs/msg/Blob", &options, &mut never)
        .unwrap()
}

fn publish(publisher: &ClientPublisher, value: u8) -> Result<usize, ClientError> {
    let loan = publisher.loan(100, Placement::UNKNOWN)?;
    publisher.send(loan.fill(&message(100, value)), &mut never)
}

fn value(subscriber: &ClientSubscriber) -> u8 {
    subscriber
        .recv(Some(Duration::from_secs(20)), &mut never)
        .unwrap()
        .cdr()[50]
}

fn brief() -> ConnectOptions {
    ConnectOptions {
        name: "test".to_owned(),
        timeout: Duration::from_millis(150),
    }
}

#[test]
fn without_a_broker_it_says_how_to_start_one() {
    let bed = Bed::new();
    let error = Client::connect(&bed.domain, &brief(), &mut never).unwrap_err();
    assert!(
        matches!(error, ClientError::NoBroker { domain: 7, .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("iceway run --domain 7") && text.contains("waited 0.15 s"),
        "{text}"
    );
    assert!(matches!(
        Client::connect(&bed.domain, &ConnectOptions::default(), &mut || true),
        Err(ClientError::Interrupted)
    ));
}

#[test]
fn a_client_waits_for_the_broker_to_come() {
    let bed = Bed::new();
    let domain = bed.domain.clone();
    let client = std::thread::spawn(move || connect(&domain));
    let _broker = FakeBroker::start(&bed.domain);
    assert!(client.join().unwrap().broker_alive());
}

/// A server that answers each line with `answer`.
fn impostor(domain: &Domain, answer: &'static str) -> std::thread::JoinHandle<String> {
    domain.prepare().unwrap();
    let listener = UnixListener::bind(domain.broker_sock()).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        line
    })
}

#[test]
fn other_versions_are_refused_with_both() {
    let bed = Bed::new();
    let server = impostor(
        &bed.domain,
        concat!(
            r#"{"id":1,"ok":{"reply":"hello","protocol":99,"version":"9.9.9","iceoryx2":"0.10.0","#,
            r#""pid":1,"participant":1,"limits":{}}}"#,
            "\n"
        ),
    );
    let error = Client::connect(&bed.domain, &brief(), &mut never).unwrap_err();
    assert!(
        matches!(&error, ClientError::VersionMismatch { broker, .. } if broker == "9.9.9"),
        "{error}"
    );
    assert!(error.to_string().contains(iceway_bus::VERSION) && error.to_string().contains("9.9.9"));
    let hello = server.join().unwrap();
    assert!(
        hello.contains(r#""op":"hello""#) && hello.contains(r#""protocol":1"#),
        "{hello}"
    );
    assert_eq!(
        bed.shm_files(),
        Vec::<String>::new(),
        "shared memory was not touched"
    );
}

#[test]
fn nonsense_from_a_broker_is_an_error() {
    let bed = Bed::new();
    let server = impostor(&bed.domain, "{]\n");
    let error = Client::connect(&bed.domain, &brief(), &mut never).unwrap_err();
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
    server.join().unwrap();
}

#[test]
fn a_silent_broker_is_named() {
    let bed = Bed::new();
    bed.domain.prepare().unwrap();
    let _lock =
        iceway_bus::BrokerLock::acquire(&bed.domain, iceway_bus::BrokerInfo::current()).unwrap();
    let _listener = UnixListener::bind(bed.domain.broker_sock()).unwrap();
    let error = Client::connect(&bed.domain, &brief(), &mut never).unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(error, ClientError::Unresponsive { pid: found, .. } if found == pid),
        "{error}"
    );
}

#[test]
fn requests_and_refusals() {
    let bed = Bed::new();
    let broker = FakeBroker::start(&bed.domain);
    let client = connect(&bed.domain);
    assert_eq!(client.broker().pid, std::process::id());
    let subscriber = subscribe(&client, "/t1", 1);
    assert_eq!(subscriber.info().type_name, "test_msgs/msg/Blob");
    assert_eq!(subscriber.info().definition, "uint8[] data\n");
    assert_eq!(client.topics(&mut never).unwrap()[0].name, "/t1");
    assert_eq!(client.stats(&mut never).unwrap().routes[0].topic, "/t1");
    assert_eq!(
        client
            .describe("test_msgs/msg/Blob", &mut never)
            .unwrap()
            .definition,
        "uint8[] data\n"
    );
    let unknown = client.describe("a/msg/B", &mut never).unwrap_err();
    assert!(
        matches!(&unknown, ClientError::Refused { code: ErrorCode::UnknownType, message } if message == "a/msg/B is not installed"),
        "{unknown}"
    );
    let options = SubscribeOptions::default();
    let missing = client
        .subscribe("/missing", None, &options, &mut never)
        .unwrap_err();
    assert!(
        matches!(
            missing,
            ClientError::Refused {
                code: ErrorCode::UnknownTopic,
                ..
            }
        ),
        "{missing}"
    );
    let notice = Event::Notice {
        severity: Severity::Warning,
        topic: Some("/t1".to_owned()),
        message: "qos".to_owned(),
    };
    broker.state.lock().unwrap().clients[0]
        .1
        .write_event(&notice)
        .unwrap();
    let notices = eventually("the notice", || {
        Some(client.take_notices()).filter(|notices| !notices.is_empty())
    });
    assert_eq!(notices[0].message, "qos");
}

#[test]
fn the_newest_a_queue_and_what_is_lost() {
    let bed = Bed::new();
    let broker = FakeBroker::start(&bed.domain);
    let client = connect(&bed.domain);
    let (newest, queue) = (subscribe(&client, "/t1", 1), subscribe(&client, "/t1", 4));
    for value in 0..6 {
        broker.send("/t1", 100, value);
    }
    assert_eq!(value(&newest), 5);
    assert_eq!((value(&queue), value(&queue)), (2, 3));
    assert_eq!(queue.latest().unwrap().unwrap().cdr()[50], 5);
    assert!(queue.try_recv().unwrap().is_none());
    assert_eq!(newest.stats().delivered, 1);
    let stats = queue.stats();
    assert_eq!((stats.delivered, stats.skipped), (3, 1));
    broker.send("/t1", 100, 6);
    broker.send("/t1", 100, 7);
    assert_eq!((value(&newest), value(&queue)), (7, 6));
    assert_eq!(newest.stats().overflow, 1, "since the first frame");
    let timeout = newest
        .recv(Some(Duration::from_millis(5)), &mut never)
        .unwrap_err();
    assert!(matches!(timeout, ClientError::Timeout), "{timeout}");
    let interrupted = newest.recv(None, &mut || true).unwrap_err();
    assert!(
        matches!(interrupted, ClientError::Interrupted),
        "{interrupted}"
    );
}

#[test]
fn old_frames_are_skipped_and_counted() {
    let bed = Bed::new();
    let broker = FakeBroker::start(&bed.domain);
    let client = connect(&bed.domain);
    let options = SubscribeOptions {
        depth: 8,
        max_age: Some(Duration::from_secs(3600)),
        ..SubscribeOptions::default()
    };
    let subscriber = client.subscribe("/t1", None, &options, &mut never).unwrap();
    let route = broker.route("/t1");
    let route = route.lock().unwrap();
    for source_ns in [1, 0, 2] {
        let mut loan = route.publisher.loan(8, None).unwrap();
        loan.header_mut().source_ns = source_ns;
        loan.fill_zero().send().unwrap();
    }
    let frame = subscriber.try_recv().unwrap().unwrap();
    assert_eq!(
        frame.header().source_ns,
        0,
        "its age is known from when it was sent"
    );
    assert!(subscriber.try_recv().unwrap().is_none());
    assert_eq!(
        (subscriber.stats().stale, subscriber.stats().delivered),
        (2, 1)
    );
}

#[test]
fn a_late_joiner_gets_what_is_retained_before_what_is_live() {
    let bed = Bed::new();
    let broker = FakeBroker::start(&bed.domain);
    broker.state.lock().unwrap().latched = true;
    broker.route("/t1").lock().unwrap().retained = Some(vec![1, 2, 3]);
    let client = connect(&bed.domain);
    let all = subscribe(&client, "/t1", 8);
    broker.send("/t1", 100, 4);
    let _others = [subscribe(&client, "/t1", 8), subscribe(&client, "/t1", 8)];
    let newest = subscribe(&client, "/t1", 1);
    assert!(all.info().latched);
    assert_eq!(
        [value(&all), value(&all), value(&all), value(&all)],
        [1, 2, 3, 4]
    );
    assert!(all.try_recv().unwrap().is_none());
    assert_eq!(value(&newest), 3);
    assert_eq!(all.stats().overflow, 0);
}

#[test]
fn ai_to_ai_does_not_wait_for_ros_and_ros_is_not_overrun() {
    let bed = Bed::new();
    let small = iceway_bus::Limits {
        buffer: 8,
        ..limits()
    };
    let broker = FakeBroker::with_limits(&bed.domain, &small);
    let (sender, receiver) = (connect(&bed.domain), connect(&bed.domain));
    let publisher = advertise(&sender, "/t1", 30);
    let subscriber = subscribe(&receiver, "/t1", 8);
    // Six of eight may be unacknowledged.
    for value in 0..6 {
        assert_eq!(
            publish(&publisher, value).unwrap(),
            2,
            "the broker and the other client"
        );
    }
    for value in 6..8 {
        let error = publish(&publisher, value).unwrap_err();
        assert!(
            matches!(error, ClientError::Backpressure { delivered: true, unacknowledged } if unacknowledged > 6)
        );
    }
    let full = publish(&publisher, 8).unwrap_err();
    assert!(
        matches!(
            full,
            ClientError::Backpressure {
                delivered: false,
                unacknowledged: 8
            }
        ),
        "{full}"
    );
    // Everything that went out is there at once, and nothing is lost for ROS.
    assert_eq!(
        (0..8).map(|_| value(&subscriber)).collect::<Vec<_>>(),
        (0..8).collect::<Vec<_>>()
    );
    let frames = broker.take("/t1");
    assert_eq!(frames.len(), 8);
    assert_eq!(publisher.stats().backpressure, 3);
    // ROS catches up a little: it goes on.
    broker.route("/t1").lock().unwrap().acker.ack(&frames[4]);
    assert_eq!(publish(&publisher, 9).unwrap(), 2);
    assert_eq!(publisher.stats().unacknowledged, 4);
    broker.route("/t1").lock().unwrap().acker.ack(&frames[7]);
    drop(frames);
    for value in 10..100 {
        publish(&publisher, value).unwrap();
        broker
            .take("/t1")
            .iter()
            .for_each(|frame| broker.route("/t1").lock().unwrap().acker.ack(frame));
    }
    assert_eq!(publisher.stats().sent, 8 + 1 + 90);
    let large = publisher.loan(100 << 20, None).unwrap_err();
    assert!(
        matches!(large, ClientError::Loan(LoanError::TooLarge { .. })),
        "{large}"
    );
    assert_eq!(publisher.stats().dropped, 1);
}

#[test]
fn a_new_broker_is_not_asked_for_what_the_old_one_got() {
    let bed = Bed::new();
    let small = iceway_bus::Limits {
        buffer: 8,
        ..limits()
    };
    let broker = FakeBroker::with_limits(&bed.domain, &small);
    let client = connect(&bed.domain);
    let publisher = advertise(&client, "/t1", 30);
    for value in 0..6 {
        publish(&publisher, value).unwrap();
    }
    drop(broker);
    eventually("the loss", || (!client.broker_alive()).then_some(()));
    let _broker = FakeBroker::with_limits(
        &bed.domain,
        &iceway_bus::Limits {
            buffer: 16,
            ..limits()
        },
    );
    eventually("the return", || client.broker_alive().then_some(()));
    // The new broker's queue counts, and what went to the old one does not.
    for value in 0..12 {
        publish(&publisher, value).unwrap();
    }
    let error = publish(&publisher, 12).unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Backpressure {
                delivered: true,
                unacknowledged: 13
            }
        ),
        "{error}"
    );
}

#[test]
fn waiting_for_ros_can_be_interrupted() {
    let bed = Bed::new();
    let small = iceway_bus::Limits {
        buffer: 4,
        ..limits()
    };
    let _broker = FakeBroker::with_limits(&bed.domain, &small);
    let client = connect(&bed.domain);
    let publisher = advertise(&client, "/t1", 60_000);
    for value in 0..3 {
        publish(&publisher, value).unwrap();
    }
    let loan = publisher.loan(100, None).unwrap().fill_zero();
    let mut asked = 0;
    let error = publisher
        .send(loan, &mut || {
            asked += 1;
            asked > 3
        })
        .unwrap_err();
    assert!(matches!(error, ClientError::Interrupted), "{error}");
}

#[test]
fn the_connection_is_the_lease() {
    let bed = Bed::new();
    let broker = FakeBroker::start(&bed.domain);
    let client = connect(&bed.domain);
    let subscriber = subscribe(&client, "/t1", 1);
    let publisher = advertise(&client, "/t2", 100);
    let roles = |broker: &FakeBroker| -> Vec<Role> {
        broker
            .state
            .lock()
            .unwrap()
            .demand
            .iter()
            .map(|(_, role, _)| *role)
            .collect()
    };
    assert_eq!(roles(&broker), [Role::Subscriber, Role::Publisher]);
    drop(publisher);
    eventually("the end of the advertisement", || {
        (roles(&broker) == [Role::Subscriber]).then_some(())
    });
    broker.send("/t1", 100, 1);
    let frame = subscriber.recv(None, &mut never).unwrap();
    client.close();
    client.close();
    eventually("the end of the demand", || {
        roles(&broker).is_empty().then_some(())
    });
    assert!(matches!(
        subscriber.recv(None, &mut never),
        Err(ClientError::Closed)
    ));
    assert!(matches!(
        client.topics(&mut never),
        Err(ClientError::Closed)
    ));
    assert_eq!(frame.cdr(), message(100, 1));
    // A client that is only dropped is closed by its last user.
    let client = connect(&bed.domain);
    let subscriber = subscribe(&client, "/t1", 1);
    drop(client);
    broker.send("/t1", 100, 2);
    assert_eq!(value(&subscriber), 2);
    drop(subscriber);
    eventually("the end of the client", || {
        broker
            .state
            .lock()
            .unwrap()
            .clients
            .is_empty()
            .then_some(())
    });
}

#[test]
fn a_busy_receiver_is_connected_when_a_writer_comes_and_goes() {
    let bed = Bed::new();
    let _broker = FakeBroker::start(&bed.domain);
    let (one, two) = (connect(&bed.domain), connect(&bed.domain));
    let subscriber = subscribe(&one, "/t1", 8);
    // The receiver does not look; its client's thread connects it: then the writer's segment is mapped by the
    // writer, the broker and the receiver.
    let publisher = advertise(&two, "/t1", 100);
    let segment = format!("{}.data", publisher.publisher().port_id());
    eventually("the connection", || {
        (mapping_flags(&segment).len() == 3).then_some(())
    });
    publish(&publisher, 1).unwrap();
    assert_eq!(subscriber.subscriber().stats().received, 0);
    drop(publisher);
    assert_eq!(value(&subscriber), 1);
}

#[test]
fn clients_survive_a_killed_broker() {
    let bed = Bed::new();
    let start = || {
        let mut broker = child("child_broker", &bed).spawn().unwrap();
        wait_for_line(&mut broker, "serving");
        broker
    };
    let mut broker = start();
    let client = connect(&bed.domain);
    let subscriber = subscribe(&client, "/t1", 1);
    let publisher = advertise(&client, "/t2", 100);
    let first_pid = client.broker().pid;
    let in_hand = subscriber.recv(None, &mut never).unwrap();
    let content = in_hand.cdr().to_vec();
    publish(&publisher, 1).unwrap();
    for _ in 0..2 {
        broker.kill().unwrap();
        broker.wait().unwrap();
        eventually("the loss", || (!client.broker_alive()).then_some(()));
        let gone = publish(&publisher, 2).unwrap_err();
        assert!(
            matches!(gone, ClientError::BrokerGone { delivered: true }),
            "{gone}"
        );
        while subscriber.try_recv().unwrap().is_some() {}
        assert_eq!(in_hand.cdr(), content);
        broker = start();
        // No call of ours in between: what comes now is the new broker's.
        let writer = value(&subscriber);
        assert_eq!(writer, 77);
        eventually("the publisher's return", || publish(&publisher, 3).ok());
    }
    assert_ne!(client.broker().pid, first_pid);
    assert_eq!(in_hand.cdr(), content);
    broker.kill().unwrap();
    broker.wait().unwrap();
}

/// Sends on /t1 all the time, and acknowledges what comes on /t2.
#[test]
#[ignore = "run by another test"]
fn child_broker() {
    let broker = FakeBroker::start(&child_domain());
    println!("serving");
    std::io::stdout().flush().unwrap();
    loop {
        broker.send("/t1", 100, 77);
        for frame in broker.take("/t2") {
            broker.route("/t2").lock().unwrap().acker.ack(&frame);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_a_new_broker_refuses_is_told_and_tried_again() {
    let bed = Bed::new();
    let broker = FakeBroker::start(&bed.domain);
    let client = connect(&bed.domain);
    let subscriber = subscribe(&client, "/t1", 1);
    drop(broker);
    eventually("the loss", || (!client.broker_alive()).then_some(()));
    let broker = FakeBroker::start(&bed.domain);
    broker.state.lock().unwrap().refuse = Some(ErrorBody::new(ErrorCode::NoRos, "no ROS here"));
    // It may have been faster than the refusal; then there is nothing to see.
    let refused = eventually("the refusal, or a connection", || {
        match subscriber.recv(Some(Duration::from_millis(1)), &mut never) {
            Err(ClientError::Refused { code, message }) => Some(Some((code, message))),
            Err(ClientError::Timeout) if !broker.state.lock().unwrap().demand.is_empty() => {
                Some(None)
            }
            _ => None,
        }
    });
    if let Some(refused) = refused {
        assert_eq!(refused, (ErrorCode::NoRos, "no ROS here".to_owned()));
    }
    broker.state.lock().unwrap().refuse = None;
    eventually("the second try", || {
        (!broker.state.lock().unwrap().demand.is_empty()).then_some(())
    });
    eventually("a frame", || {
        broker.send("/t1", 100, 5);
        subscriber
            .recv(Some(Duration::from_millis(10)), &mut never)
            .ok()
    });
}

#[test]
fn a_closed_route_is_told() {
    let bed = Bed::new();
    let broker = FakeBroker::start(&bed.domain);
    let client = connect(&bed.domain);
    let subscriber = subscribe(&client, "/t1", 1);
    broker.state.lock().unwrap().refuse =
        Some(ErrorBody::new(ErrorCode::TypeMismatch, "the type changed"));
    let closed = Event::RouteClosed {
        route: 1,
        code: ErrorCode::TypeMismatch,
        message: "the type changed".to_owned(),
    };
    broker.state.lock().unwrap().clients[0]
        .1
        .write_event(&closed)
        .unwrap();
    let error = subscriber
        .recv(Some(Duration::from_secs(20)), &mut never)
        .unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Refused {
                code: ErrorCode::TypeMismatch,
                ..
            }
        ),
        "{error}"
    );
}
