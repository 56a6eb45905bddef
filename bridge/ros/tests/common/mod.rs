//! What the tests share: a ROS domain of this process's own, pairs of publisher and subscription, and ways to await things.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::fs::File;
use std::mem::MaybeUninit;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use iceway_ros::{
    Context, Publisher, Qos, Subscription, SubscriptionOptions, TakePath, TakeSink, Taken,
    TypeSupport, single_copy_take_works,
};

/// How long what must happen may take; never how long anything does take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PATHS: [TakePath; 2] = [TakePath::Serialized, TakePath::SingleCopy];

/// A domain that no other test process uses: whoever holds the lock file has it.
pub(crate) fn domain() -> u32 {
    static LOCKED: OnceLock<(u32, File)> = OnceLock::new();
    let (domain, _) = LOCKED.get_or_init(|| {
        let lock = |domain: u32| {
            let path = std::env::temp_dir().join(format!("iceway-test-domain-{domain}.lock"));
            let file = File::options().create(true).append(true).open(path).ok()?;
            file.try_lock().ok()?;
            Some((domain, file))
        };
        // Those that ROS allows above the ports that Linux gives out by itself; few people use them.
        (215..=232).find_map(lock).expect("a domain that is free")
    });
    *domain
}

/// A context in this process's domain.
pub(crate) fn new_context(args: &[&str], name: &str, namespace: &str) -> Arc<Context> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    Context::in_domain(&args, name, namespace, Some(domain())).expect("the ROS environment")
}

/// One context for all tests that run in this process at one time; the single-copy take is tested with it. It ends with the last of them:
/// what a process leaves to its end, Fast DDS leaves in /dev/shm.
pub(crate) fn context() -> Arc<Context> {
    static CONTEXT: Mutex<Weak<Context>> = Mutex::new(Weak::new());
    let mut shared = CONTEXT.lock().unwrap();
    if let Some(context) = shared.upgrade() {
        return context;
    }
    let context = new_context(&[], "iceway_test", "");
    let fast_dds = context.middleware() == "rmw_fastrtps_cpp";
    assert_eq!(single_copy_take_works(&context), fast_dds);
    *shared = Arc::downgrade(&context);
    context
}

pub(crate) fn support(name: &str) -> Arc<TypeSupport> {
    TypeSupport::load(&name.parse().unwrap()).unwrap()
}

/// Awaits a condition that has no event of its own.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Gives a buffer, and remembers what was asked.
#[derive(Default)]
pub(crate) struct Buffer {
    memory: Vec<MaybeUninit<u8>>,
    pub(crate) asked: Vec<usize>,
    pub(crate) refuse: bool,
}

impl Buffer {
    pub(crate) fn refusing() -> Self {
        Self {
            refuse: true,
            ..Self::default()
        }
    }

    /// What it holds; bytes that were not written are 0xee.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        // SAFETY: all of it was initialised by `loan`, and only bytes were written over that.
        #[allow(unsafe_code)]
        self.memory
            .iter()
            .map(|byte| unsafe { byte.assume_init() })
            .collect()
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.memory.as_ptr().cast()
    }
}

impl TakeSink for Buffer {
    fn loan(&mut self, len: usize) -> Option<&mut [MaybeUninit<u8>]> {
        self.asked.push(len);
        self.memory = vec![MaybeUninit::new(0xee); len];
        if self.refuse {
            None
        } else {
            Some(&mut self.memory)
        }
    }
}

/// A subscription, and the calls of its callback.
pub(crate) struct Listener {
    pub(crate) subscription: Subscription,
    pub(crate) arrived: Receiver<usize>,
}

impl Listener {
    pub(crate) fn new(
        context: &Arc<Context>,
        topic: &str,
        type_name: &str,
        qos: &Qos,
        take_path: Option<TakePath>,
        ignore_local: bool,
    ) -> Self {
        let (sender, arrived) = channel();
        let on_message = Box::new(move |count| {
            let _ = sender.send(count);
        });
        let options = SubscriptionOptions {
            on_message,
            take_path,
            ignore_local,
        };
        let subscription =
            Subscription::new(context, topic, &support(type_name), qos, options).unwrap();
        Self {
            subscription,
            arrived,
        }
    }

    /// The next message that is not the middleware's own business, awaited by the callback.
    pub(crate) fn take(&self, buffer: &mut Buffer) -> Taken {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.subscription.take(buffer).unwrap() {
                Taken::Empty => {}
                taken => return taken,
            }
            let left = end.saturating_duration_since(Instant::now());
            self.arrived.recv_timeout(left).expect("no message arrived");
        }
    }

    /// The same, as bytes.
    pub(crate) fn next(&self) -> Vec<u8> {
        let mut buffer = Buffer::default();
        match self.take(&mut buffer) {
            Taken::Message { .. } => buffer.bytes(),
            other => panic!("{other:?}"),
        }
    }
}

/// A publisher and a subscription that have found each other.
pub(crate) struct Pair {
    pub(crate) publisher: Publisher,
    pub(crate) listener: Listener,
}

impl Pair {
    pub(crate) fn new(topic: &str, type_name: &str, path: TakePath, qos: &Qos) -> Self {
        let context = context();
        let listener = Listener::new(&context, topic, type_name, qos, Some(path), false);
        let publisher = Publisher::new(&context, topic, &support(type_name), qos).unwrap();
        until("they have found each other", || {
            publisher.subscriptions() > 0 && listener.subscription.publishers() > 0
        });
        Self {
            publisher,
            listener,
        }
    }
}

/// A std_msgs/msg/String.
pub(crate) fn string(text: &[u8]) -> Vec<u8> {
    let mut cdr = vec![0, 1, 0, 0];
    cdr.extend(u32::try_from(text.len() + 1).unwrap().to_le_bytes());
    cdr.extend(text);
    cdr.push(0);
    cdr
}

/// A rclpy program in this process's domain. It must end when its input does, which happens when this is dropped.
pub(crate) struct Peer(Child);

impl Peer {
    pub(crate) fn start(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new("python3");
        command
            .args(["-c", program])
            .args(args)
            .env("ROS_DOMAIN_ID", domain().to_string());
        Self(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("python3"),
        )
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        use std::io::Read;
        let mut line = Vec::new();
        let mut byte = [0];
        let out = self.0.stdout.as_mut().unwrap();
        while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }
}

impl Peer {
    /// Gives it a line.
    pub(crate) fn say(&mut self, line: &str) {
        use std::io::Write;
        let stdin = self.0.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let end = Instant::now() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
