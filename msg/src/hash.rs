//! RIHS01 type hashes (ROS REP 2011).

use std::fmt;
use std::str::FromStr;

/// The hash by which ROS tells types apart: SHA-256 over a canonical description of the type and all its
/// dependencies. Displayed as `RIHS01_<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TypeHash(pub [u8; 32]);

/// Text that is no RIHS01 hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no type hash: expected RIHS01_ and 64 hexadecimal digits")]
pub struct ParseTypeHashError(pub String);

impl TypeHash {
    /// What a type of unknown hash has: all zero.
    pub const UNKNOWN: Self = Self([0; 32]);

    /// True for [`TypeHash::UNKNOWN`].
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::UNKNOWN
    }
}

impl fmt::Display for TypeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RIHS01_")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TypeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TypeHash {
    type Err = ParseTypeHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseTypeHashError(text.chars().take(100).collect());
        let digits = text.strip_prefix("RIHS01_").ok_or_else(error)?.as_bytes();
        if digits.len() != 64 {
            return Err(error());
        }
        let nibble = |byte: u8| (byte as char).to_digit(16).ok_or_else(error);
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (nibble(pair[0])? * 16 + nibble(pair[1])?) as u8;
        }
        Ok(Self(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let text = "RIHS01_9737679d04950fecab59b9e82ec2bf285f58446ce8e48d287e13b8a9f19f0823";
        assert_eq!(text.parse::<TypeHash>().unwrap().to_string(), text);
        for bad in [
            "",
            "RIHS01_",
            "RIHS02_00",
            &text[..70],
            &text.replace('9', "g"),
            &format!("{text}0"),
        ] {
            assert!(bad.parse::<TypeHash>().is_err(), "{bad}");
        }
    }
}
