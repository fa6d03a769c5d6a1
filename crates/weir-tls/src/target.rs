//! What rustls is told about the servers of an upstream.
//!
//! What an upstream says is read and checked once ([`ClientTls`]); each of its servers then gets a configuration of rustls
//! of its own ([`Target`]). They share verifier and key, but not their sessions: rustls keeps those by name, and two servers
//! behind one name or address would take turns in throwing away each other's tickets.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, ResolvesClientCert, Resumption};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, Connection, Error, HandshakeKind, SignatureScheme,
    SupportedProtocolVersion, version,
};

use crate::authorities::{Authorities, Origin};
use crate::certified::Certified;
use crate::facts::are_in_time;
use crate::handshake::{Circumstances, HandshakeError, explain};
use crate::provider::provider;
use crate::server::MinVersion;
use crate::verify::{Unverified, Verifier};

/// Sessions that are kept for one server: eight tickets of TLS 1.3, and one session of TLS 1.2. A server gives two with each
/// connection, and each is used once.
const SESSIONS: usize = 8;

/// The name or the address of a server, as a certificate has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(ServerName<'static>);

impl Name {
    /// Reads a name or an address, without a port; `None` for what can be neither in a certificate.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(address.into());
        }
        ServerName::try_from(text.to_owned()).ok().map(Self)
    }
}

impl From<IpAddr> for Name {
    fn from(address: IpAddr) -> Self {
        Self(address.into())
    }
}

static FROM_1_2: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
static FROM_1_3: [&SupportedProtocolVersion; 1] = [&version::TLS13];

/// Whom to believe.
#[derive(Debug, Clone)]
pub enum Verify {
    /// A server whose certificate is for its name and leads to one of these.
    Full(Authorities),
    /// Whoever answers.
    None,
}

/// What an upstream says of its servers with TLS.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Whom to believe.
    pub verify: Verify,
    /// The name that is asked for and checked instead of the server's own.
    pub server_name: Option<Name>,
    /// Shown to servers that ask for one.
    pub certificate: Option<Certified>,
    /// The oldest version that is spoken.
    pub min_version: MinVersion,
}

/// What rustls is told about all servers of an upstream.
#[derive(Clone)]
pub struct ClientTls {
    /// What all of them share: versions and verifier.
    config: ClientConfig,
    verifier: Arc<dyn ServerCertVerifier>,
    /// `None` when nobody is asked whom to believe.
    origin: Option<Origin>,
    server_name: Option<Name>,
    certificate: Option<Arc<CertifiedKey>>,
    terms: Arc<Terms>,
}

/// What was agreed on for all servers of an upstream, so that two configurations can be told apart.
struct Terms {
    authorities: Option<Authorities>,
    certificate: Option<Arc<CertifiedKey>>,
    min_version: MinVersion,
}

impl Hash for Terms {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { authorities, certificate, min_version } = self;
        (authorities, min_version).hash(state);
        // A key belongs to its certificate, so that says which one it is.
        let chain = certificate.iter().flat_map(|certificate| &certificate.cert);
        chain.for_each(|certificate| certificate.as_ref().hash(state));
    }
}

impl Hash for ClientTls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.terms, &self.server_name).hash(state);
    }
}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.terms, &self.name).hash(state);
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("origin", &self.origin)
            .field("server_name", &self.server_name)
            .field("certificate", &self.certificate.is_some())
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Takes the options of an upstream.
    ///
    /// # Errors
    /// rustls can't use the authorities.
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
        let certificate = options.certificate.map(|certificate| certificate.key);
        let terms = Terms {
            authorities: match &options.verify {
                Verify::Full(authorities) => Some(authorities.clone()),
                Verify::None => None,
            },
            certificate: certificate.clone(),
            min_version: options.min_version,
        };
        let (verifier, origin): (Arc<dyn ServerCertVerifier>, _) = match options.verify {
            Verify::None => (Arc::new(Unverified), None),
            Verify::Full(authorities) => {
                let origin = authorities.origin().clone();
                let verifier =
                    Verifier::new(authorities).map_err(|error| Error::General(error.to_string()))?;
                (Arc::new(verifier), Some(origin))
            }
        };
        let versions = match options.min_version {
            MinVersion::Tls12 => &FROM_1_2[..],
            MinVersion::Tls13 => &FROM_1_3[..],
        };
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config,
            verifier,
            origin,
            server_name: options.server_name,
            certificate,
            terms: Arc::new(terms),
        })
    }

    /// Whom a server's certificate must lead to; `None` when anybody who answers is believed.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// For the server with this name. It begins without sessions.
    pub fn target(&self, own_name: Name) -> Target {
        let asked = Arc::new(AtomicBool::new(false));
        let sessions = Arc::new(ClientSessionMemoryCache::new(SESSIONS));
        let mut config = self.config.clone();
        config.client_auth_cert_resolver =
            Arc::new(Certificate { certificate: self.certificate.clone(), asked: Arc::clone(&asked) });
        config.resumption = Resumption::store(sessions.clone());
        Target {
            config: Arc::new(config),
            sessions,
            verifier: Arc::clone(&self.verifier),
            name: self.server_name.clone().unwrap_or(own_name),
            origin: self.origin.clone(),
            has_certificate: self.certificate.is_some(),
            asked,
            terms: Arc::clone(&self.terms),
        }
    }
}

/// What rustls is told about one server. Sessions are shared by everybody who connects to it.
pub struct Target {
    config: Arc<ClientConfig>,
    sessions: Arc<ClientSessionMemoryCache>,
    verifier: Arc<dyn ServerCertVerifier>,
    name: Name,
    origin: Option<Origin>,
    has_certificate: bool,
    /// Whether the server has ever asked for a certificate.
    asked: Arc<AtomicBool>,
    terms: Arc<Terms>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name.0)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// The client's side of a new connection, with a session of an earlier one if there is one. An address is checked, and
    /// never sent as a name (RFC 6066 §3).
    ///
    /// # Errors
    /// rustls can't make it: randomness or time are not to be had.
    pub fn connection(&self) -> Result<ClientConnection, Error> {
        ClientConnection::new(Arc::clone(&self.config), self.name.0.clone())
    }

    /// The same without a session, for a server whose certificate must be looked at. What it gives for later is not kept.
    ///
    /// # Errors
    /// See [`connection`](Self::connection).
    pub fn connection_in_full(&self) -> Result<ClientConnection, Error> {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::disabled();
        ClientConnection::new(Arc::new(config), self.name.0.clone())
    }

    /// Whether a connection goes on with a session that the server's certificate does not outlast: the one that it once showed
    /// is kept with the session and verified no more, while each new ticket takes it along.
    pub fn is_overdue(&self, connection: &Connection) -> bool {
        // Whoever answers is believed, then and now.
        if self.origin.is_none() || connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            return false;
        }
        let Some(now) = self.config.time_provider.current_time() else { return true };
        let Some([leaf, above @ ..]) = connection.peer_certificates() else { return true };
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        // Of several above it one may be old and not needed; so what looks wrong is asked of who decided it at first.
        !are_in_time([leaf].into_iter().chain(above).map(AsRef::as_ref), moment)
            && self.verifier.verify_server_cert(leaf, above, &self.name.0, &[], now).is_err()
    }

    /// Forgets what the server gave for later connections.
    pub fn forget_sessions(&self) {
        while self.sessions.take_tls13_ticket(&self.name.0).is_some() {}
        self.sessions.remove_tls12_session(&self.name.0);
    }

    /// Why TLS has ended a connection after its handshake: in version 1.3 a server looks at our certificate only when we have
    /// begun to speak (RFC 8446 §4.4.2.4). `None` where it was not TLS that ended it.
    pub fn explain_later(&self, error: &io::Error) -> Option<HandshakeError> {
        error.get_ref()?.is::<Error>().then(|| self.explain(error))
    }

    /// Why a handshake failed.
    pub fn explain(&self, error: &io::Error) -> HandshakeError {
        explain(
            error,
            Circumstances {
                authorities: self.origin.as_ref(),
                asked: self.asked.load(Ordering::Relaxed),
                has_certificate: self.has_certificate,
                name: &self.name.0.to_str(),
            },
        )
    }
}

/// Shows a certificate to whoever asks, and remembers that somebody did.
#[derive(Debug)]
struct Certificate {
    certificate: Option<Arc<CertifiedKey>>,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Certificate {
    /// Whatever authorities the server names: it knows best whom it believes, and its refusal says more than our silence.
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certificate.clone().filter(|certificate| certificate.key.choose_scheme(schemes).is_some())
    }

    fn has_certs(&self) -> bool {
        self.certificate.is_some()
    }
}
#[cfg(test)]
mod tests;
