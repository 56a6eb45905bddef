//! Names of ROS interfaces.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Which sort of file an interface comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InterfaceKind {
    /// A message: `.msg`.
    Msg,
    /// A service (`.srv`), or a message that is part of one (`Name_Request`, …).
    Srv,
    /// An action (`.action`), or a service or message that is part of one (`Name_SendGoal_Request`, …).
    Action,
}

impl InterfaceKind {
    /// The middle part of a type name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Msg => "msg",
            Self::Srv => "srv",
            Self::Action => "action",
        }
    }
}

/// The name of a ROS interface: `pkg/msg/Name`. Cheap to clone.
///
/// `pkg/Name` is read as `pkg/msg/Name`. Parts of services and actions have names of their own:
/// `pkg/srv/Name_Request`, `pkg/action/Name_SendGoal_Response`.
///
/// ```
/// use iceway_msg::TypeName;
/// let name: TypeName = "sensor_msgs/Image".parse()?;
/// assert_eq!(name.to_string(), "sensor_msgs/msg/Image");
/// # Ok::<(), iceway_msg::ParseTypeNameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeName {
    text: Arc<str>,
}

/// Text that is no type name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no ROS type name: {reason} (expected `pkg/msg/Name`, `pkg/srv/Name` or `pkg/action/Name`)"
)]
pub struct ParseTypeNameError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// An IDL identifier: a letter, then letters, digits and underscores.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl TypeName {
    /// From its three parts.
    pub fn new(pkg: &str, kind: InterfaceKind, name: &str) -> Result<Self, ParseTypeNameError> {
        let error = |reason| ParseTypeNameError {
            text: format!("{pkg}/{}/{name}", kind.as_str())
                .chars()
                .take(200)
                .collect(),
            reason,
        };
        if pkg.len() + name.len() > 512 {
            return Err(error("it is longer than 512 characters"));
        }
        if !is_identifier(pkg) {
            return Err(error("the package is no identifier"));
        }
        if !is_identifier(name) {
            return Err(error("the name is no identifier"));
        }
        Ok(Self {
            text: format!("{pkg}/{}/{name}", kind.as_str()).into(),
        })
    }

    /// The full name, `pkg/msg/Name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn part(&self, index: usize) -> &str {
        self.text.split('/').nth(index).unwrap_or_default()
    }

    /// The package.
    #[must_use]
    pub fn pkg(&self) -> &str {
        self.part(0)
    }

    /// Message, service or action.
    #[must_use]
    pub fn kind(&self) -> InterfaceKind {
        match self.part(1) {
            "srv" => InterfaceKind::Srv,
            "action" => InterfaceKind::Action,
            _ => InterfaceKind::Msg,
        }
    }

    /// The name without package and kind.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part(2)
    }

    /// The interface whose file defines this type: `pkg/srv/Name` for `pkg/srv/Name_Request`, itself for
    /// anything that is not part of a service or action.
    #[must_use]
    pub fn interface(&self) -> Self {
        match self.kind() {
            InterfaceKind::Msg => self.clone(),
            kind => {
                let name = self.name();
                let base = name.split('_').next().unwrap_or(name);
                Self {
                    text: format!("{}/{}/{base}", self.pkg(), kind.as_str()).into(),
                }
            }
        }
    }

    /// The same name with `suffix` appended.
    pub(crate) fn with_suffix(&self, suffix: &str) -> Self {
        Self {
            text: format!("{}{suffix}", self.text).into(),
        }
    }
}

impl FromStr for TypeName {
    type Err = ParseTypeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| ParseTypeNameError {
            text: text.chars().take(200).collect(),
            reason,
        };
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let (pkg, kind, name) = match parts[..] {
            [pkg, name] => (pkg, InterfaceKind::Msg, name),
            [pkg, "msg", name] => (pkg, InterfaceKind::Msg, name),
            [pkg, "srv", name] => (pkg, InterfaceKind::Srv, name),
            [pkg, "action", name] => (pkg, InterfaceKind::Action, name),
            [_, _, _] => return Err(error("the middle part is not msg, srv or action")),
            _ => return Err(error("it does not have two or three parts")),
        };
        Self::new(pkg, kind, name)
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for TypeName {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let name: TypeName = "a_b/srv/Do_Request".parse().unwrap();
        assert_eq!(
            (name.pkg(), name.kind(), name.name()),
            ("a_b", InterfaceKind::Srv, "Do_Request")
        );
        assert_eq!(name.interface().as_str(), "a_b/srv/Do");
        assert_eq!("p/Q".parse::<TypeName>().unwrap().as_str(), "p/msg/Q");
        for bad in [
            "",
            "a",
            "a/b/c/d",
            "a/foo/C",
            "/msg/A",
            "a/msg/",
            "a b/msg/C",
            "a/msg/Ü",
            "1a/msg/C",
        ] {
            assert!(bad.parse::<TypeName>().is_err(), "{bad}");
        }
    }
}
