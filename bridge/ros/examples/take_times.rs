//! How long a take lasts, on both paths, side by side: messages of one size from another process, taken into memory that was touched before.
//!
//! `dev/ros cargo run --release -p iceway-ros --example take_times -- [BYTES] [MESSAGES]`
//!
//! For large messages set `FASTRTPS_DEFAULT_PROFILES_FILE` to a profile whose shared-memory segment holds them.

use std::mem::MaybeUninit;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use iceway_ros::{
    Context, Publisher, Qos, RosError, Subscription, SubscriptionOptions, TakePath, TakeSink,
    Taken, TypeSupport, single_copy_take_works,
};

const TOPIC: &str = "/take_times";
const RATE_HZ: f64 = 30.0;
/// Not counted: connections are fresh, caches cold.
const WARM_UP: usize = 10;

/// Memory as a loan gives it: there, and touched.
struct Memory(Vec<MaybeUninit<u8>>);

impl TakeSink for Memory {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.0.get_mut(..len)
    }
}

struct Path {
    path: TakePath,
    subscription: Subscription,
    arrived: Receiver<usize>,
    takes_us: Vec<f64>,
    ages_us: Vec<f64>,
}

impl Path {
    fn new(
        context: &Arc<Context>,
        support: &Arc<TypeSupport>,
        path: TakePath,
    ) -> Result<Self, RosError> {
        let (sender, arrived) = channel();
        let on_message = Box::new(move |count| {
            let _ = sender.send(count);
        });
        let options = SubscriptionOptions {
            on_message,
            take_path: Some(path),
            ignore_local: false,
        };
        let subscription = Subscription::new(context, TOPIC, support, &Qos::default(), options)?;
        Ok(Self {
            path,
            subscription,
            arrived,
            takes_us: Vec::new(),
            ages_us: Vec::new(),
        })
    }

    /// Takes one message. False: none came.
    fn take(&mut self, memory: &mut Memory) -> Result<bool, RosError> {
        match self.arrived.recv_timeout(Duration::from_secs(10)) {
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(false),
        }
        let start = Instant::now();
        let taken = self.subscription.take(memory)?;
        let took = start.elapsed();
        if let Taken::Message { info, .. } = taken {
            self.takes_us.push(took.as_secs_f64() * 1e6);
            self.ages_us.push((now_ns() - info.source_ns) as f64 / 1e3);
        }
        Ok(true)
    }

    fn report(&self) {
        let [take, age] = [&self.takes_us, &self.ages_us].map(|all| {
            let mut counted = all[WARM_UP.min(all.len())..].to_vec();
            counted.sort_by(f64::total_cmp);
            let at = |part: f64| {
                counted
                    .get((counted.len() as f64 * part) as usize)
                    .copied()
                    .unwrap_or(f64::NAN)
            };
            format!(
                "p50 {:8.1}  p90 {:8.1}  p99 {:8.1}",
                at(0.5),
                at(0.9),
                at(0.99)
            )
        });
        println!(
            "{:<11} take  {take}   published to taken  {age}  µs",
            format!("{:?}", self.path)
        );
    }
}

fn now_ns() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Ends the publishing process.
struct Source(Child);

impl Drop for Source {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn publish(bytes: usize) -> Result<(), Box<dyn std::error::Error>> {
    let context = Context::new(&[], "take_times_source", "")?;
    let support = TypeSupport::load(&"std_msgs/msg/UInt8MultiArray".parse()?)?;
    let publisher = Publisher::new(&context, TOPIC, &support, &Qos::default())?;
    // An empty layout (no dimensions, offset 0), then the data.
    let mut message = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend(u32::try_from(bytes)?.to_le_bytes());
    message.resize(message.len() + bytes, 0x5a);
    loop {
        if publisher.subscriptions() > 0 {
            publisher.publish(&message)?;
        }
        std::thread::sleep(Duration::from_secs_f64(1.0 / RATE_HZ));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|a| a == "--publish").is_some() {
        return publish(args.next().ok_or("bytes")?.parse()?);
    }
    let bytes: usize = args.next().map_or(Ok(1920 * 1080 * 3), |a| a.parse())?;
    let messages: usize = args.next().map_or(Ok(200), |a| a.parse())?;
    let context = Context::new(&[], "take_times", "")?;
    println!(
        "{}: single-copy take works: {}",
        context.middleware(),
        single_copy_take_works(&context)
    );
    let support = TypeSupport::load(&"std_msgs/msg/UInt8MultiArray".parse()?)?;
    let source = Command::new(std::env::current_exe()?)
        .args(["--publish", &bytes.to_string()])
        .spawn()?;
    let _source = Source(source);
    let mut memory = Memory(vec![MaybeUninit::new(0); bytes + 4096]);
    for path in [TakePath::Serialized, TakePath::SingleCopy] {
        // One after the other: two subscriptions would share the machine's caches.
        let mut path = Path::new(&context, &support, path)?;
        while path.takes_us.len() < messages + WARM_UP {
            if !path.take(&mut memory)? {
                return Err("no message came for ten seconds".into());
            }
        }
        path.report();
    }
    Ok(())
}
