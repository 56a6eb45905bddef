//! Worker threads that take messages from ROS. A route is queued at most once and runs on one thread at a time,
//! so its messages keep their order; routes of different lanes never wait for each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::config::LaneOptions;

/// More routes than this at once are refused; the lanes' queues never fill, so that a middleware thread never waits.
pub(crate) const MAX_ROUTES: usize = 4096;

/// Something that a lane runs.
pub(crate) trait Work: Send + Sync {
    /// Does a bounded amount of work; true when more is left.
    fn run(&self) -> bool;
    /// Where this work stands.
    fn schedule(&self) -> &Schedule;
}

/// Where a piece of work stands between the thread that announces it and the one that does it.
#[derive(Debug, Default)]
pub(crate) struct Schedule(AtomicU8);

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
/// Running, and something new came meanwhile.
const DIRTY: u8 = 3;

impl Schedule {
    /// Notes that there is something to do; true when the work must now be put into a queue.
    fn announce(&self) -> bool {
        let next = |state| match state {
            IDLE => Some(QUEUED),
            RUNNING => Some(DIRTY),
            _ => None,
        };
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            == Ok(IDLE)
    }

    fn start(&self) {
        self.0.store(RUNNING, Ordering::Release);
    }

    /// Ends a run; true when the work must be queued again.
    fn finish(&self, more: bool) -> bool {
        let idle = !more
            && self
                .0
                .compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        if !idle {
            self.0.store(QUEUED, Ordering::Release);
        }
        !idle
    }
}

enum Message {
    Run(Arc<dyn Work>),
    Stop,
}

/// One lane's queue.
#[derive(Clone)]
pub(crate) struct Lane(Sender<Message>);

impl Lane {
    /// Announces work to the lane. Never blocks.
    pub(crate) fn announce(&self, work: &Arc<dyn Work>) {
        if work.schedule().announce() {
            self.queue(Arc::clone(work));
        }
    }

    fn queue(&self, work: Arc<dyn Work>) {
        // Each work is queued at most once and there are at most MAX_ROUTES, so this cannot fail while the lane lives.
        let _ = self.0.try_send(Message::Run(work));
    }

    /// What each of the lane's threads does.
    fn work(&self, queue: &Receiver<Message>) {
        while let Ok(Message::Run(work)) = queue.recv() {
            work.schedule().start();
            let more = work.run();
            if work.schedule().finish(more) {
                self.queue(work);
            }
        }
    }
}

/// All lanes and their threads.
pub(crate) struct Lanes {
    lanes: Vec<(String, Lane)>,
    threads: Mutex<Vec<(Lane, JoinHandle<()>)>>,
}

impl Lanes {
    pub(crate) fn start(options: &[LaneOptions]) -> std::io::Result<Self> {
        let (mut lanes, mut threads) = (Vec::new(), Vec::new());
        for option in options {
            let (sender, queue) = bounded(MAX_ROUTES + option.threads);
            let lane = Lane(sender);
            for i in 0..option.threads {
                let (lane, queue, name) = (
                    lane.clone(),
                    queue.clone(),
                    format!("lane-{}-{i}", option.name),
                );
                let worker = lane.clone();
                threads.push((
                    lane,
                    std::thread::Builder::new()
                        .name(name)
                        .spawn(move || worker.work(&queue))?,
                ));
            }
            lanes.push((option.name.clone(), lane));
        }
        Ok(Self {
            lanes,
            threads: Mutex::new(threads),
        })
    }

    /// The lane of that name, else the last one.
    pub(crate) fn get(&self, name: &str) -> Lane {
        let named = self.lanes.iter().find(|(lane, _)| lane == name);
        named
            .or(self.lanes.last())
            .expect("the configuration has at least one lane")
            .1
            .clone()
    }

    /// Ends the threads after what is queued.
    pub(crate) fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for (lane, _) in &threads {
            let _ = lane.0.send(Message::Stop);
        }
        for (_, thread) in threads {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::unbounded;
    use std::sync::atomic::AtomicUsize;

    struct Counter {
        schedule: Schedule,
        left: AtomicUsize,
        inside: AtomicUsize,
        done: Sender<()>,
    }

    impl Work for Counter {
        fn run(&self) -> bool {
            assert_eq!(
                self.inside.fetch_add(1, Ordering::SeqCst),
                0,
                "two threads in one work"
            );
            let left = self.left.load(Ordering::SeqCst);
            if left > 0 {
                self.left.fetch_sub(1, Ordering::SeqCst);
                self.done.send(()).unwrap();
            }
            self.inside.fetch_sub(1, Ordering::SeqCst);
            left > 1
        }
        fn schedule(&self) -> &Schedule {
            &self.schedule
        }
    }

    #[test]
    fn nothing_announced_is_lost_and_no_work_runs_twice_at_once() {
        let lanes = Lanes::start(&[LaneOptions {
            name: "a".into(),
            threads: 3,
        }])
        .unwrap();
        let (done, finished) = unbounded();
        let counter = Arc::new(Counter {
            schedule: Schedule::default(),
            left: 0.into(),
            inside: 0.into(),
            done,
        });
        let work: Arc<dyn Work> = counter.clone();
        let lane = lanes.get("a");
        for _ in 0..10_000 {
            counter.left.fetch_add(1, Ordering::SeqCst);
            lane.announce(&work);
        }
        for _ in 0..10_000 {
            finished
                .recv_timeout(std::time::Duration::from_secs(20))
                .expect("an announcement was lost");
        }
        lanes.stop();
    }
}
