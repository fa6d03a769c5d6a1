//! What a listener says of itself to each client: one certificate of several, chosen by what the client's first message
//! asks for.
//!
//! Each certificate has a configuration of rustls of its own, so that choosing is a look into a map before the handshake
//! begins and no lookup during it, and so that the connection knows afterwards which certificate it was.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CipherSuite, Error, ServerConfig, SignatureAlgorithm, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use crate::certified::Certified;
use crate::client::Checked;
use crate::facts::Facts;
use crate::names::parent;
use crate::provider::provider;
use crate::tickets::Tickets;

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

/// The protocols that a client may choose from (RFC 7301), the best first. A client that names others alone is refused by
/// rustls. `curl --http1.0` names the last one alone.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum MinVersion {
    /// TLS 1.2. Older versions are not built in (RFC 8996).
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
        match self {
            Self::Tls12 => &VERSIONS,
            Self::Tls13 => &VERSIONS[..1],
        }
    }
}

/// One certificate, ready to be served.
#[derive(Debug)]
pub struct Choice {
    /// What rustls is told for a connection with this certificate.
    pub config: Arc<ServerConfig>,
    /// What the certificate says of itself.
    pub certificate: Facts,
    /// Its file.
    pub file: PathBuf,
    schemes: Vec<SignatureScheme>,
    algorithm: SignatureAlgorithm,
}

impl Choice {
    /// Whether the certificate speaks for this host, as the normal form of a request has it: lower case, without port.
    /// A request for a host that it does not speak for is misdirected (RFC 9110 §15.5.20). Allocates nothing.
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
        self.config.crypto_provider().cipher_suites.iter().any(|suite| {
            offered.contains(&suite.suite())
                && match suite {
                    SupportedCipherSuite::Tls13(_) => true,
                    SupportedCipherSuite::Tls12(_) => suite.usable_for_signature_algorithm(self.algorithm),
                }
        })
    }
}

/// What a listener is made of, checked.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The certificates with their files; the first is the default.
    pub(crate) certificates: Vec<(PathBuf, Certified)>,
    /// The oldest version.
    pub(crate) min_version: MinVersion,
    /// How clients are checked, and with what.
    pub(crate) clients: Option<(Arc<dyn ClientCertVerifier>, Checked)>,
}

/// What a listener serves. Immutable; changed files make a new one.
#[derive(Debug)]
pub struct ServerTls {
    /// At least one; the first is the default.
    choices: Vec<Arc<Choice>>,
    exact: HashMap<Box<str>, Vec<usize>>,
    below: HashMap<Box<str>, Vec<usize>>,
    tickets: Arc<Tickets>,
    checked: Option<Checked>,
}

impl ServerTls {
    /// Makes one of checked parts. Sessions that began under `previous` go on, unless clients are now checked with something
    /// else: a session holds the client's certificate, and resuming it asks nobody again.
    ///
    /// # Errors
    /// rustls refuses a part, or the system has no random numbers.
    pub(crate) fn new(parts: Parts, previous: Option<&Self>, now: SystemTime) -> Result<Self, Error> {
        let (verifier, checked) = parts.clients.unzip();
        let tickets = match previous.filter(|previous| previous.checked == checked) {
            Some(previous) => Arc::clone(&previous.tickets),
            None => Arc::new(Tickets::new(now)?),
        };
        let mut choices = Vec::new();
        for (file, certified) in parts.certificates {
            choices.push(Arc::new(choice(file, certified, parts.min_version, verifier.as_ref(), &tickets)?));
        }
        if choices.is_empty() {
            return Err(Error::NoCertificatesPresented);
        }
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
        Ok(Self { choices, exact, below, tickets, checked })
    }

    /// Whether clients see the same certificates, and are checked with the same.
    pub fn is_same(&self, other: &Self) -> bool {
        let prints = |tls: &Self| -> Vec<_> {
            tls.choices.iter().map(|choice| choice.certificate.fingerprint.to_string()).collect()
        };
        self.checked == other.checked && prints(self) == prints(other)
    }

    /// The certificate for a client that says this of itself.
    pub fn choose(&self, hello: &ClientHello<'_>) -> &Arc<Choice> {
        self.choose_by(hello.server_name().map(without_dot), |choice| choice.suits(hello))
    }

    /// The certificate for a client that asks for this name (lower case) and takes any kind of key.
    pub fn choose_name(&self, name: Option<&str>) -> &Arc<Choice> {
        self.choose_by(name, |_| true)
    }

    /// Those for this name (lower case), in the order in which they are tried: with this very name, then with a wildcard for
    /// it; of each ECDSA before RSA. None when no certificate has the name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Arc<Choice>> {
        let exact = self.exact.get(name).map_or(&[][..], Vec::as_slice);
        let below = parent(name).and_then(|parent| self.below.get(parent)).map_or(&[][..], Vec::as_slice);
        // One that has both the name and a wildcard for it comes once.
        let below = below.iter().filter(|index| !exact.contains(index));
        exact.iter().chain(below).map(|index| &self.choices[*index])
    }

    /// Of those for the name the first that suits. Without one for the name, or without a name, the first that suits at all.
    /// When none suits the handshake will fail, and it fails with the right name.
    fn choose_by(&self, name: Option<&str>, suits: impl Fn(&Choice) -> bool) -> &Arc<Choice> {
        let mut named = name.into_iter().flat_map(|name| self.named(name));
        let Some(first) = named.next() else {
            return self.choices.iter().find(|choice| suits(choice)).unwrap_or(&self.choices[0]);
        };
        let mut all = std::iter::once(first).chain(named).chain(&self.choices);
        all.find(|choice| suits(choice)).unwrap_or(first)
    }

    /// Changes the keys of tickets whose time is over. To be called now and then by one task.
    ///
    /// # Errors
    /// The system has no random numbers; the keys stay as they were.
    pub fn roll_tickets(&self, now: SystemTime) -> Result<(), Error> {
        self.tickets.roll(now)
    }

    /// All of them; the first is the default.
    pub fn choices(&self) -> &[Arc<Choice>] {
        &self.choices
    }
}

/// A name is the same with a dot at its end; certificates have none there.
pub fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn rank(algorithm: SignatureAlgorithm) -> u8 {
    match algorithm {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::ED25519 => 1,
        _ => 2,
    }
}

fn choice(
    file: PathBuf,
    certified: Certified,
    min_version: MinVersion,
    verifier: Option<&Arc<dyn ClientCertVerifier>>,
    tickets: &Arc<Tickets>,
) -> Result<Choice, Error> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(min_version.versions())?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&certified.key))));
    config.ignore_client_order = true;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    config.ticketer = Arc::clone(tickets) as Arc<dyn ProducesTickets>;
    // Tickets do it without memory, and without a lock that all workers share.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    let key = &certified.key.key;
    Ok(Choice {
        config: Arc::new(config),
        schemes: SCHEMES.into_iter().filter(|scheme| key.choose_scheme(&[*scheme]).is_some()).collect(),
        algorithm: certified.algorithm(),
        certificate: certified.facts,
        file,
    })
}

#[cfg(test)]
mod tests;
