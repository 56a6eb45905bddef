//! The handshake.

use super::PROTOCOL;
use super::messages::{ErrorBody, ErrorCode, Hello};

/// Whether a client with these versions can work with this broker.
///
/// # Errors
/// `version_mismatch`, with both versions in words.
pub fn check_hello(hello: &Hello) -> Result<(), ErrorBody> {
    let same = hello.protocol == PROTOCOL && hello.iceoryx2 == crate::ICEORYX2_VERSION;
    if same {
        return Ok(());
    }
    let message = format!(
        "the client is iceway {} (protocol {}, iceoryx2 {}), the broker is iceway {} (protocol {PROTOCOL}, iceoryx2 {}): install the same version on both sides",
        hello.version,
        hello.protocol,
        hello.iceoryx2,
        crate::VERSION,
        crate::ICEORYX2_VERSION,
    );
    Err(ErrorBody {
        broker_version: Some(crate::VERSION.to_owned()),
        ..ErrorBody::new(ErrorCode::VersionMismatch, message)
    })
}
