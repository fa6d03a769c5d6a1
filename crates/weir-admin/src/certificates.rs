//! Certificates of listeners, as JSON.

use serde_json::{Value, json};
use weir_core::ports::CertificateStatus;

/// One of them.
pub(crate) fn certificate(certificate: &CertificateStatus) -> Value {
    json!({
        "listener": certificate.listener,
        "file": certificate.file,
        "names": certificate.names,
        "issuer": certificate.issuer,
        "key": certificate.key,
        "sha256": certificate.fingerprint,
        "begins_seconds": certificate.begins_seconds,
        "expires_seconds": certificate.expires_seconds,
    })
}
