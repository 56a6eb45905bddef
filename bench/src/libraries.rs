//! Libraries of others that share the hop from one Python process into another with iceway, and what they leave out of it.
//!
//! They are no dependency of iceway: they live in an environment of their own, which `make bench-peers` makes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::keys::peer;
use crate::site::Program;

/// A library. Its sender is Python too, since it has no broker that writes for it: what calling it costs there is part of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    Dora,
    ZenohPython,
    Iceoryx2Python,
}

/// Imports modules and tells the versions of the packages that they come from; arguments are `module=package`.
const PROBE: &str = "import importlib, importlib.metadata, json, sys
found = {}
for module, package in (pair.split('=') for pair in sys.argv[1:]):
    importlib.import_module(module)
    found['peers_' + package] = importlib.metadata.version(package)
print(json.dumps(found))";

impl Library {
    pub(crate) const ALL: [Self; 3] = [Self::Dora, Self::ZenohPython, Self::Iceoryx2Python];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dora => peer::DORA,
            Self::ZenohPython => peer::ZENOH_PYTHON,
            Self::Iceoryx2Python => peer::ICEORYX2_PYTHON,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|library| library.name() == name)
    }

    pub(crate) fn program(self) -> Program {
        Program::PeersPython(match self {
            Self::Dora => "dora_peer.py",
            Self::ZenohPython => "zenoh_peer.py",
            Self::Iceoryx2Python => "iceoryx2_peer.py",
        })
    }

    /// What it does, and what it does not do that iceway does.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Dora => {
                "dora from a Python node to a Python node: the sender is Python too. Within its time, send_output copies the message (into shared \
                 memory from 4 KiB on); the array is a view. An Arrow array, not a ROS message. Its daemon is not in the CPU time."
            }
            Self::ZenohPython => {
                "zenoh's Python package over a Unix socket with shared memory: the sender is Python too. It writes into shared memory before its \
                 time begins; within its time, the wheel copies the message into the receiving process. Bytes, not a ROS message."
            }
            Self::Iceoryx2Python => {
                "iceoryx2's Python package with slices of bytes and an event: the sender is Python too. Nothing is copied within its time. Bytes, \
                 not a ROS message; whoever receives must keep the sample while the array is used, and is not told what was lost."
            }
        }
    }

    /// Modules, with the packages that they come from.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Dora => &["dora=dora-rs", "dora_cli=dora-rs-cli", "numpy=numpy"],
            Self::ZenohPython => &["zenoh=eclipse-zenoh", "numpy=numpy"],
            Self::Iceoryx2Python => &["iceoryx2=iceoryx2", "numpy=numpy"],
        }
    }

    /// Versions of its packages in this interpreter's environment, as `peers_PACKAGE`; an error that says what to do if one is missing.
    pub(crate) fn versions(self, python: &Path) -> anyhow::Result<BTreeMap<String, String>> {
        let file = python.display();
        anyhow::ensure!(
            python.exists(),
            "{file} is missing, a Python with the libraries beside iceway (--peers-python). `make bench-peers` makes it."
        );
        let output = Command::new(python)
            .args(["-c", PROBE])
            .args(self.needs())
            .output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            anyhow::bail!(
                "{file} cannot load its packages ({}). `make bench-peers` installs them.",
                errors.lines().last().unwrap_or("no reason given")
            );
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_is_missing_or_lacks_packages_is_said_with_what_to_do() {
        for (python, what) in [
            ("/nowhere/bin/python", "is missing"),
            ("/bin/false", "cannot load its packages"),
        ] {
            for library in Library::ALL {
                let error = library.versions(Path::new(python)).unwrap_err().to_string();
                assert!(error.starts_with(&format!("{python} {what}")), "{error}");
                assert!(error.contains("`make bench-peers`"), "{error}");
            }
        }
    }

    #[test]
    fn each_says_that_its_sender_is_python_and_what_it_leaves_out() {
        for library in Library::ALL {
            assert_eq!(Library::named(library.name()), Some(library));
            assert!(library.what().contains("the sender is Python too"));
            assert!(library.what().contains("not a ROS message"));
        }
        assert_eq!(Library::named(peer::RCLPY), None);
    }
}
