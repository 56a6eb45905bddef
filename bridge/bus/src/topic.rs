//! Topic names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A fully qualified ROS topic name, such as `/camera/image_raw`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

/// Text that is no fully qualified topic name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no topic name: {reason}")]
pub struct TopicNameError {
    /// The text.
    pub name: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl TopicName {
    /// Longest name: what fits into the name of a shared-memory service.
    pub const MAX_LEN: usize = 220;

    /// Checks `name` by the rules of ROS for fully qualified names.
    ///
    /// # Errors
    /// Names the broken rule.
    pub fn new(name: &str) -> Result<Self, TopicNameError> {
        let error = |reason| {
            Err(TopicNameError {
                name: name.chars().take(300).collect(),
                reason,
            })
        };
        if name.len() > Self::MAX_LEN {
            return error("it is longer than 220 characters");
        }
        let Some(rest) = name.strip_prefix('/') else {
            return error("it has to start with `/`");
        };
        for token in rest.split('/') {
            let Some(first) = token.bytes().next() else {
                return error("it has an empty part (`//`, or a `/` at its end)");
            };
            if first.is_ascii_digit() {
                return error("a part of it starts with a digit");
            }
            if !token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_')
            {
                return error("only letters, digits, `_` and `/` are allowed");
            }
        }
        Ok(Self(name.into()))
    }

    /// The name, with its leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TopicName {
    type Err = TopicNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for TopicName {
    type Error = TopicNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<TopicName> for String {
    fn from(name: TopicName) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["/a", "/camera/image_raw", "/_hidden", "/a/_b1"] {
            assert_eq!(TopicName::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "", "a", "/", "/a/", "//a", "/a//b", "/1a", "/a/1", "/a-b", "/ä", "/a b", "/~",
        ] {
            assert!(TopicName::new(bad).is_err(), "{bad}");
        }
        assert!(TopicName::new(&format!("/{}", "x".repeat(220))).is_err());
    }
}
