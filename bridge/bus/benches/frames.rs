//! Cost of a frame through a channel, within one process: by size, cold and warm, and the wake-up of a receiver.
//!
//! `cargo bench -p iceway-bus`
#![allow(missing_docs, clippy::semicolon_if_nothing_returned)]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use iceway_bus::{
    BusNode, Channel, ChannelSpec, Domain, Limits, Publisher, PublisherOptions, Subscriber,
    SubscriberOptions, TopicName, TypeHash, Wake,
};

const SIZES: [(&str, usize); 5] = [
    ("64 B", 64),
    ("4 KiB", 4096),
    ("1 MB", 1_000_000),
    ("6.2 MB", 1920 * 1080 * 3),
    ("24.9 MB", 3840 * 2160 * 3),
];

struct Bed {
    _folder: tempfile::TempDir,
    writer: BusNode,
    channel: Channel,
    reader_channel: Channel,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("iw")
            .tempdir_in("/tmp")
            .unwrap();
        let domain = Domain::new(0, folder.path()).unwrap();
        let limits = Limits::default();
        let node = |name| BusNode::new(&domain, name, &limits).unwrap();
        let (writer, reader) = (node("writer"), node("reader"));
        let topic = TopicName::new("/bench").unwrap();
        let spec = ChannelSpec {
            type_name: "bench_msgs/msg/Blob".parse().unwrap(),
            type_hash: TypeHash::UNKNOWN,
            max_message_bytes: limits.max_message_bytes,
        };
        let channel = writer.create_channel(&topic, &spec).unwrap();
        let reader_channel = reader.open_channel(&topic).unwrap();
        Self {
            _folder: folder,
            writer,
            channel,
            reader_channel,
        }
    }

    fn publisher(&self) -> Publisher {
        self.channel
            .publisher(&PublisherOptions::default())
            .unwrap()
    }

    fn subscriber(&self, depth: usize) -> Subscriber {
        self.reader_channel
            .subscriber(&SubscriberOptions {
                depth,
                ..SubscriberOptions::default()
            })
            .unwrap()
    }
}

/// Loan, send, receive, drop: nothing of this depends on the size, since nothing is copied.
fn hand_over(c: &mut Criterion) {
    let bed = Bed::new();
    let (publisher, subscriber) = (bed.publisher(), bed.subscriber(1));
    let mut group = c.benchmark_group("loan-send-receive-drop");
    for (name, size) in SIZES {
        // The chunk is touched once; then only pointers move.
        publisher
            .loan(size, None)
            .unwrap()
            .fill_zero()
            .send()
            .unwrap();
        drop(subscriber.receive().unwrap());
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let loan = publisher.loan(size, None).unwrap();
                filled(loan).send().unwrap();
                black_box(subscriber.receive().unwrap().unwrap().as_ptr());
            });
        });
    }
    group.finish();
    let mut group = c.benchmark_group("parts");
    group.bench_function("loan and drop", |b| {
        b.iter(|| drop(publisher.loan(64, None).unwrap()))
    });
    group.bench_function("loan and send to nobody", |b| {
        let lonely = Bed::new();
        let publisher = lonely.publisher();
        b.iter(|| filled(publisher.loan(64, None).unwrap()).send().unwrap());
    });
    group.bench_function("receive nothing", |b| {
        b.iter(|| assert!(subscriber.receive().unwrap().is_none()))
    });
    group.bench_function("notify nobody", |b| b.iter(|| publisher.notify()));
    group.bench_function("ask for free memory", |b| {
        b.iter(|| black_box(bed.writer.free_bytes()))
    });
    group.finish();
}

#[allow(unsafe_code)]
fn filled(loan: iceway_bus::Loan) -> iceway_bus::FilledLoan {
    // SAFETY: the chunk was written as a whole before; what a benchmark hands over is old content.
    unsafe { loan.assume_filled() }
}

/// Copying a message into a chunk that was never touched, and into one that was.
fn first_touch(c: &mut Criterion) {
    let mut group = c.benchmark_group("copy into a chunk");
    group.sample_size(20);
    for (name, size) in &SIZES[2..] {
        let source = vec![7_u8; *size];
        group.throughput(Throughput::Bytes(*size as u64));
        let bed = Bed::new();
        group.bench_function(BenchmarkId::new("cold", name), |b| {
            // A port of its own for each: its first chunk is cold.
            b.iter_batched(
                || bed.publisher(),
                |publisher| {
                    publisher
                        .loan(*size, None)
                        .unwrap()
                        .fill(&source)
                        .send()
                        .unwrap();
                    publisher
                },
                BatchSize::PerIteration,
            );
        });
        let publisher = bed.publisher();
        group.bench_function(BenchmarkId::new("warm", name), |b| {
            b.iter(|| {
                publisher
                    .loan(*size, None)
                    .unwrap()
                    .fill(&source)
                    .send()
                    .unwrap()
            });
        });
    }
    group.finish();
}

/// From before `send` until a blocked receiver in another thread has the frame, at about 1 kHz.
fn wake_up(c: &mut Criterion) {
    let bed = Bed::new();
    let (publisher, subscriber) = (bed.publisher(), bed.subscriber(1));
    let listener = bed.reader_channel.listener().unwrap();
    let stop = AtomicBool::new(false);
    let (arrived, arrivals) = mpsc::channel::<Instant>();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if listener.wait(Some(Duration::from_millis(100))) == Wake::Notified
                    && let Some(frame) = subscriber.receive().unwrap()
                {
                    let now = Instant::now();
                    drop(frame);
                    arrived.send(now).unwrap();
                }
            }
        });
        let mut group = c.benchmark_group("wake-up at 1 kHz");
        for (name, size) in [SIZES[0], SIZES[4]] {
            publisher
                .loan(size, None)
                .unwrap()
                .fill_zero()
                .send_and_notify()
                .unwrap();
            arrivals.recv().unwrap();
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter_custom(|count| {
                    (0..count)
                        .map(|_| {
                            std::thread::sleep(Duration::from_millis(1));
                            let frame = filled(publisher.loan(size, None).unwrap());
                            let start = Instant::now();
                            frame.send_and_notify().unwrap();
                            arrivals.recv().unwrap() - start
                        })
                        .sum()
                });
            });
        }
        group.finish();
        stop.store(true, Ordering::Relaxed);
    });
}

criterion_group!(benches, hand_over, first_touch, wake_up);
criterion_main!(benches);
