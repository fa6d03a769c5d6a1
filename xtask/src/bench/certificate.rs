//! The certificate that every peer serves: self-made, ECDSA on P-256, for the name `localhost`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::CertificateDer;

/// The name in it, and the one that clients ask for.
pub(crate) const NAME: &str = "localhost";

/// Makes one and writes `certificate.pem`, `key.pem`, and `both.pem` for those who want it in one file.
///
/// # Errors
/// When the files cannot be written.
pub(crate) fn make(directory: &Path) -> Result<CertificateDer<'static>> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?;
    let (public, secret) = (certificate.pem(), key.serialize_pem());
    write(directory, "certificate.pem", &public)?;
    write(directory, "key.pem", &secret)?;
    write(directory, "both.pem", &format!("{public}{secret}"))?;
    Ok(certificate.der().clone())
}

/// Nobody else may read a key, and some servers insist on that.
fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let file = directory.join(name);
    let _none_yet = fs::remove_file(&file);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write `{}`", file.display()))
}
