//! What clients offer in a handshake, so that every peer computes the same; and what came of it.
//!
//! The choice is the client's: with one suite and one group on offer, it does not matter which a peer would prefer, and no
//! peer needs a setting that nobody uses. The suite is AES-128-GCM, which all processors of servers have instructions for.
//! The group is X25519, because the OpenSSL of Debian's peers does not know the hybrid with ML-KEM.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore,
    StreamOwned,
};

use super::answer;
use super::certificate::NAME;

/// The suite that every load generator offers alone.
pub(crate) const SUITE: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

/// The key exchange that a client offers alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Elliptic curve Diffie-Hellman, known to all peers.
    X25519,
    /// The same and ML-KEM-768 beside it, against those who record today to decrypt in later years.
    #[value(name = "x25519mlkem768")]
    X25519Mlkem768,
}

impl Group {
    /// Its name in the protocol.
    pub(crate) fn named(self) -> NamedGroup {
        match self {
            Self::X25519 => NamedGroup::X25519,
            Self::X25519Mlkem768 => NamedGroup::X25519MLKEM768,
        }
    }

    /// Its name on a command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::X25519 => "x25519",
            Self::X25519Mlkem768 => "x25519mlkem768",
        }
    }

    /// The one suite and this group.
    fn provider(self) -> CryptoProvider {
        let kx = match self {
            Self::X25519 => aws_lc_rs::kx_group::X25519,
            Self::X25519Mlkem768 => aws_lc_rs::kx_group::X25519MLKEM768,
        };
        CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![kx],
            ..aws_lc_rs::default_provider()
        }
    }
}

/// How a client trusts the peer.
pub(crate) enum Trust {
    /// This certificate and no other.
    Only(CertificateDer<'static>),
    /// As this one says.
    Verifier(Arc<dyn ServerCertVerifier>),
}

/// A client of TLS 1.3. Without a group it offers everything that rustls knows.
///
/// # Errors
/// When rustls refuses the parts.
pub(crate) fn client(group: Option<Group>, trust: Trust, resumption: Resumption) -> Result<ClientConfig> {
    let provider = group.map_or_else(aws_lc_rs::default_provider, Group::provider);
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let mut config = match trust {
        Trust::Only(certificate) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate)?;
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Verifier(verifier) => {
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
    };
    config.resumption = resumption;
    Ok(config)
}

/// What client and peer agreed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Agreed {
    /// The protocol.
    pub(crate) version: ProtocolVersion,
    /// How records are encrypted.
    pub(crate) suite: CipherSuite,
    /// How keys are exchanged.
    pub(crate) group: NamedGroup,
    /// Whether it was the client's first connection or a later one.
    pub(crate) kind: HandshakeKind,
}

impl Agreed {
    /// What this connection agreed on; `None` before its handshake is complete.
    pub(crate) fn on(connection: &ClientConnection) -> Option<Self> {
        Some(Self {
            version: connection.protocol_version()?,
            suite: connection.negotiated_cipher_suite()?.suite(),
            group: connection.negotiated_key_exchange_group()?.name(),
            kind: connection.handshake_kind()?,
        })
    }
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}, {:?}", self.version, self.suite, self.group)
    }
}

/// A connection on which the handshake is complete, and what came of it.
///
/// # Errors
/// When nobody listens there, or the handshake fails.
pub(crate) fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Result<(StreamOwned<ClientConnection, TcpStream>, Agreed)> {
    let mut socket = answer::connect(address)?;
    socket.set_nodelay(true)?;
    let mut connection = ClientConnection::new(Arc::clone(config), ServerName::try_from(NAME)?)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).context("the handshake fails")?;
    }
    let agreed = Agreed::on(&connection).context("the handshake ended before anything was agreed on")?;
    Ok((StreamOwned::new(connection, socket), agreed))
}
