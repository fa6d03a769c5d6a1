//! Certificates that tests make on the spot, and the files that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Whoever signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in PEM.
    pub pem: String,
    /// The certificates between it and the root, its own first, in PEM; empty for a root.
    chain: String,
}

/// A certificate with its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate alone.
    pub pem: String,
    /// The certificate, and those that signed it without the root.
    pub chain: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A root of this name.
    ///
    /// # Panics
    /// When there is no randomness.
    pub fn new(name: &str) -> Self {
        let (params, key) = (authority(name), key());
        let pem = params.self_signed(&key).expect("a certificate can be made").pem();
        Self { issuer: Issuer::new(params, key), pem, chain: String::new() }
    }

    /// An authority that this one has signed.
    ///
    /// # Panics
    /// When there is no randomness.
    pub fn below(&self, name: &str) -> Self {
        self.below_with(name, |_| {})
    }

    /// The same with a change.
    ///
    /// # Panics
    /// When there is no randomness.
    pub fn below_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (authority(name), key());
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).expect("a certificate can be made").pem();
        let chain = format!("{pem}{}", self.chain);
        Self { issuer: Issuer::new(params, key), pem, chain }
    }

    /// A certificate for these names and addresses, valid from 1975 to 4096.
    ///
    /// # Panics
    /// When one of them can't be a name.
    pub fn issue(&self, names: &[&str]) -> Certificate {
        self.issue_with(names, |_| {})
    }

    /// The same with a change.
    ///
    /// # Panics
    /// When one of the names can't be one.
    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let (mut params, key) = (named("server", names), key());
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).expect("a certificate can be made").pem();
        Certificate { chain: format!("{pem}{}", self.chain), pem, key: key.serialize_pem() }
    }
}

impl Certificate {
    /// One that has signed itself.
    ///
    /// # Panics
    /// When one of the names can't be one.
    pub fn self_signed(names: &[&str]) -> Self {
        let (params, key) = (named("server", names), key());
        let pem = params.self_signed(&key).expect("a certificate can be made").pem();
        Self { chain: pem.clone(), pem, key: key.serialize_pem() }
    }

    /// The same without the certificates that signed it.
    pub fn without_chain(self) -> Self {
        Self { chain: self.pem.clone(), ..self }
    }

    /// A server that shows it, with every version of TLS that rustls has.
    ///
    /// # Panics
    /// When rustls does not take it.
    pub fn server(&self) -> ServerConfig {
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = config.expect("the provider has suites").with_no_client_auth();
        config
            .with_single_cert(self.certificates(), self.private_key())
            .expect("rustls takes the certificate")
    }

    /// The same, with TLS 1.2 alone.
    ///
    /// # Panics
    /// When rustls does not take it.
    pub fn server_with_tls_1_2(&self) -> ServerConfig {
        let versions = [&rustls::version::TLS12];
        let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&versions);
        let config = config.expect("the provider has suites").with_no_client_auth();
        config
            .with_single_cert(self.certificates(), self.private_key())
            .expect("rustls takes the certificate")
    }

    /// A server that wants certificates of this authority.
    ///
    /// # Panics
    /// When rustls does not take it.
    pub fn server_demanding(&self, authority: &Authority) -> ServerConfig {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots(&[&authority.pem]), provider()).build();
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        config
            .expect("the provider has suites")
            .with_client_cert_verifier(verifier.expect("there is an authority"))
            .with_single_cert(self.certificates(), self.private_key())
            .expect("rustls takes the certificate")
    }

    fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let certificates = CertificateDer::pem_slice_iter(self.chain.as_bytes());
        certificates.map(|certificate| certificate.expect("it is PEM")).collect()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("it is PEM")
    }
}

/// A client that believes certificates of this authority, or this very one if it is self-signed.
///
/// # Panics
/// When it is no certificate.
pub fn client(pem: &str) -> ClientConfig {
    client_with(pem, rustls::ALL_VERSIONS, None)
}

/// The same with a certificate of its own.
///
/// # Panics
/// When one of them is no certificate.
pub fn client_showing(pem: &str, own: &Certificate) -> ClientConfig {
    client_with(pem, rustls::ALL_VERSIONS, Some(own))
}

/// The same with these versions of TLS alone, and perhaps with a certificate of its own.
///
/// # Panics
/// When one of them is no certificate.
pub fn client_with(
    pem: &str,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Certificate>,
) -> ClientConfig {
    let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions);
    let config = config.expect("the provider has suites").with_root_certificates(roots(&[pem]));
    match own {
        None => config.with_no_client_auth(),
        Some(own) => config
            .with_client_auth_cert(own.certificates(), own.private_key())
            .expect("rustls takes the certificate"),
    }
}

/// Files with unique names; gone at the end of the test.
#[derive(Debug)]
pub struct Files(PathBuf);

impl Files {
    /// None yet.
    ///
    /// # Panics
    /// When the system has no place for files.
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("weir-files-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory of our own can be made");
        Self(directory)
    }

    /// Writes a file and says where it is.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a file of our own can be written");
        path.display().to_string()
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left over is small and lies where such things lie.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn roots(list: &[&str]) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for pem in list {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("it is PEM");
        roots.add(certificate).expect("it can be a root");
    }
    Arc::new(roots)
}

fn key() -> KeyPair {
    KeyPair::generate().expect("there is randomness")
}

fn named(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("names of a test are names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}
