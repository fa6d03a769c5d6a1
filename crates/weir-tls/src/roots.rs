//! The authorities that are trusted: those of the system, and those of a file.

use std::path::Path;

use rustls::RootCertStore;

use crate::problem::Reason;
use crate::read;

/// The authorities of the system; `SSL_CERT_FILE` and `SSL_CERT_DIR` of the environment say otherwise. Empty where the system
/// has none, as in a small container. Reads files.
pub fn system() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

/// The authorities of a file; at least one.
///
/// # Errors
/// The file can't be read, or holds something that can't be an authority.
pub fn of_file(path: &Path) -> Result<RootCertStore, Reason> {
    let mut store = RootCertStore::empty();
    for (index, certificate) in read::certificates(path)?.into_iter().enumerate() {
        store.add(certificate).map_err(|_| Reason::NotACertificate(index + 1))?;
    }
    Ok(store)
}
