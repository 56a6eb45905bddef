//! The names that `results.json` uses for benchmarks, peers, transports, figures and processes.
//!
//! The measuring subcommands write these and the report, `compare` and the lines of DESIGN §8 read them; both take them from here.
//! A key that a measurement needs and that is not here is still shown by the report, under its own name.

/// `Measurement::benchmark`.
pub(crate) mod benchmark {
    /// ROS publisher → receiver, one way. Peers: `iceway-python`, `iceway-rust`, `rclpy`, `native-take`.
    pub(crate) const LATENCY: &str = "latency";
    /// ROS → Python → ROS, until the native publisher has its own message back. Peers: `iceway-python`, `rclpy`.
    pub(crate) const ROUND_TRIP: &str = "round_trip";
    /// Shared memory alone, transport `none`. Peers: `iceway-python`, `iceway-rust`, `shared-memory`, `memcpy`, and where they are asked for
    /// `iceway-python:pair`, `dora`, `zenoh-python`, `iceoryx2-python`.
    pub(crate) const HOP: &str = "hop";
    /// Time in the caller for one message out of Python. Peers: `iceway-python:loan`, `iceway-python:copy`,
    /// `rclpy:array.array`; transport is the one that the ROS processes have.
    pub(crate) const PUBLISH: &str = "publish";
    /// As fast as it goes: [`figure::MESSAGES_PER_S`](super::figure::MESSAGES_PER_S).
    pub(crate) const THROUGHPUT: &str = "throughput";
    /// An inference loop beside subscriptions: [`figure::TICKS_PER_S`](super::figure::TICKS_PER_S). Peer `none` is the process of
    /// `iceway-python` unsubscribed, `none:rclpy` that of `rclpy`.
    pub(crate) const INTERFERENCE: &str = "interference";
    /// Many topics at a rate (`topics`, `rate_hz`): [`figure::CPU_SHARE`](super::figure::CPU_SHARE) and the processes' CPU time.
    pub(crate) const SCALE: &str = "scale";
    /// A long run at load: the processes' resident memory at its beginning and end.
    pub(crate) const SOAK: &str = "soak";
}

/// `Measurement::peer`. Variants follow a colon: the part before it decides the colour and the caption.
pub(crate) mod peer {
    /// The Python client, until the ndarray is in hand.
    pub(crate) const ICEWAY_PYTHON: &str = "iceway-python";
    /// `hop`: the same, and sent from Python too, as the other libraries are.
    pub(crate) const ICEWAY_PYTHON_PAIR: &str = "iceway-python:pair";
    /// `publish`: filled in place through `pub.loan(…)`.
    pub(crate) const ICEWAY_PYTHON_LOAN: &str = "iceway-python:loan";
    /// `publish`: `pub.publish(data=array)`, one copy.
    pub(crate) const ICEWAY_PYTHON_COPY: &str = "iceway-python:copy";
    /// The bus crate from Rust: no Python, no view.
    pub(crate) const ICEWAY_RUST: &str = "iceway-rust";
    /// The same node written the usual ROS way.
    pub(crate) const RCLPY: &str = "rclpy";
    /// `publish`: an rclpy publisher whose message holds an `array.array`.
    pub(crate) const RCLPY_ARRAY: &str = "rclpy:array.array";
    /// A bare rcl subscriber that takes into private memory.
    pub(crate) const NATIVE_TAKE: &str = "native-take";
    /// A seqlock ring in raw shared memory; its reader spins.
    pub(crate) const SHARED_MEMORY: &str = "shared-memory";
    /// Copying the same bytes once, warm.
    pub(crate) const MEMCPY: &str = "memcpy";
    /// `hop`: dora, from a Python node to a Python node.
    pub(crate) const DORA: &str = "dora";
    /// `hop`: zenoh's Python package with shared memory, from Python to Python.
    pub(crate) const ZENOH_PYTHON: &str = "zenoh-python";
    /// `hop`: iceoryx2's own Python package, from Python to Python.
    pub(crate) const ICEORYX2_PYTHON: &str = "iceoryx2-python";
    /// `interference`: the loop alone.
    pub(crate) const NONE: &str = "none";
    /// `interference`: the same in the rclpy node's process, which has an interpreter and a NumPy of its own.
    pub(crate) const NONE_RCLPY: &str = "none:rclpy";
}

/// `Measurement::transport`.
pub(crate) mod transport {
    /// The middleware as it is installed.
    pub(crate) const DEFAULT: &str = "default";
    /// The ROS processes run with the Fast DDS profile `config/fastdds_shm.xml`.
    pub(crate) const SHM: &str = "shm";
    /// No middleware on the way.
    pub(crate) const NONE: &str = "none";
}

/// Keys of `Measurement::figures`.
pub(crate) mod figure {
    /// Turns of the inference loop per second.
    pub(crate) const TICKS_PER_S: &str = "ticks_per_s";
    /// Messages received per second.
    pub(crate) const MESSAGES_PER_S: &str = "messages_per_s";
    /// CPU seconds per second of the process that stands for the peer: the broker for iceway, the receiver for others.
    pub(crate) const CPU_SHARE: &str = "cpu_share";
    /// Growth of all shared memory of the bus, over a soak.
    pub(crate) const SHM_GROWTH_BYTES: &str = "shm_growth_bytes";
}

/// `Process::name`.
pub(crate) mod process {
    /// The native publisher that feeds all peers; in `hop` the Python process in which a library sends.
    pub(crate) const PUBLISHER: &str = "publisher";
    /// `iceway run`.
    pub(crate) const BROKER: &str = "broker";
    /// The peer's own process.
    pub(crate) const RECEIVER: &str = "receiver";
}

/// `Measurement::bytes` that the lines of DESIGN §8 ask for.
pub(crate) mod bytes {
    /// The small end of the hop.
    pub(crate) const TINY: u64 = 64;
    /// A typical state message.
    pub(crate) const SMALL: u64 = 256;
    /// 1080p rgb8.
    pub(crate) const IMAGE: u64 = 1920 * 1080 * 3;
    /// 2160p rgb8.
    pub(crate) const IMAGE_4K: u64 = 3840 * 2160 * 3;
}

/// What `scale` runs for DESIGN §8: topics.
pub(crate) const SCALE_TOPICS: u32 = 100;
/// What `scale` runs for DESIGN §8: messages per second of each topic.
pub(crate) const SCALE_RATE_HZ: f64 = 50.0;
