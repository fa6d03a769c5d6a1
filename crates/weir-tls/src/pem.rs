//! PEM: what is in a file, and when it is not what was asked for, what it is instead.
//!
//! Programs that make certificates leave files of many shapes. Each wrong one is named, because "no certificate found" sends
//! people to the wrong place.

use rustls::pki_types::pem::{Error, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::problem::{Found, Reason};

/// All certificates of a file, in its order; at least one.
///
/// # Errors
/// There is none, or the file is damaged.
pub fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, Reason> {
    let list = sections(bytes, |kind| kind == SectionKind::Certificate)?;
    if list.is_empty() {
        return Err(Reason::NoCertificate(found(bytes)));
    }
    Ok(list.into_iter().map(|(_, der)| CertificateDer::from(der)).collect())
}

/// The one private key of a file: PKCS#8, PKCS#1 or SEC1.
///
/// # Errors
/// There is none, there are several, it is encrypted, or the file is damaged.
pub fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, Reason> {
    // Of the older kind of encrypted key the label does not say so, and what follows is no base64.
    if labels(bytes).any(|label| label == "ENCRYPTED PRIVATE KEY")
        || has_line(bytes, "Proc-Type: 4,ENCRYPTED")
    {
        return Err(Reason::EncryptedKey);
    }
    let is_key = |kind| {
        matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
    };
    let mut list = sections(bytes, is_key)?;
    match list.len() {
        0 => Err(Reason::NoKey(found(bytes))),
        1 => {
            let (kind, der) = list.remove(0);
            PrivateKeyDer::from_pem(kind, der).ok_or(Reason::NoKey(Found::Nothing))
        }
        count => Err(Reason::SeveralKeys(count)),
    }
}

/// All revocation lists of a file; at least one.
///
/// # Errors
/// There is none, or the file is damaged.
pub fn revocation_lists(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, Reason> {
    let list = sections(bytes, |kind| kind == SectionKind::Crl)?;
    if list.is_empty() {
        return Err(Reason::NoRevocationList(found(bytes)));
    }
    Ok(list.into_iter().map(|(_, der)| CertificateRevocationListDer::from(der)).collect())
}

/// The sections of the wanted kinds.
fn sections(
    bytes: &[u8],
    wanted: impl Fn(SectionKind) -> bool,
) -> Result<Vec<(SectionKind, Vec<u8>)>, Reason> {
    let mut list = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        match section {
            Ok((kind, der)) if wanted(kind) => list.push((kind, der)),
            Ok(_) => {}
            Err(error) => return Err(Reason::Damaged(damage(&error))),
        }
    }
    Ok(list)
}

/// What is damaged. Never a piece of the file: it may be one of a key.
fn damage(error: &Error) -> &'static str {
    match error {
        Error::MissingSectionEnd { .. } => "a `-----BEGIN …` has no `-----END …`",
        Error::IllegalSectionStart { .. } => "a line that begins with `-----BEGIN` does not end with `-----`",
        Error::Base64Decode(_) => "what stands between `-----BEGIN …` and `-----END …` is not base64",
        _ => "it can't be read as PEM",
    }
}

/// What the file is, since it is not what was asked for.
fn found(bytes: &[u8]) -> Found {
    let has = |wanted: &str| labels(bytes).any(|label| label.ends_with(wanted));
    if bytes.trim_ascii().is_empty() {
        Found::Nothing
    } else if has("PRIVATE KEY") {
        Found::Key
    } else if has("PUBLIC KEY") {
        Found::PublicKey
    } else if has("CERTIFICATE REQUEST") {
        Found::Request
    } else if has("TRUSTED CERTIFICATE") {
        Found::Trusted
    } else if has("CERTIFICATE") {
        Found::Certificate
    } else if matches!(bytes, [0x30, length, ..] if *length >= 0x80) {
        // A sequence of ASN.1 that is longer than 127 bytes: DER of a certificate or a key, or PKCS#12.
        Found::Der
    } else {
        Found::Other
    }
}

/// The words between `-----BEGIN ` and `-----`.
fn labels(bytes: &[u8]) -> impl Iterator<Item = &str> {
    lines(bytes).filter_map(|line| {
        let label = line.strip_prefix(b"-----BEGIN ")?.trim_ascii_end().strip_suffix(b"-----")?;
        std::str::from_utf8(label).ok()
    })
}

fn has_line(bytes: &[u8], wanted: &str) -> bool {
    lines(bytes).any(|line| line.trim_ascii() == wanted.as_bytes())
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests;
