//! Certificates that tests make on the spot, with every mistake that one can make.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::certified::{self, Certified};

/// What a certificate with this common name and these alternative names is made of. Valid from 1975 to 4096.
pub(crate) fn named(name: &str, alternatives: &[&str]) -> CertificateParams {
    let alternatives: Vec<String> = alternatives.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(alternatives).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// The same with a change.
pub(crate) fn with(
    mut params: CertificateParams,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateParams {
    change(&mut params);
    params
}

/// The same for an authority.
pub(crate) fn authority(name: &str) -> CertificateParams {
    with(named(name, &[]), |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
}

/// Whoever signs certificates.
pub(crate) struct Signer {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    /// One that has signed itself.
    pub(crate) fn root(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// One that this one has signed.
    pub(crate) fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate of somebody who signs nothing.
    pub(crate) fn issue(&self, params: &CertificateParams) -> Issued {
        self.issue_for(params, &KeyPair::generate().unwrap())
    }

    /// The same for a key of one's own.
    pub(crate) fn issue_for(&self, params: &CertificateParams, key: &KeyPair) -> Issued {
        let chain = vec![params.signed_by(key, &self.issuer).unwrap().der().clone()];
        Issued { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
    }
}

/// A certificate, those above it, and its key.
pub(crate) struct Issued {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Issued {
    /// One that has signed itself.
    pub(crate) fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        Self { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
    }

    /// Sends these too.
    pub(crate) fn with(mut self, above: &[&Signer]) -> Self {
        self.chain.extend(above.iter().map(|signer| signer.certificate.clone()));
        self
    }

    /// As a configuration has it.
    pub(crate) fn certified(&self) -> Certified {
        certified::of(self.chain.clone(), self.key.clone_key()).unwrap()
    }

    /// The chain in PEM.
    pub(crate) fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }

    /// The key in PEM.
    pub(crate) fn key_pem(&self) -> String {
        pem("PRIVATE KEY", self.key.secret_der())
    }
}

/// A file that is gone at the end of a test.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// With this content.
    pub(crate) fn of(content: impl AsRef<[u8]>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("weir-tls-{}-{number}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    /// With these certificates in PEM.
    pub(crate) fn certificates(list: &[&CertificateDer<'_>]) -> Self {
        Self::of(list.iter().map(|der| pem("CERTIFICATE", der)).collect::<String>())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A test may have taken it away itself.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Just enough base64 for a certificate.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for piece in der.chunks(3) {
        let bits =
            piece.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize % 64] as char;
            text.push(if place <= piece.len() { letter } else { '=' });
        }
    }
    text + &format!("\n-----END {label}-----\n")
}
