//! What a listener says about itself to each client: one certificate of several, chosen by what the client's first message
//! asks for.
//!
//! Each certificate has a configuration of rustls of its own, so that choosing is a look into a map before the handshake
//! begins and no lookup during it, and so that the connection knows afterwards which certificate it was.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{
    CipherSuite, Error, ServerConfig, SignatureAlgorithm, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use crate::facts::Facts;
use crate::names::parent;
use crate::provider::provider;

/// Every scheme that a key of ours may sign with.
const SCHEMES: [SignatureScheme; 10] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// One certificate, ready to be served.
#[derive(Debug)]
pub struct Choice {
    /// What rustls is told for a connection with this certificate.
    pub config: Arc<ServerConfig>,
    /// What the certificate says of itself.
    pub certificate: Facts,
    schemes: Vec<SignatureScheme>,
    algorithm: SignatureAlgorithm,
}

impl Choice {
    /// Whether the certificate speaks for this host, as the normal form of a request has it: lower case, without port.
    /// A request for a host that it does not speak for is misdirected (RFC 9110 §15.5.20).
    pub fn covers(&self, host: &[u8]) -> bool {
        self.certificate.names.covers(host)
    }

    /// Whether a client that says this of itself can verify signatures of this key.
    fn suits(&self, hello: &ClientHello<'_>) -> bool {
        let offered = hello.signature_schemes();
        self.schemes.iter().any(|scheme| offered.contains(scheme)) && self.has_suite(hello.cipher_suites())
    }

    /// Whether one of the offered suites goes with the key: those of TLS 1.2 name the kind of key.
    fn has_suite(&self, offered: &[CipherSuite]) -> bool {
        provider().cipher_suites.iter().any(|suite| {
            offered.contains(&suite.suite())
                && match suite {
                    SupportedCipherSuite::Tls13(_) => true,
                    SupportedCipherSuite::Tls12(_) => suite.usable_for_signature_algorithm(self.algorithm),
                }
        })
    }
}

/// What a listener serves. Immutable; changed files make a new one.
#[derive(Debug)]
pub struct ServerTls {
    /// At least one; the first is the default.
    choices: Vec<Choice>,
    exact: HashMap<Box<str>, Vec<usize>>,
    below: HashMap<Box<str>, Vec<usize>>,
}

impl ServerTls {
    /// Makes one of certificates with their keys; the first is the default. `None` without any.
    ///
    /// # Errors
    /// rustls can't use one of them.
    pub fn new(certificates: Vec<CertifiedKey>) -> Result<Option<Self>, Error> {
        let ticketer = Ticketer::new()?;
        let mut choices = Vec::new();
        for certificate in certificates {
            choices.push(choice(certificate, &ticketer)?);
        }
        Ok((!choices.is_empty()).then(|| Self::of(choices)))
    }

    fn of(choices: Vec<Choice>) -> Self {
        let mut exact: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        let mut below: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (index, choice) in choices.iter().enumerate() {
            for name in choice.certificate.names.exact() {
                exact.entry(name.into()).or_default().push(index);
            }
            for name in choice.certificate.names.below() {
                below.entry(name.into()).or_default().push(index);
            }
        }
        // Signatures of ECDSA cost a tenth of those of RSA; sorting is stable, so the order of the file decides the rest.
        for list in exact.values_mut().chain(below.values_mut()) {
            list.sort_by_key(|index| rank(choices[*index].algorithm));
        }
        Self { choices, exact, below }
    }

    /// The certificate for a client that says this of itself.
    pub fn choose(&self, hello: &ClientHello<'_>) -> &Choice {
        self.choose_by(hello.server_name(), |choice| choice.suits(hello))
    }

    /// The certificate for a name and for clients that can use it: of those with this very name the first that suits, then
    /// of those with a wildcard for it. Without a certificate for the name, or without a name, the first that suits at all.
    /// When none suits the handshake will fail, and it fails with the right name.
    pub fn choose_by(&self, name: Option<&str>, suits: impl Fn(&Choice) -> bool) -> &Choice {
        let exact = name.and_then(|name| self.exact.get(name));
        let below = name.and_then(parent).and_then(|parent| self.below.get(parent));
        let mut named = exact.into_iter().chain(below).flatten().map(|index| &self.choices[*index]);
        let Some(first) = named.next() else {
            return self.choices.iter().find(|choice| suits(choice)).unwrap_or(&self.choices[0]);
        };
        std::iter::once(first).chain(named).find(|choice| suits(choice)).unwrap_or(first)
    }

    /// All of them; the first is the default.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }
}

fn rank(algorithm: SignatureAlgorithm) -> u8 {
    match algorithm {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::ED25519 => 1,
        _ => 2,
    }
}

fn choice(certificate: CertifiedKey, ticketer: &Arc<dyn ProducesTickets>) -> Result<Choice, Error> {
    let leaf = certificate.end_entity_cert()?;
    let facts = Facts::of(leaf).ok_or(Error::InvalidCertificate(rustls::CertificateError::BadEncoding))?;
    let key: Arc<dyn SigningKey> = Arc::clone(&certificate.key);
    let versions: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = Arc::clone(ticketer);
    // Tickets do it without memory and without a lock that all workers share.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Choice {
        config: Arc::new(config),
        certificate: facts,
        schemes: SCHEMES.into_iter().filter(|scheme| key.choose_scheme(&[*scheme]).is_some()).collect(),
        algorithm: key.algorithm(),
    })
}
