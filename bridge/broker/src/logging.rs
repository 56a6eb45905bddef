//! The log: to stderr, and once ROS runs to /rosout too.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError, Weak};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::broker::Broker;

/// Whose ROS side the log goes to.
static ROSOUT: Mutex<Weak<Broker>> = Mutex::new(Weak::new());

/// Starts logging. ICEWAY_LOG sets the level, for example `debug` or `iceway_bus=trace,info`.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_env("ICEWAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let stderr = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(filter)
        .with(stderr)
        .with(Rosout)
        .init();
}

/// From now on the log also goes to /rosout, as long as the broker lives.
pub(crate) fn also_to_rosout(broker: Weak<Broker>) {
    *ROSOUT.lock().unwrap_or_else(PoisonError::into_inner) = broker;
}

struct Rosout;

impl<S: Subscriber> Layer<S> for Rosout {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::INFO {
            return;
        }
        let broker = ROSOUT
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .upgrade();
        if let Some(ros) = broker.as_ref().and_then(|b| b.ros.as_ref()) {
            let mut line = Line::default();
            event.record(&mut line);
            ros.log(*event.metadata().level(), &line.0);
        }
    }
}

/// An event in one line: the message, then `name=value`.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}
