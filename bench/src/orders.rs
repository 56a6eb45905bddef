//! What the benchmark tells its child processes, one line of JSON each; the answer is a line too: `{"ok": …}` or `{"error": "…"}`.
//! The Python peers (`bench/peers/lines.py`) speak the same.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

/// An order; each kind of child knows some of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Make publishers.
    Advertise { topics: Vec<String> },
    /// Wait until a topic that was advertised has so many ROS subscriptions.
    AwaitSubscribers {
        topics: Vec<String>,
        count: usize,
        timeout_s: f64,
    },
    /// Publish `count` images on each topic, numbered from `first`; with `rate_hz` 0 as fast as it goes.
    Send {
        topics: Vec<String>,
        bytes: usize,
        first: u32,
        count: u32,
        rate_hz: f64,
    },
    /// The same on one topic, and time how long an image with the same number takes to come back on another.
    Ping {
        to: String,
        from: String,
        bytes: usize,
        first: u32,
        count: u32,
        rate_hz: f64,
    },
    /// Receive these topics from now on, and forget what was received before.
    Subscribe {
        topics: Vec<String>,
        depth: usize,
        /// Ask for messages in a loop rather than sleep until one comes.
        spin: bool,
    },
    /// End all subscriptions.
    Unsubscribe {},
    /// Forget the samples so far.
    Forget {},
    /// Wait for the image numbered `last` on the first topic; answer [`Collected`].
    Collect { last: u32, timeout_s: f64 },
    /// Send every image of one topic back on another.
    Echo { source: String, to: String },
    /// Publish images from here, as `how` says; answer [`Published`].
    Publish {
        topic: String,
        how: String,
        bytes: usize,
        first: u32,
        count: u32,
        rate_hz: f64,
    },
    /// Run the inference loop, with subscriptions to these topics (none: without).
    Infer { topics: Vec<String>, seconds: f64 },
}

/// What a receiver has seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Collected {
    /// Names of the parts of a sample's time.
    pub(crate) hops: Vec<String>,
    /// For each image: its number, when it was there (on one clock, whichever), the whole time, and the parts; nanoseconds.
    pub(crate) samples: Vec<Vec<i64>>,
    /// Images received, where samples are not kept of all.
    pub(crate) received: u64,
    /// What was lost on the way, by cause, as far as this peer can tell.
    pub(crate) dropped: std::collections::BTreeMap<String, u64>,
}

/// What a sender did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) sent: u64,
    pub(crate) seconds: f64,
}

/// Times of publishing in the caller.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Published {
    /// For each image: number and nanoseconds.
    pub(crate) times: Vec<(u32, i64)>,
}

/// What the inference loop did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Inferred {
    pub(crate) ticks: u64,
    pub(crate) seconds: f64,
    pub(crate) images: u64,
}

/// The child's side: answers orders until the parent closes the pipe.
pub(crate) fn serve(
    mut act: impl FnMut(Order) -> anyhow::Result<serde_json::Value>,
) -> anyhow::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)
            .map_err(Into::into)
            .and_then(&mut act)
        {
            Ok(value) => serde_json::json!({ "ok": value }),
            Err(error) => serde_json::json!({ "error": format!("{error:#}") }),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// For orders whose answer says nothing.
pub(crate) fn done() -> anyhow::Result<serde_json::Value> {
    Ok(serde_json::Value::Null)
}

/// For orders that this kind of child does not know.
pub(crate) fn unknown(order: &Order) -> anyhow::Result<serde_json::Value> {
    anyhow::bail!("this peer cannot do {order:?}")
}
