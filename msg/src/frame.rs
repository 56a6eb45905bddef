//! The header in front of every message in shared memory.
//!
//! A frame is this header (the channel's user header) and a payload; the message's CDR bytes lie in the
//! payload at [`FrameHeader::cdr_offset`]. Both processes map the same bytes, so the layout is asserted
//! at compile time, and a change of it is a change of [`FRAME_VERSION`].
//!
//! `bytemuck`'s derive writes the `unsafe impl`s; it proves their conditions at compile time.
#![allow(unsafe_code)]

use bytemuck::{Pod, Zeroable};

/// Version of [`FrameHeader`]; frames of another version are not read.
pub const FRAME_VERSION: u16 = 1;

/// Bytes of the CDR encapsulation header, which precedes the body.
pub const ENCAPSULATION_LEN: usize = 4;

/// Alignment that the writer gives the largest array of a message, where its offset is known.
pub const ARRAY_ALIGNMENT: usize = 64;

/// Bits of [`FrameHeader::flags`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameFlags(pub u16);

impl FrameFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// A retained frame of a latched topic, sent again for the receiver named by [`FrameHeader::target`], or for
    /// all that have not had it.
    pub const RETAINED: Self = Self(1);

    /// True if every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of bits.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a receiver knows about a frame before it looks at the message. Zero means "unknown" in every
/// field that may be so.
#[repr(C)]
#[repr(align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct FrameHeader {
    /// [`FRAME_VERSION`] of the writer.
    pub version: u16,
    /// Bits of [`FrameFlags`].
    pub flags: u16,
    /// Where the encapsulation header starts in the payload; the body, 4 bytes on, is aligned for the type.
    pub cdr_offset: u32,
    /// Encapsulation header (4 bytes) plus body, in bytes.
    pub cdr_len: u64,
    /// Per writer port, from 0; one more for each frame sent **or dropped** by the writer.
    pub seq: u64,
    /// Participant id of the writer.
    pub origin: u64,
    /// With [`FrameFlags::RETAINED`]: id of the only receiver, or [`FrameHeader::TO_ALL`].
    pub target: u64,
    /// Frames of this route lost before shared memory so far: middleware gaps and drops at the broker.
    pub lost_before: u64,
    /// RIHS01 value of the type.
    pub type_hash: [u8; 32],
    /// Gid of the ROS publisher, zero-padded; all zero for AI writers.
    pub gid: [u8; 24],
    /// When the ROS publisher sent it: `CLOCK_REALTIME`, nanoseconds, as the middleware gives it.
    pub source_ns: i64,
    /// When the middleware received it: `CLOCK_REALTIME`, nanoseconds.
    pub received_ns: i64,
    /// When the broker took it: `CLOCK_REALTIME`, nanoseconds.
    pub taken_ns: i64,
    /// The same moment on `CLOCK_MONOTONIC`, nanoseconds.
    pub taken_mono_ns: i64,
    /// When it was sent into shared memory: `CLOCK_MONOTONIC`, nanoseconds.
    pub sent_ns: i64,
    /// `source_ns` of the input that this message was computed from.
    pub cause_ns: i64,
    /// The middleware's publication sequence number.
    pub publication_seq: u64,
    /// Frames that the writer port has dropped so far, which used up a `seq` each: so a receiver tells them from what its own queue lost.
    pub writer_drops: u64,
    /// Zero; room for later versions.
    pub reserved: [u64; 3],
}

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(size_of::<FrameHeader>() == 192);
    assert!(align_of::<FrameHeader>() == 64);
    assert!(offset_of!(FrameHeader, flags) == 2);
    assert!(offset_of!(FrameHeader, cdr_offset) == 4);
    assert!(offset_of!(FrameHeader, cdr_len) == 8);
    assert!(offset_of!(FrameHeader, seq) == 16);
    assert!(offset_of!(FrameHeader, origin) == 24);
    assert!(offset_of!(FrameHeader, target) == 32);
    assert!(offset_of!(FrameHeader, lost_before) == 40);
    assert!(offset_of!(FrameHeader, type_hash) == 48);
    assert!(offset_of!(FrameHeader, gid) == 80);
    assert!(offset_of!(FrameHeader, source_ns) == 104);
    assert!(offset_of!(FrameHeader, received_ns) == 112);
    assert!(offset_of!(FrameHeader, taken_ns) == 120);
    assert!(offset_of!(FrameHeader, taken_mono_ns) == 128);
    assert!(offset_of!(FrameHeader, sent_ns) == 136);
    assert!(offset_of!(FrameHeader, cause_ns) == 144);
    assert!(offset_of!(FrameHeader, publication_seq) == 152);
    assert!(offset_of!(FrameHeader, writer_drops) == 160);
    assert!(offset_of!(FrameHeader, reserved) == 168);
};

/// A copy of a [`FrameHeader`] for private memory. It needs no cache line of its own, so whatever keeps one is allocated like anything else:
/// memory of a larger alignment takes malloc several times as long.
#[derive(Clone, Copy, Debug)]
pub struct HeaderCopy([u64; 24]);

impl From<FrameHeader> for HeaderCopy {
    fn from(header: FrameHeader) -> Self {
        Self(bytemuck::cast(header))
    }
}

impl Default for HeaderCopy {
    fn default() -> Self {
        FrameHeader::default().into()
    }
}

impl HeaderCopy {
    /// The header.
    #[must_use]
    pub fn get(&self) -> FrameHeader {
        bytemuck::cast(self.0)
    }
}

impl Default for FrameHeader {
    /// All zero but the version.
    fn default() -> Self {
        Self {
            version: FRAME_VERSION,
            ..Self::zeroed()
        }
    }
}

impl FrameHeader {
    /// [`FrameHeader::target`] of a retained frame for all receivers that have not had it.
    pub const TO_ALL: u64 = 0;

    /// The flags as a set.
    #[must_use]
    pub const fn flags(&self) -> FrameFlags {
        FrameFlags(self.flags)
    }

    /// Where the CDR bytes lie in a payload of `payload_len` bytes: `None` unless the header is of this
    /// version, the range is inside the payload and the body is at least 4-aligned. A header comes from
    /// another process, so this is asked before the payload is touched.
    #[must_use]
    pub fn cdr_range(&self, payload_len: usize) -> Option<std::ops::Range<usize>> {
        let start = usize::try_from(self.cdr_offset).ok()?;
        let len = usize::try_from(self.cdr_len).ok()?;
        let end = start.checked_add(len)?;
        let sound = self.version == FRAME_VERSION
            && start.is_multiple_of(4)
            && len >= ENCAPSULATION_LEN
            && end <= payload_len;
        sound.then_some(start..end)
    }
}

/// Where in a 64-aligned payload the CDR bytes shall start: the body is 8-aligned, and the array at
/// `array_offset` (counted from the encapsulation's first byte) starts on a 64-byte boundary if that is
/// possible.
///
/// It is possible for half of the offsets only (`array_offset ≡ 4 mod 8`); for the others use
/// [`cdr_offset_aligned`] with the type's own alignment, which is 4 for all image types.
///
/// ```
/// use iceway_msg::frame::cdr_offset_for;
/// assert_eq!(cdr_offset_for(None), 4);
/// assert_eq!((cdr_offset_for(Some(60)) + 60) % 64, 0);
/// assert!((0..500).all(|o| cdr_offset_for(Some(o)) % 8 == 4 && cdr_offset_for(Some(o)) < 68));
/// ```
#[must_use]
pub const fn cdr_offset_for(array_offset: Option<usize>) -> usize {
    cdr_offset_aligned(array_offset, 8)
}

/// The same for a body that needs only `body_alignment` (1, 2, 4 or 8: [`Layout::alignment`]). With 4 or
/// less the array reaches a 64-byte boundary for every offset that is a multiple of 4, as the data of all
/// arrays behind a length is. The body is never less than 4-aligned.
///
/// [`Layout::alignment`]: crate::Layout::alignment
#[must_use]
pub const fn cdr_offset_aligned(array_offset: Option<usize>, body_alignment: usize) -> usize {
    let alignment = if body_alignment > 4 { 8 } else { 4 };
    let first = alignment - 4; // the body lies 4 bytes on
    let Some(array) = array_offset else { return 4 };
    let offset = (ARRAY_ALIGNMENT - array % ARRAY_ALIGNMENT) % ARRAY_ALIGNMENT;
    if offset % alignment == first % alignment {
        offset
    } else {
        4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_place_the_array() {
        for array in 0..1000 {
            let offset = cdr_offset_for(Some(array));
            assert_eq!((offset + 4) % 8, 0);
            assert!(offset < 68);
            assert_eq!((offset + array).is_multiple_of(64), array % 8 == 4);
            let relaxed = cdr_offset_aligned(Some(array), 4);
            assert_eq!((relaxed + 4) % 4, 0);
            assert!(relaxed < 68);
            assert_eq!(
                (relaxed + array).is_multiple_of(64),
                array.is_multiple_of(4)
            );
        }
    }

    #[test]
    fn ranges_are_checked() {
        let header = FrameHeader {
            cdr_offset: 4,
            cdr_len: 100,
            ..FrameHeader::default()
        };
        assert_eq!(header.cdr_range(104), Some(4..104));
        assert_eq!(header.cdr_range(103), None);
        assert_eq!(
            FrameHeader {
                cdr_len: 3,
                ..header
            }
            .cdr_range(104),
            None
        );
        assert_eq!(
            FrameHeader {
                cdr_len: u64::MAX,
                ..header
            }
            .cdr_range(104),
            None
        );
        assert_eq!(
            FrameHeader {
                version: 0,
                ..header
            }
            .cdr_range(104),
            None
        );
        assert_eq!(
            FrameHeader {
                cdr_offset: 5,
                ..header
            }
            .cdr_range(1000),
            None
        );
    }
}
