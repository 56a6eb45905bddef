//! One way of the hop: a receiver, and whoever sends to it.

use std::ops::Range;
use std::time::{Duration, Instant};

use iceway_bus::{BusNode, Limits, Placement, Publisher, PublisherOptions, TopicName};

use super::HopArgs;
use crate::gather::{Gather, Watch};
use crate::image::{self, Mark};
use crate::keys::{peer, process};
use crate::libraries::Library;
use crate::orders::{Collected, Order, Sent};
use crate::peers::{RingWriter, ring_name};
use crate::processes::Process;
use crate::site::{Program, Site};
use crate::world::PeerKind;

/// Seconds that the last message may take.
const LAST_S: f64 = 1.0;
/// Seconds that a library may take until its sender has found its receiver.
const DISCOVERY_S: f64 = 20.0;

/// A way into the receiver's process, from this one or, for a library, from a Python process.
pub(super) struct Way<'a> {
    pub(super) name: &'static str,
    /// None for iceway and the ring, which must not fail.
    pub(super) library: Option<Library>,
    /// A library that failed takes no further part.
    pub(super) failed: bool,
    site: &'a Site,
    topic: String,
    receiver: Process<'a>,
    writer: Writer<'a>,
}

enum Writer<'a> {
    Channel(Publisher),
    Ring(RingWriter),
    Process(Process<'a>),
}

impl<'a> Way<'a> {
    /// Through iceway's channel.
    pub(super) fn channel(site: &'a Site, kind: PeerKind) -> anyhow::Result<Self> {
        let topic: TopicName = format!("/iceway_bench/hop/{}", kind.slug()).parse()?;
        let mut receiver = Process::start(site, kind.name(), kind.program(), None)?;
        receiver.tell(&subscribe(&topic.to_string(), 64))?;
        // As the broker does it: a port on the channel that the receiver is subscribed to.
        let node = BusNode::new(&site.bus_domain()?, "bench writer", &Limits::default())?;
        let publisher = node
            .open_channel(&topic)?
            .publisher(&PublisherOptions::default())?;
        Ok(Self {
            name: kind.name(),
            library: None,
            failed: false,
            site,
            topic: topic.to_string(),
            receiver,
            writer: Writer::Channel(publisher),
        })
    }

    /// Through iceway's channel, from a Python process.
    pub(super) fn pair(site: &'a Site) -> anyhow::Result<Self> {
        let name = peer::ICEWAY_PYTHON_PAIR;
        let program = PeerKind::IcewayPython.program();
        let topic = "/iceway_bench/hop/iceway_python_pair".to_owned();
        let mut receiver = Process::start(site, name, program, None)?;
        receiver.tell(&subscribe(&topic, 64))?;
        Ok(Self {
            name,
            library: None,
            failed: false,
            site,
            topic,
            receiver,
            writer: Writer::Process(Process::start(site, &sender_of(name), program, None)?),
        })
    }

    /// Through the raw ring, with room for `largest` bytes of data.
    pub(super) fn ring(site: &'a Site, largest: usize) -> anyhow::Result<Self> {
        let ring = RingWriter::new(largest + image::PROLOGUE)?;
        let mut receiver = Process::start(site, peer::SHARED_MEMORY, Program::Own("ring"), None)?;
        // It spins while it is subscribed: only in its turns.
        receiver.tell(&Order::Unsubscribe {})?;
        Ok(Self {
            name: peer::SHARED_MEMORY,
            library: None,
            failed: false,
            site,
            topic: ring_name(),
            receiver,
            writer: Writer::Ring(ring),
        })
    }

    /// Through another library, from a Python process.
    pub(super) fn library(site: &'a Site, library: Library) -> anyhow::Result<Self> {
        let name = library.name();
        let topic = format!("/iceway_bench/hop/{}", name.replace('-', "_"));
        let topics = vec![topic.clone()];
        let mut sender = Process::start(site, &sender_of(name), library.program(), None)?;
        let mut receiver = Process::start(site, name, library.program(), None)?;
        sender.tell(&Order::Advertise {
            topics: topics.clone(),
        })?;
        // At the same time: with dora each of the two waits for the other.
        receiver.order(&subscribe(&topic, 64))?;
        sender.order(&Order::AwaitSubscribers {
            topics,
            count: 1,
            timeout_s: DISCOVERY_S,
        })?;
        receiver.answer::<serde_json::Value>(Duration::ZERO)?;
        sender.answer::<serde_json::Value>(Duration::from_secs_f64(DISCOVERY_S))?;
        Ok(Self {
            name,
            library: Some(library),
            failed: false,
            site,
            topic,
            receiver,
            writer: Writer::Process(sender),
        })
    }

    /// Warms up, then sends the messages that count; they are numbered from `first` on.
    pub(super) fn turn(
        &mut self,
        args: &HopArgs,
        bytes: usize,
        first: u32,
        gather: &mut Gather,
    ) -> anyhow::Result<()> {
        let spins = matches!(self.writer, Writer::Ring(_));
        if spins {
            self.receiver.tell(&subscribe(&self.topic, 1))?;
        }
        let counted = first + args.warm_up;
        self.send(args.rate, bytes, first..counted)?;
        self.collect(counted - 1)?;
        let watch = Watch::start(&self.processes());
        self.send(args.rate, bytes, counted..counted + args.count)?;
        let collected = self.collect(counted + args.count - 1)?;
        watch.stop(&self.processes(), gather);
        if spins {
            self.receiver.tell(&Order::Unsubscribe {})?;
        }
        gather.add(&collected, counted, u64::from(args.count));
        Ok(())
    }

    /// The processes that take part, beside this one.
    fn processes(&self) -> Vec<(&'static str, &Process<'a>)> {
        let mut all = vec![(process::RECEIVER, &self.receiver)];
        if let Writer::Process(sender) = &self.writer {
            all.push((process::PUBLISHER, sender));
        }
        all
    }

    fn send(&mut self, rate_hz: f64, bytes: usize, numbers: Range<u32>) -> anyhow::Result<()> {
        let count = numbers.len();
        match &mut self.writer {
            Writer::Channel(publisher) => {
                paced(self.site, rate_hz, bytes, numbers, |_, message| {
                    publisher
                        .loan(message.len(), Placement::UNKNOWN)?
                        .fill(message)
                        .send_and_notify()?;
                    Ok(())
                })
            }
            Writer::Ring(ring) => paced(self.site, rate_hz, bytes, numbers, |number, message| {
                ring.write(number, message);
                Ok(())
            }),
            Writer::Process(sender) => {
                sender.order(&Order::Send {
                    topics: vec![self.topic.clone()],
                    bytes,
                    first: numbers.start,
                    count: numbers.end - numbers.start,
                    rate_hz,
                })?;
                let sent: Sent = sender.answer(Duration::from_secs_f64(count as f64 / rate_hz))?;
                anyhow::ensure!(
                    sent.sent == count as u64,
                    "{}: sent {} of {count}",
                    self.name,
                    sent.sent
                );
                Ok(())
            }
        }
    }

    fn collect(&mut self, last: u32) -> anyhow::Result<Collected> {
        self.receiver.ask(&Order::Collect {
            last,
            timeout_s: LAST_S,
        })
    }
}

fn sender_of(name: &str) -> String {
    format!("{name}-sender")
}

fn subscribe(topic: &str, depth: usize) -> Order {
    Order::Subscribe {
        topics: vec![topic.to_owned()],
        depth,
        spin: false,
    }
}

/// Writes images of `bytes` bytes of data at a rate.
fn paced(
    site: &Site,
    rate_hz: f64,
    bytes: usize,
    numbers: Range<u32>,
    mut write: impl FnMut(u32, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let period = Duration::from_secs_f64(1.0 / rate_hz);
    let mut message = image::encode(
        Mark {
            number: 0,
            stamp_ns: 0,
        },
        &vec![1; bytes],
    );
    let mut next = Instant::now();
    for number in numbers {
        site.go_on()?;
        let mark = Mark {
            number,
            stamp_ns: 0,
        };
        message[..image::PROLOGUE].copy_from_slice(&image::prologue(mark, bytes));
        write(number, &message)?;
        next += period;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
