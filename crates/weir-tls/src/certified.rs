//! A chain of certificates with its key, ready to sign with.

use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::facts::Facts;
use crate::problem::Reason;
use crate::provider::provider;

/// A chain with its key.
#[derive(Debug, Clone)]
pub struct Certified {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// What the first certificate says of itself.
    pub facts: Facts,
}

impl Certified {
    /// The algorithm that the key signs with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.key.key.algorithm()
    }
}

/// Puts a chain and a key together.
///
/// # Errors
/// They don't belong together, or one of them can't be used. All reasons but [`Reason::Refused`] and
/// [`Reason::NotACertificate`] are about the key.
pub fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Certified, Reason> {
    let facts = chain.first().and_then(|leaf| Facts::of(leaf)).ok_or(Reason::NotACertificate(1))?;
    let key = provider().key_provider.load_private_key(key).map_err(|_| Reason::UnsupportedKey)?;
    let belongs = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key)).keys_match()
    };
    match chain.first().map(belongs) {
        Some(Ok(())) => {}
        Some(Err(rustls::Error::InconsistentKeys(_))) => {
            let other = chain.iter().position(|certificate| belongs(certificate).is_ok());
            return Err(Reason::OtherKey(other.map(|index| index + 1)));
        }
        Some(Err(error)) => return Err(Reason::Refused(error.to_string())),
        None => return Err(Reason::NotACertificate(1)),
    }
    Ok(Certified { key: Arc::new(CertifiedKey::new(chain, key)), facts })
}
