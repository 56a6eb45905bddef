//! Quality of service: what is offered, what is asked for, and whether the two fit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use r2r_rcl as rcl;

use crate::graph::Endpoint;

macro_rules! policy {
    ($(#[$doc:meta])* $name:ident, $rmw:ident { $($(#[$vdoc:meta])* $variant:ident = $constant:ident, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* /** The middleware does not tell, or its own default. */ Unknown }

        impl $name {
            pub(crate) fn from_rmw(value: rcl::$rmw) -> Self {
                match value { $(rcl::$rmw::$constant => Self::$variant,)* _ => Self::Unknown }
            }
            pub(crate) fn to_rmw(self) -> Option<rcl::$rmw> {
                match self { $(Self::$variant => Some(rcl::$rmw::$constant),)* Self::Unknown => None }
            }
        }

        impl FromStr for $name {
            type Err = UnknownPolicy;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownPolicy { text: text.to_owned(), known: &[$($word),*] }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word,)* Self::Unknown => "unknown" })
            }
        }
    };
}

/// A word that is no value of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is unknown here: expected {}", known.join(" or "))]
pub struct UnknownPolicy {
    text: String,
    known: &'static [&'static str],
}

policy! {
    /// Whether lost messages are sent again.
    Reliability, rmw_qos_reliability_policy_e {
        /// They are.
        Reliable = RMW_QOS_POLICY_RELIABILITY_RELIABLE, "reliable";
        /// They are not.
        BestEffort = RMW_QOS_POLICY_RELIABILITY_BEST_EFFORT, "best_effort";
    }
}
policy! {
    /// Whether late joiners get the last messages.
    Durability, rmw_qos_durability_policy_e {
        /// They do ("latched").
        TransientLocal = RMW_QOS_POLICY_DURABILITY_TRANSIENT_LOCAL, "transient_local";
        /// They do not.
        Volatile = RMW_QOS_POLICY_DURABILITY_VOLATILE, "volatile";
    }
}
policy! {
    /// How many messages the queues keep.
    History, rmw_qos_history_policy_e {
        /// The last `depth`.
        KeepLast = RMW_QOS_POLICY_HISTORY_KEEP_LAST, "keep_last";
        /// All.
        KeepAll = RMW_QOS_POLICY_HISTORY_KEEP_ALL, "keep_all";
    }
}
policy! {
    /// How a publisher shows that it lives.
    Liveliness, rmw_qos_liveliness_policy_e {
        /// By itself.
        Automatic = RMW_QOS_POLICY_LIVELINESS_AUTOMATIC, "automatic";
        /// By the application, for each topic.
        ManualByTopic = RMW_QOS_POLICY_LIVELINESS_MANUAL_BY_TOPIC, "manual_by_topic";
    }
}

/// A QoS profile. `None` durations are "no limit".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qos {
    /// Whether lost messages are sent again.
    pub reliability: Reliability,
    /// Whether late joiners get the last messages.
    pub durability: Durability,
    /// How the queue is bounded.
    pub history: History,
    /// The queue's length, with `keep_last`.
    pub depth: usize,
    /// The longest time between two messages.
    pub deadline: Option<Duration>,
    /// How long a message is worth delivering.
    pub lifespan: Option<Duration>,
    /// How a publisher shows that it lives.
    pub liveliness: Liveliness,
    /// Within which time it must.
    pub lease: Option<Duration>,
}

impl Default for Qos {
    /// ROS's default: reliable, volatile, the last 10.
    fn default() -> Self {
        Self {
            reliability: Reliability::Reliable,
            durability: Durability::Volatile,
            history: History::KeepLast,
            depth: 10,
            deadline: None,
            lifespan: None,
            liveliness: Liveliness::Automatic,
            lease: None,
        }
    }
}

impl Qos {
    /// What a subscription must ask for to hear every one of these publishers, with the strongest guarantees that all of them give:
    /// reliable or transient_local only if all are, and a deadline (the longest one) only if all have one. Without publishers: the weakest, which
    /// hears whoever comes.
    #[must_use]
    pub fn for_subscription(publishers: &[Endpoint]) -> Self {
        let all = |holds: fn(&Self) -> bool| {
            !publishers.is_empty() && publishers.iter().all(|p| holds(&p.qos))
        };
        let mut qos = Self::default();
        if !all(|q| q.reliability == Reliability::Reliable) {
            qos.reliability = Reliability::BestEffort;
        }
        if all(|q| q.durability == Durability::TransientLocal) {
            qos.durability = Durability::TransientLocal;
        }
        if all(|q| q.deadline.is_some()) {
            // Rounded up: on the wire times are rounded, and a request that is stricter by a nanosecond is incompatible.
            let longest = publishers.iter().filter_map(|p| p.qos.deadline).max();
            qos.deadline = longest.map(|d| Duration::from_millis(d.as_millis() as u64 + 1));
        }
        qos
    }

    /// What these publishers do not agree on, in words: a subscription that hears them all gets the least of it.
    #[must_use]
    pub fn disagreement(publishers: &[Endpoint]) -> Option<String> {
        let (first, rest) = publishers.split_first()?;
        let same = |p: &Endpoint| {
            p.qos.reliability == first.qos.reliability && p.qos.durability == first.qos.durability
        };
        if rest.iter().all(same) {
            return None;
        }
        let one =
            |p: &Endpoint| format!("{} is {}, {}", p.node, p.qos.reliability, p.qos.durability);
        Some(publishers.iter().map(one).collect::<Vec<_>>().join("; "))
    }

    /// Why a subscription with the profile `requested` does not hear a publisher with this one; `None` if it does.
    /// The rules are DDS's: a publisher must offer at least what is requested (OMG DDS 1.4, §2.2.3).
    #[must_use]
    pub fn refuses(&self, requested: &Self) -> Option<String> {
        let mut reasons = Vec::new();
        if self.reliability == Reliability::BestEffort
            && requested.reliability == Reliability::Reliable
        {
            reasons.push("the publisher is best_effort, the subscription asks for reliable");
        }
        if self.durability == Durability::Volatile
            && requested.durability == Durability::TransientLocal
        {
            reasons.push("the publisher is volatile, the subscription asks for transient_local");
        }
        // No deadline or lease is the longest one.
        let longer = |offered: Option<Duration>, requested: Option<Duration>| {
            requested.is_some_and(|r| offered.is_none_or(|o| o > r))
        };
        if longer(self.deadline, requested.deadline) {
            reasons.push("the publisher's deadline is longer than the one asked for");
        }
        if self.liveliness == Liveliness::Automatic
            && requested.liveliness == Liveliness::ManualByTopic
        {
            reasons.push("the publisher's liveliness is automatic, the subscription asks for manual_by_topic");
        }
        if longer(self.lease, requested.lease) {
            reasons.push("the publisher's liveliness lease is longer than the one asked for");
        }
        (!reasons.is_empty()).then(|| {
            format!(
                "{} (offered: {self}; requested: {requested})",
                reasons.join("; ")
            )
        })
    }

    pub(crate) fn from_rmw(rmw: &rcl::rmw_qos_profile_t) -> Self {
        Self {
            reliability: Reliability::from_rmw(rmw.reliability),
            durability: Durability::from_rmw(rmw.durability),
            history: History::from_rmw(rmw.history),
            depth: rmw.depth,
            deadline: duration(rmw.deadline),
            lifespan: duration(rmw.lifespan),
            liveliness: Liveliness::from_rmw(rmw.liveliness),
            lease: duration(rmw.liveliness_lease_duration),
        }
    }

    /// This profile on top of rcl's default one; what is unknown keeps the default.
    pub(crate) fn to_rmw(&self, mut rmw: rcl::rmw_qos_profile_t) -> rcl::rmw_qos_profile_t {
        rmw.reliability = self.reliability.to_rmw().unwrap_or(rmw.reliability);
        rmw.durability = self.durability.to_rmw().unwrap_or(rmw.durability);
        rmw.history = self.history.to_rmw().unwrap_or(rmw.history);
        rmw.liveliness = self.liveliness.to_rmw().unwrap_or(rmw.liveliness);
        rmw.depth = self.depth;
        rmw.deadline = time(self.deadline);
        rmw.lifespan = time(self.lifespan);
        rmw.liveliness_lease_duration = time(self.lease);
        rmw
    }
}

impl fmt::Display for Qos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}",
            self.reliability, self.durability, self.history
        )?;
        if self.history == History::KeepLast && self.depth > 0 {
            write!(f, " {}", self.depth)?;
        }
        for (name, value) in [
            ("deadline", self.deadline),
            ("lifespan", self.lifespan),
            ("lease", self.lease),
        ] {
            if let Some(value) = value {
                write!(f, ", {name} {value:?}")?;
            }
        }
        Ok(())
    }
}

/// rmw's zero is "default" and its largest value "infinite": no limit, both.
fn duration(time: rcl::rmw_time_s) -> Option<Duration> {
    const NEVER_SECONDS: u64 = 0x7fff_ffff;
    let none = (time.sec == 0 && time.nsec == 0) || time.sec >= NEVER_SECONDS;
    (!none).then(|| Duration::from_secs(time.sec).saturating_add(Duration::from_nanos(time.nsec)))
}

fn time(duration: Option<Duration>) -> rcl::rmw_time_s {
    let duration = duration.unwrap_or_default();
    rcl::rmw_time_s {
        sec: duration.as_secs(),
        nsec: u64::from(duration.subsec_nanos()),
    }
}
