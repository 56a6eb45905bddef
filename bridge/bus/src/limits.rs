//! The sizes of everything, in one place.

use serde::{Deserialize, Serialize};

use crate::ack::MAX_ACK_PORTS;
use crate::error::BusError;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Limits of a channel and its ports. The broker's limits count: clients open what the broker created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Subscribers of one channel, over all processes.
    pub subscribers: usize,
    /// Publishers of one channel, over all processes (the broker has up to two).
    pub publishers: usize,
    /// Processes (participants) on one channel.
    pub nodes: usize,
    /// Frames that a subscriber can have queued per writer.
    pub buffer: usize,
    /// Frames that a subscriber can hold at the same time, per writer.
    pub borrowed: usize,
    /// The largest message of a channel whose type has no bound, in bytes.
    pub max_message_bytes: u64,
    /// Address space that one publisher port may take. It costs no memory until it is written.
    pub port_virtual_bytes: u64,
    /// What has to stay free in /dev/shm beyond the need of a loan or a port, in bytes.
    pub free_margin_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscribers: 32,
            publishers: 16,
            nodes: 64,
            buffer: 256,
            borrowed: 256,
            max_message_bytes: 64 * MIB,
            port_virtual_bytes: 64 * GIB,
            free_margin_bytes: 256 << 10,
        }
    }
}

impl Limits {
    /// Largest `max_message_bytes`: the frame header counts offsets in 32 bits, lengths beyond are not useful.
    pub const MAX_MESSAGE_BYTES: u64 = 16 * GIB;

    /// Checks that the limits make sense together.
    ///
    /// # Errors
    /// [`BusError::InvalidLimits`] names the option.
    pub fn check(&self) -> Result<(), BusError> {
        let range = |name: &'static str, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(BusError::InvalidLimits {
                    name,
                    value,
                    min,
                    max,
                })
            }
        };
        range("subscribers", self.subscribers as u64, 2, 1024)?;
        range(
            "publishers",
            self.publishers as u64,
            2,
            MAX_ACK_PORTS as u64,
        )?;
        range("nodes", self.nodes as u64, 2, 1024)?;
        range("buffer", self.buffer as u64, 1, 4096)?;
        range("borrowed", self.borrowed as u64, 2, 4096)?;
        range(
            "max_message_bytes",
            self.max_message_bytes,
            64,
            Self::MAX_MESSAGE_BYTES,
        )?;
        range("port_virtual_bytes", self.port_virtual_bytes, MIB, 1 << 45)?;
        range(
            "free_margin_bytes",
            self.free_margin_bytes,
            64 << 10,
            1 << 40,
        )
    }
}
