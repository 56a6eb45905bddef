//! Quality of service: our own rules, held against what the middleware does.

mod common;

use std::time::{Duration, Instant};

use common::{Listener, PATIENCE, new_context, support};
use iceway_ros::{
    Durability, Endpoint, History, Publisher, Qos, Reliability, RosEvent, UnknownPolicy, Waiter,
};

const STRING: &str = "std_msgs/msg/String";

fn endpoint(qos: Qos) -> Endpoint {
    Endpoint {
        qos,
        ..Endpoint::default()
    }
}

fn qos(reliability: Reliability, durability: Durability, deadline_ms: Option<u64>) -> Qos {
    Qos {
        reliability,
        durability,
        deadline: deadline_ms.map(Duration::from_millis),
        ..Qos::default()
    }
}

/// Every combination of what matters.
fn profiles() -> Vec<Qos> {
    let mut all = Vec::new();
    for reliability in [Reliability::Reliable, Reliability::BestEffort] {
        for durability in [Durability::Volatile, Durability::TransientLocal] {
            for deadline_ms in [None, Some(10_000), Some(20_000)] {
                all.push(qos(reliability, durability, deadline_ms));
            }
        }
    }
    all
}

#[test]
fn the_middleware_agrees_on_what_fits() {
    let context = new_context(&[], "matcher", "");
    let waiter = Waiter::new(&context).unwrap();
    let support = support(STRING);
    for (i, offered) in profiles().into_iter().enumerate() {
        let topic = format!("/fits_{i}");
        let publisher = Publisher::new(&context, &topic, &support, &offered).unwrap();
        for requested in profiles() {
            let listener = Listener::new(&context, &topic, STRING, &requested, None, false);
            waiter.watch(&listener.subscription);
            let end = Instant::now() + PATIENCE;
            // Exactly one of the two happens.
            let fits = loop {
                if listener.subscription.publishers() == 1 {
                    break true;
                }
                let woken = waiter.wait_for(Some(Duration::from_millis(5))).unwrap();
                if woken
                    .events
                    .iter()
                    .any(|e| matches!(e, RosEvent::IncompatibleQos { .. }))
                {
                    break false;
                }
                assert!(Instant::now() < end, "neither matched nor refused");
            };
            let why = offered.refuses(&requested);
            assert_eq!(
                fits,
                why.is_none(),
                "offered {offered}; requested {requested}: {why:?}"
            );
        }
        drop(publisher);
    }
}

#[test]
fn a_subscription_hears_every_publisher_as_well_as_it_can() {
    use Durability::{TransientLocal, Volatile};
    use Reliability::{BestEffort, Reliable};
    for (publishers, expected) in [
        (vec![], (BestEffort, Volatile)),
        (vec![(Reliable, Volatile)], (Reliable, Volatile)),
        (vec![(Reliable, TransientLocal)], (Reliable, TransientLocal)),
        (vec![(BestEffort, Volatile)], (BestEffort, Volatile)),
        (
            vec![(Reliable, TransientLocal), (BestEffort, TransientLocal)],
            (BestEffort, TransientLocal),
        ),
        (
            vec![(Reliable, TransientLocal), (Reliable, Volatile)],
            (Reliable, Volatile),
        ),
        (
            vec![(Reliability::Unknown, Volatile)],
            (BestEffort, Volatile),
        ),
    ] {
        let publishers: Vec<_> = publishers
            .into_iter()
            .map(|(r, d)| endpoint(qos(r, d, None)))
            .collect();
        let chosen = Qos::for_subscription(&publishers);
        assert_eq!((chosen.reliability, chosen.durability), expected);
    }
    // Whatever they offer, what is chosen fits all.
    for one in profiles() {
        for other in profiles() {
            let publishers = [endpoint(one.clone()), endpoint(other.clone())];
            let chosen = Qos::for_subscription(&publishers);
            for publisher in &publishers {
                assert_eq!(publisher.qos.refuses(&chosen), None);
            }
            let differ = (one.reliability, one.durability) != (other.reliability, other.durability);
            assert_eq!(Qos::disagreement(&publishers).is_some(), differ);
        }
    }
}

#[test]
fn a_refusal_names_both_profiles() {
    let offered = qos(Reliability::BestEffort, Durability::Volatile, None);
    let requested = qos(Reliability::Reliable, Durability::TransientLocal, Some(100));
    let why = offered.refuses(&requested).unwrap();
    for part in [
        "best_effort",
        "reliable",
        "volatile",
        "transient_local",
        "deadline 100ms",
        "keep_last 10",
    ] {
        assert!(why.contains(part), "{part} is not in {why:?}");
    }
}

#[test]
fn policies_are_read_as_they_are_written() {
    for text in ["reliable", "best_effort"] {
        assert_eq!(text.parse::<Reliability>().unwrap().to_string(), text);
    }
    for text in ["volatile", "transient_local"] {
        assert_eq!(text.parse::<Durability>().unwrap().to_string(), text);
    }
    assert_eq!("keep_all".parse(), Ok(History::KeepAll));
    let error: UnknownPolicy = "Reliable".parse::<Reliability>().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#""Reliable" is unknown here: expected reliable or best_effort"#
    );
}
