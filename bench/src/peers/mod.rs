//! Children that are this executable itself: `iceway-bench peer NAME`, driven by [`crate::orders`] on stdin.

mod client;
mod inbox;
mod ring;
#[cfg(feature = "ros")]
mod source;
#[cfg(feature = "ros")]
mod take;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Peer {
    /// The native ROS publisher that feeds everyone (r2r).
    #[cfg(feature = "ros")]
    Source,
    /// A bare rcl subscriber that takes into private memory.
    #[cfg(feature = "ros")]
    NativeTake,
    /// iceway's client in Rust.
    IcewayRust,
    /// The reader of the raw shared-memory ring.
    Ring,
}

pub(crate) use ring::{RingWriter, name as ring_name};

pub(crate) fn run(peer: &Peer) -> anyhow::Result<()> {
    match peer {
        #[cfg(feature = "ros")]
        Peer::Source => source::run(),
        #[cfg(feature = "ros")]
        Peer::NativeTake => take::run(),
        Peer::IcewayRust => client::run(),
        Peer::Ring => ring::run(),
    }
}
