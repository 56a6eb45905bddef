//! The bare rcl subscriber: `rcl_take_serialized_message` into private memory that was touched before.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use iceway_bus::clock::realtime_ns;
use iceway_ros::{
    Context, Qos, Subscription, SubscriptionOptions, TakePath, TakeSink, Taken, TypeSupport,
};

use super::inbox::Inbox;
use crate::image::{TYPE, mark};
use crate::orders::{Order, done, serve, unknown};

/// Parts of a sample's time.
const HOPS: [&str; 3] = ["publish → source", "source → received", "received → taken"];
/// Enough of the message to read its mark.
const HEAD: usize = 64;

pub(crate) fn run() -> anyhow::Result<()> {
    let taker = Taker::new("iceway_bench_native_take")?;
    serve(|order| match order {
        Order::Subscribe { topics, .. } => {
            taker.subscribe(&topics)?;
            done()
        }
        Order::Forget {} => {
            taker.inbox.forget();
            done()
        }
        Order::Collect { last, timeout_s } => Ok(serde_json::to_value(
            taker.inbox.collect(&HOPS, last, timeout_s),
        )?),
        other => unknown(&other),
    })
}

/// Subscriptions, and the thread that takes for them.
pub(crate) struct Taker {
    pub(crate) inbox: Inbox,
    context: Arc<Context>,
    support: Arc<TypeSupport>,
    subscriptions: Arc<Mutex<BTreeMap<String, Arc<Subscription>>>>,
    wake: Sender<Option<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Taker {
    pub(crate) fn new(node: &str) -> anyhow::Result<Self> {
        let context = Context::new(&[], node, "")?;
        let (wake, arrivals) = channel::<Option<String>>();
        let (inbox, subscriptions) = (
            Inbox::default(),
            Arc::<Mutex<BTreeMap<String, Arc<Subscription>>>>::default(),
        );
        let (samples, known) = (inbox.clone(), Arc::clone(&subscriptions));
        let thread = std::thread::spawn(move || {
            let mut memory = Memory::default();
            while let Ok(Some(topic)) = arrivals.recv() {
                let subscription = known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(&topic)
                    .cloned();
                if let Some(subscription) = subscription {
                    take_all(&subscription, &mut memory, &samples);
                }
            }
        });
        Ok(Self {
            inbox,
            context,
            support: TypeSupport::load(&TYPE.parse()?)?,
            subscriptions,
            wake,
            thread: Some(thread),
        })
    }

    pub(crate) fn listens_to(&self, topic: &str) -> bool {
        self.known().contains_key(topic)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Subscription>>> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self, topics: &[String]) -> anyhow::Result<()> {
        for topic in topics {
            let (wake, name) = (self.wake.clone(), topic.clone());
            let options = SubscriptionOptions {
                on_message: Box::new(move |_| {
                    let _ = wake.send(Some(name.clone()));
                }),
                take_path: Some(TakePath::Serialized),
                ignore_local: false,
            };
            let subscription = Subscription::new(
                &self.context,
                topic,
                &self.support,
                &Qos::default(),
                options,
            )?;
            self.known().insert(topic.clone(), Arc::new(subscription));
            // What came before it was known here.
            let _ = self.wake.send(Some(topic.clone()));
        }
        Ok(())
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let _ = self.wake.send(None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn take_all(subscription: &Subscription, memory: &mut Memory, samples: &Inbox) {
    while let Ok(taken) = subscription.take(memory) {
        let now = realtime_ns();
        match taken {
            Taken::Message { len, info } => {
                let Some(mark) = mark(&memory.head(len)) else {
                    continue;
                };
                samples.add(vec![
                    i64::from(mark.number),
                    now,
                    now - mark.stamp_ns,
                    info.source_ns - mark.stamp_ns,
                    info.received_ns - info.source_ns,
                    now - info.received_ns,
                ]);
            }
            Taken::Echo | Taken::Refused { .. } => {}
            Taken::Empty => return,
        }
    }
}

/// Memory of this process, kept from message to message.
#[derive(Default)]
struct Memory(Vec<MaybeUninit<u8>>);

impl Memory {
    /// The beginning of a message of which `len` bytes were written.
    #[allow(unsafe_code)]
    fn head(&self, len: usize) -> Vec<u8> {
        let len = len.min(HEAD).min(self.0.len());
        // SAFETY: every byte of the memory was initialised when it was made; u8 has no invalid values.
        self.0[..len]
            .iter()
            .map(|b| unsafe { b.assume_init() })
            .collect()
    }
}

impl TakeSink for Memory {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        if self.0.len() < len {
            // Touched now, and not again for messages of this size.
            self.0 = vec![MaybeUninit::new(1); len];
        }
        self.0.get_mut(..len)
    }
}
