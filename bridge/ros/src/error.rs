//! Errors of ROS, with what rcl said.

/// What can go wrong with ROS.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RosError {
    /// A call failed; `code` is rcl's, `message` its words.
    #[error("{call} failed ({code}): {message}")]
    Call {
        /// The function.
        call: &'static str,
        /// What it returned.
        code: i32,
        /// What rcl has to say.
        message: String,
    },
    /// No ROS environment.
    #[error(
        "no ROS 2 environment: AMENT_PREFIX_PATH is not set. Source your ROS 2 (source /opt/ros/<distro>/setup.bash), or start this through dev/ros"
    )]
    NotSourced,
    /// The type's package is not there.
    #[error("the package {package} of {type_name} is not installed here: {library} is in none of {searched}. Install it (apt install ros-<distro>-{}), or source the workspace that has it", package.replace('_', "-"))]
    UnknownPackage {
        /// The type asked for.
        type_name: String,
        /// Its package.
        package: String,
        /// The library looked for.
        library: String,
        /// AMENT_PREFIX_PATH.
        searched: String,
    },
    /// The package has no such type.
    #[error(
        "there is no type {type_name}: the package {package} is installed, but has no such {kind}. Check the spelling"
    )]
    UnknownType {
        /// The type asked for.
        type_name: String,
        /// Its package.
        package: String,
        /// msg, srv or action.
        kind: &'static str,
    },
    /// A library could not be loaded.
    #[error("cannot load {library}: {message}")]
    Library {
        /// The file.
        library: String,
        /// What the loader said.
        message: String,
    },
    /// Bytes that are no serialized message.
    #[error("{len} bytes are no serialized message: the encapsulation header alone has 4")]
    TooShort {
        /// How many there are.
        len: usize,
    },
    /// Text with a NUL byte.
    #[error("{0:?} has a NUL byte in it")]
    Nul(String),
    /// The type support tells no definition.
    #[error("{type_name}'s type support has no definition in it, and none is in share/{package}")]
    NoDefinition {
        /// The type asked for.
        type_name: String,
        /// Its package.
        package: String,
    },
}
