//! The one message of all benchmarks: `sensor_msgs/msg/Image`, with its number in `height` and the time of sending in `header.stamp`.

/// The type.
pub(crate) const TYPE: &str = "sensor_msgs/msg/Image";

/// The definition, for a broker without ROS.
pub(crate) const DEFINITION: &str = "std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
";

/// Where the fields lie in the CDR bytes of an image with an empty `frame_id`.
const STAMP: usize = 4;
const FRAME_ID: usize = 12;
const NUMBER: usize = 20;
/// Up to the first byte of the data.
pub(crate) const PROLOGUE: usize = 48;
const ENCODING: &[u8; 6] = b"mono8\0";

/// Which message, and when it was sent (CLOCK_REALTIME, nanoseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) number: u32,
    pub(crate) stamp_ns: i64,
}

/// Seconds and nanoseconds, as ROS has them.
pub(crate) fn split(ns: i64) -> (i32, u32) {
    (
        i32::try_from(ns.div_euclid(1_000_000_000)).unwrap_or(i32::MAX),
        u32::try_from(ns.rem_euclid(1_000_000_000)).unwrap_or(0),
    )
}

/// Everything before the data, of an image whose data has `len` bytes.
pub(crate) fn prologue(mark: Mark, len: usize) -> [u8; PROLOGUE] {
    let mut cdr = [0; PROLOGUE];
    let mut put = |at: usize, bytes: &[u8]| cdr[at..at + bytes.len()].copy_from_slice(bytes);
    let (sec, nanosec) = split(mark.stamp_ns);
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    put(0, &[0, 1, 0, 0]);
    put(STAMP, &sec.to_le_bytes());
    put(STAMP + 4, &nanosec.to_le_bytes());
    put(FRAME_ID, &1_u32.to_le_bytes());
    put(NUMBER, &mark.number.to_le_bytes());
    put(NUMBER + 4, &len.to_le_bytes()); // width
    put(NUMBER + 8, &(ENCODING.len() as u32).to_le_bytes());
    put(NUMBER + 12, ENCODING);
    // is_bigendian, and padding, then:
    put(PROLOGUE - 8, &len.to_le_bytes()); // step
    put(PROLOGUE - 4, &len.to_le_bytes());
    cdr
}

/// A whole image.
pub(crate) fn encode(mark: Mark, data: &[u8]) -> Vec<u8> {
    let mut cdr = prologue(mark, data.len()).to_vec();
    cdr.extend_from_slice(data);
    cdr
}

/// Reads number and stamp of an image with an empty `frame_id`; `None` for anything else.
pub(crate) fn mark(cdr: &[u8]) -> Option<Mark> {
    let word = |at: usize| {
        cdr.get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes)
    };
    if word(FRAME_ID)? != 1 || cdr[1] != 1 {
        return None;
    }
    let seconds = i64::from(word(STAMP)?);
    Some(Mark {
        number: word(NUMBER)?,
        stamp_ns: seconds * 1_000_000_000 + i64::from(word(STAMP + 4)?),
    })
}

#[cfg(test)]
mod tests {
    use iceway_msg::{Schema, validate};

    use super::*;

    #[test]
    fn an_image_is_one_and_carries_its_mark() {
        let schema = Schema::parse(&TYPE.parse().unwrap(), DEFINITION).unwrap();
        let mark_in = Mark {
            number: 77,
            stamp_ns: 1_700_000_000_123_456_789,
        };
        for len in [1, 64, 1000] {
            let cdr = encode(mark_in, &vec![9; len]);
            validate(&schema, &cdr).unwrap();
            assert_eq!(mark(&cdr), Some(mark_in));
        }
    }
}
