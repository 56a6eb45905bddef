//! Whether the single-copy take works here: tried with real messages at start-up, before anything relies on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use crate::context::Context;
use crate::error::RosError;
use crate::fastdds;
use crate::publisher::Publisher;
use crate::qos::Qos;
use crate::subscription::{Subscription, SubscriptionOptions};
use crate::take::{MessageInfo, TakePath, Taken};
use crate::type_support::TypeSupport;

/// Whether the test passed; until it has run, the portable path is taken.
static WORKS: AtomicBool = AtomicBool::new(false);

/// The test is given up after this long.
const PATIENCE: Duration = Duration::from_secs(3);

/// `bool successful; string reason`: rcl itself depends on its package, so it is there wherever ROS is.
const TYPE: &str = "rcl_interfaces/msg/SetParametersResult";

/// The way to take that is used where nobody asks for another.
pub(crate) fn best_path() -> TakePath {
    if WORKS.load(Ordering::Acquire) {
        TakePath::SingleCopy
    } else {
        TakePath::Serialized
    }
}

/// Tries the single-copy take with real messages through the middleware, and uses it from now on if what it gives is exactly what the
/// portable take gives. Call it once, before subscriptions are made. Takes some milliseconds.
pub fn single_copy_take_works(context: &Arc<Context>) -> bool {
    let works = match fastdds::present(context)
        .and_then(|()| compare(context).map_err(|e| e.to_string())?)
    {
        Ok(()) => true,
        Err(reason) => {
            tracing::debug!(
                middleware = context.middleware(),
                reason,
                "the single-copy take is not used"
            );
            false
        }
    };
    WORKS.store(works, Ordering::Release);
    works
}

/// Sends messages of several lengths to this process, takes them both ways, and compares.
fn compare(context: &Arc<Context>) -> Result<Result<(), String>, RosError> {
    let end = Instant::now() + PATIENCE;
    let type_support = TypeSupport::load(&TYPE.parse().expect("a valid name"))?;
    // Process ids repeat between containers.
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let topic = format!("/_iceway/self_test_{}_{now}", std::process::id());
    let direct = Listener::new(context, &topic, &type_support, TakePath::SingleCopy)?;
    let portable = Listener::new(context, &topic, &type_support, TakePath::Serialized)?;
    let publisher = Publisher::new(context, &topic, &type_support, &Qos::default())?;
    while publisher.subscriptions() < 2
        || direct.subscription.publishers() == 0
        || portable.subscription.publishers() == 0
    {
        if Instant::now() > end {
            return Ok(Err(
                "the test's publisher and subscriptions did not find each other".into(),
            ));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for text_len in [0, 1, 2, 3, 1000, 100_000] {
        let sent = message(text_len);
        publisher.publish(&sent)?;
        let (Some(direct), Some(portable)) =
            (direct.next(&mut one, end)?, portable.next(&mut other, end)?)
        else {
            return Ok(Err(format!(
                "a message of {} bytes did not arrive",
                sent.len()
            )));
        };
        let (Taken::Message { info, .. }, Taken::Message { info: expected, .. }) =
            (&direct, &portable)
        else {
            return Ok(Err(format!("the take ended as {direct:?}")));
        };
        if one != other || !one.starts_with(&sent) {
            return Ok(Err(format!(
                "a message of {} bytes came out differently",
                sent.len()
            )));
        }
        // Each subscription has its own time of reception.
        if *info
            != (MessageInfo {
                received_ns: info.received_ns,
                ..*expected
            })
            || info.gid != publisher.gid()
        {
            return Ok(Err(format!(
                "a message has {info:?}, and {expected:?} through the portable take"
            )));
        }
    }
    Ok(Ok(()))
}

fn message(text_len: u32) -> Vec<u8> {
    let mut cdr = vec![0, 1, 0, 0, 1, 0, 0, 0];
    cdr.extend((text_len + 1).to_le_bytes());
    cdr.extend((0..text_len).map(|i| b'a' + (i % 26) as u8));
    cdr.push(0);
    cdr
}

struct Listener {
    subscription: Subscription,
    arrived: Receiver<()>,
}

impl Listener {
    fn new(
        context: &Arc<Context>,
        topic: &str,
        type_support: &Arc<TypeSupport>,
        path: TakePath,
    ) -> Result<Self, RosError> {
        let (sender, arrived) = channel();
        let options = SubscriptionOptions {
            on_message: Box::new(move |_| {
                let _ = sender.send(());
            }),
            take_path: Some(path),
            ignore_local: false,
        };
        Ok(Self {
            subscription: Subscription::new(
                context,
                topic,
                type_support,
                &Qos::default(),
                options,
            )?,
            arrived,
        })
    }

    /// The next message, if it comes in time.
    fn next(&self, buffer: &mut Vec<u8>, end: Instant) -> Result<Option<Taken>, RosError> {
        loop {
            match self.subscription.take_into(buffer)? {
                Taken::Empty => {}
                taken => return Ok(Some(taken)),
            }
            let left = end.saturating_duration_since(Instant::now());
            if let Err(RecvTimeoutError::Timeout) = self.arrived.recv_timeout(left) {
                return Ok(None);
            }
        }
    }
}
