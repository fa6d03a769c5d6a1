//! Reading the files of certificates and keys.
//!
//! Only what is a file, and only as much as such files have: a configuration may name a device or a pipe by mistake, and a
//! proxy that waits for one while it starts or looks for changes has no way to say so.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::pem;
use crate::problem::Reason;

/// Bytes of a file. All authorities of a system together are a quarter of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The certificates of a file, in its order; at least one.
///
/// # Errors
/// It can't be read or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Reason> {
    pem::certificates(&bytes(path)?)
}

/// The one private key of a file.
///
/// # Errors
/// It can't be read, or does not hold exactly one that is not encrypted.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Reason> {
    pem::key(&bytes(path)?)
}

/// The revocation lists of a file; at least one.
///
/// # Errors
/// It can't be read or holds none.
pub fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Reason> {
    pem::revocation_lists(&bytes(path)?)
}

/// The content of a small file.
///
/// # Errors
/// It can't be read, is no file, or is larger than 1 MiB.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Reason> {
    let unreadable = |error: std::io::Error| Reason::Unreadable(error.to_string());
    // Asked before opening: opening a pipe waits for its other end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Reason::NotAFile);
    }
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(unreadable)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Reason::TooLarge);
    }
    Ok(bytes)
}
