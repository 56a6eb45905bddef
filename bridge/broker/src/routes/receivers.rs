//! The AI processes that receive a topic, and the writers that wait until those are connected to them.
//!
//! A receiver is connected to a new writer when its process looks; what the writer sends before is lost to it. So a writer is
//! granted its advertisement only when every receiver has said that it looked: a process may advertise, publish and exit at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use iceway_bus::control::{Event, Reply, ResponseWriter};
use parking_lot::Mutex;

/// A receiver that does not answer for so long (a stopped process) is not waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// The answer that a writer waits for. Given when the last receiver that it was introduced to lets go of it.
pub(crate) struct Answer {
    id: u64,
    writer: ResponseWriter,
}

impl Answer {
    /// The answer to request `id` of a client.
    pub(crate) fn new(id: u64, writer: ResponseWriter) -> Self {
        Self { id, writer }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // A client that is gone needs none.
        let _ = self.writer.write_response(self.id, Ok(Reply::Done {}));
    }
}

/// The receivers of one topic.
#[derive(Default)]
pub(crate) struct Receivers(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last_token: u64,
    receivers: Vec<Receiver>,
}

struct Receiver {
    claim: u64,
    participant: u64,
    client: ResponseWriter,
    writers: Vec<Waiting>,
}

struct Waiting {
    token: u64,
    since: Instant,
    /// Only held.
    _answer: Arc<Answer>,
}

impl Receivers {
    /// A subscriber's port exists.
    pub(crate) fn add(&self, claim: u64, participant: u64, client: ResponseWriter) {
        let mut inner = self.0.lock();
        if inner.receivers.iter().all(|r| r.claim != claim) {
            inner.receivers.push(Receiver {
                claim,
                participant,
                client,
                writers: Vec::new(),
            });
        }
    }

    pub(crate) fn remove(&self, claim: u64) {
        let mut inner = self.0.lock();
        let index = inner.receivers.iter().position(|r| r.claim == claim);
        let gone = index.map(|index| inner.receivers.swap_remove(index));
        // Its writers are answered outside the lock.
        drop(inner);
        drop(gone);
    }

    /// Asks all receivers of other participants to connect to a new writer; when they have, `answer` is given.
    pub(crate) fn introduce(&self, participant: u64, answer: Answer) {
        let answer = Arc::new(answer);
        let mut asked = Vec::new();
        {
            let mut inner = self.0.lock();
            inner.last_token += 1;
            let token = inner.last_token;
            for receiver in &mut inner.receivers {
                if receiver.participant == participant {
                    continue; // hears nothing of its own process
                }
                receiver.writers.push(Waiting {
                    token,
                    since: Instant::now(),
                    _answer: Arc::clone(&answer),
                });
                let event = Event::Connect {
                    route: receiver.claim,
                    token,
                };
                asked.push((receiver.client.clone(), event));
            }
        }
        for (client, event) in asked {
            // One that is gone is removed by its session.
            let _ = client.write_event(&event);
        }
    }

    /// A receiver is connected to all writers that it was told of up to `token`.
    pub(crate) fn connected(&self, claim: u64, token: u64) {
        self.let_go(|receiver, waiting| receiver == claim && waiting.token <= token);
    }

    /// Gives up waiting for receivers that do not answer.
    pub(crate) fn tend(&self) {
        self.let_go(|_, waiting| waiting.since.elapsed() > PATIENCE);
    }

    fn let_go(&self, which: impl Fn(u64, &Waiting) -> bool) {
        let mut done: Vec<Waiting> = Vec::new();
        for receiver in &mut self.0.lock().receivers {
            let claim = receiver.claim;
            done.extend(receiver.writers.extract_if(.., |w| which(claim, w)));
        }
        // Answered here, outside the lock.
        drop(done);
    }
}
