//! The control protocol: hostile lines, and who may serve a domain.
#![allow(missing_docs)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use common::*;
use iceway_bus::control::{
    Connection, Event, Hello, Incoming, Listener, MAX_REQUEST_BYTES, Op, Outcome, PROTOCOL, Qos,
    Reliability, Reply, Request, Response, ServerMessage, encode_line,
};
use iceway_bus::{BrokerInfo, BrokerLock, LockError};
use proptest::prelude::*;

/// Both ends of a connection.
fn pair(bed: &Bed) -> (UnixStream, Connection, Listener, BrokerLock) {
    let lock = BrokerLock::acquire(&bed.domain, BrokerInfo::current()).unwrap();
    let listener = Listener::bind(&lock).unwrap();
    let client = UnixStream::connect(bed.domain.broker_sock()).unwrap();
    let connection = listener.accept().unwrap();
    (client, connection, listener, lock)
}

#[test]
fn hostile_lines_are_answered_and_the_next_one_is_read() {
    let bed = Bed::new();
    let (mut client, mut connection, ..) = pair(&bed);
    let deep = "[".repeat(50_000);
    let lines: Vec<(&[u8], u64)> =
        vec![
        (b"", 0),
        (b"nonsense", 0),
        (b"\xff\xfe\x00", 0),
        (b"null", 0),
        (b"[]", 0),
        (b"{}", 0),
        (br#"{"id":3}"#, 3),
        (br#"{"id":4,"op":"format_disk"}"#, 4),
        (br#"{"id":5,"op":"subscribe"}"#, 5),
        (br#"{"id":6,"op":"subscribe","topic":7,"depth":1,"timeout_ms":1}"#, 6),
        (br#"{"id":7,"op":"subscribe","topic":"/a","depth":-1,"timeout_ms":1}"#, 7),
        (br#"{"id":8,"op":"subscribe","topic":"/a","depth":1e99,"timeout_ms":1}"#, 8),
        (br#"{"id":-1,"op":"topics"}"#, 0),
        (br#"{"id":99999999999999999999999,"op":"topics"}"#, 0),
        (br#"{"id":9,"op":"advertise","topic":"/a","type":"t","qos":{"reliability":"maybe"}}"#, 9),
        (deep.as_bytes(), 0),
    ];
    for (line, expected) in lines {
        client.write_all(line).unwrap();
        client.write_all(b"\n").unwrap();
        match connection.read_request() {
            Incoming::Malformed { id, error } => {
                assert_eq!(id, expected, "{}", String::from_utf8_lossy(line));
                assert!(error.message.len() < 1000, "{}", error.message.len());
                connection.write_response(id, Err(error)).unwrap();
            }
            other => panic!(
                "{other:?} of {}",
                String::from_utf8_lossy(&line[..line.len().min(80)])
            ),
        }
    }
    // Unknown fields are from a newer client; they do no harm.
    client
        .write_all(b"{\"id\":10,\"op\":\"topics\",\"later\":true}\n")
        .unwrap();
    let Incoming::Request(request) = connection.read_request() else {
        panic!()
    };
    assert_eq!(
        request,
        Request {
            id: 10,
            op: Op::Topics {}
        }
    );
    connection.write_response(10, Ok(Reply::Done {})).unwrap();
    let answers: Vec<String> = BufReader::new(&client)
        .lines()
        .take(17)
        .map(Result::unwrap)
        .collect();
    assert_eq!(answers[16], r#"{"id":10,"ok":{"reply":"done"}}"#);
    assert!(answers[3].starts_with(
        r#"{"id":0,"error":{"code":"bad_request","message":"this is no request of protocol 1"#
    ));
}

#[test]
fn an_endless_line_ends_the_connection() {
    let bed = Bed::new();
    let (mut client, mut connection, ..) = pair(&bed);
    let writer = std::thread::spawn(move || {
        let chunk = [b'a'; 4096];
        let mut sent = 0;
        while sent < 100 << 20 && client.write_all(&chunk).is_ok() {
            sent += chunk.len();
        }
        sent
    });
    let Incoming::Closed { reason } = connection.read_request() else {
        panic!()
    };
    assert_eq!(
        reason,
        format!("a line is longer than {MAX_REQUEST_BYTES} bytes")
    );
    drop(connection);
    assert!(writer.join().unwrap() < 4 << 20);
}

#[test]
fn the_end_is_seen_at_once_also_in_the_middle_of_a_line() {
    let bed = Bed::new();
    let (mut client, mut connection, ..) = pair(&bed);
    client.write_all(b"{\"id\":1,").unwrap();
    drop(client);
    assert!(
        matches!(connection.read_request(), Incoming::Closed { reason } if reason == "the connection ended")
    );
    assert!(connection.write_response(1, Ok(Reply::Done {})).is_err());
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let bed = Bed::new();
    let (client, mut connection, ..) = pair(&bed);
    let writer = connection.writer();
    let event = Event::RouteClosed {
        route: 1,
        code: iceway_bus::control::ErrorCode::Internal,
        message: "x".repeat(1 << 20),
    };
    let result = (0..100).try_for_each(|_| writer.write_event(&event));
    assert!(result.is_err());
    assert!(matches!(connection.read_request(), Incoming::Closed { .. }));
    assert_eq!(connection.peer().unwrap().0, std::process::id());
    drop(client);
}

#[test]
fn one_broker_per_domain_and_stale_sockets_are_replaced() {
    let bed = Bed::new();
    assert_eq!(BrokerLock::holder(&bed.domain), None);
    let mut first = child("child_lock", &bed)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_line(&mut first, "locked");
    let pid = first.id();
    let error = BrokerLock::acquire(&bed.domain, BrokerInfo::current()).unwrap_err();
    assert!(matches!(&error, LockError::Held { domain: 7, info: Some(info) } if info.pid == pid));
    assert_eq!(
        error.to_string(),
        format!(
            "a broker already serves domain 7: process {pid}, iceway {}",
            iceway_bus::VERSION
        )
    );
    assert_eq!(BrokerLock::holder(&bed.domain).flatten().unwrap().pid, pid);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(
        bed.domain.broker_sock().exists(),
        "a killed broker leaves its socket"
    );
    assert_eq!(BrokerLock::holder(&bed.domain), None);
    let (client, mut connection, listener, lock) = pair(&bed);
    drop(client);
    assert!(matches!(connection.read_request(), Incoming::Closed { .. }));
    drop(listener);
    assert!(!bed.domain.broker_sock().exists());
    drop(lock);
    BrokerLock::acquire(&bed.domain, BrokerInfo::current()).unwrap();
}

#[test]
#[ignore = "run by another test"]
fn child_lock() {
    let lock = BrokerLock::acquire(&child_domain(), BrokerInfo::current()).unwrap();
    let _listener = Listener::bind(&lock).unwrap();
    println!("locked");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn folders_of_others_are_not_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::new();
    std::fs::set_permissions(bed.dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = BrokerLock::acquire(&bed.domain, BrokerInfo::current())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("others may write to it (mode 777): chmod 700 it"),
        "{error}"
    );
}

#[test]
fn versions_are_compared() {
    let hello = |protocol, iceoryx2: &str| Hello {
        protocol,
        version: "0.0.1".to_owned(),
        iceoryx2: iceoryx2.to_owned(),
        pid: 1,
        name: "x".to_owned(),
        participant: 1,
    };
    let check = iceway_bus::control::check_hello;
    assert_eq!(
        check(&hello(PROTOCOL, iceway_bus::ICEORYX2_VERSION)),
        Ok(())
    );
    for other in [
        hello(PROTOCOL + 1, iceway_bus::ICEORYX2_VERSION),
        hello(PROTOCOL, "0.9.0"),
    ] {
        let error = check(&other).unwrap_err();
        assert!(
            error.message.contains("iceway 0.0.1") && error.message.contains(iceway_bus::VERSION)
        );
        assert_eq!(error.broker_version.as_deref(), Some(iceway_bus::VERSION));
    }
}

#[test]
fn messages_look_as_documented() {
    let subscribe = Request {
        id: 2,
        op: Op::Subscribe {
            topic: "/camera/image_raw".to_owned(),
            type_name: None,
            definition: None,
            depth: 1,
            qos: Some(Qos {
                reliability: Some(Reliability::BestEffort),
                ..Qos::default()
            }),
            timeout_ms: 5000,
        },
    };
    let line = r#"{"id":2,"op":"subscribe","topic":"/camera/image_raw","depth":1,"qos":{"reliability":"best_effort"},"timeout_ms":5000}"#;
    assert_eq!(
        String::from_utf8(encode_line(&subscribe)).unwrap(),
        format!("{line}\n")
    );
    assert_eq!(serde_json::from_str::<Request>(line).unwrap(), subscribe);
    let event = r#"{"event":"something_new","x":1}"#;
    assert_eq!(
        serde_json::from_str::<ServerMessage>(event).unwrap(),
        ServerMessage::Event(Event::Unknown)
    );
    let error = r#"{"id":1,"error":{"code":"something_new","message":"m"}}"#;
    let ServerMessage::Response(Response {
        outcome: Outcome::Error(error),
        ..
    }) = serde_json::from_str(error).unwrap()
    else {
        panic!()
    };
    assert_eq!(error.code, iceway_bus::control::ErrorCode::Internal);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut reader = iceway_bus::control::LineReader::new(500);
        let mut stream = &bytes[..];
        while let Ok(Some(line)) = reader.read_line(&mut stream) {
            prop_assert!(line.len() <= 500 && !line.contains(&b'\n'));
            let _ = serde_json::from_slice::<Request>(&line);
            let _ = serde_json::from_slice::<ServerMessage>(&line);
        }
    }

    #[test]
    fn any_topic_and_name_stays_on_one_line(topic in ".*", route in any::<u64>()) {
        let request = Request { id: route, op: Op::Advertise { topic, type_name: "a\nb".to_owned(), definition: None, qos: None } };
        let line = encode_line(&request);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        prop_assert_eq!(serde_json::from_slice::<Request>(&line).unwrap(), request);
    }
}
