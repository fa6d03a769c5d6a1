//! Which certificate a client gets, and what of it outlives a change of the files: handshakes in memory.
#![allow(clippy::unwrap_used)]

use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm as KeyKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{Acceptor, ServerConnection};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ProtocolVersion, version,
};

use super::*;
use crate::certified;
use crate::client::{ClientCertificates, ClientMode};
use crate::made::{Issued, Scratch, Signer, authority, named};

/// A certificate of this kind for these names, signed by itself; its file is called like its common name.
fn certified(file: &str, kind: &'static KeyKind, names: &[&str]) -> (PathBuf, Certified) {
    let key = KeyPair::generate_for(kind).unwrap();
    let certificate = named(file, names).self_signed(&key).unwrap().der().clone();
    let key: PrivateKeyDer<'static> = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    (file.into(), certified::of(vec![certificate], key).unwrap())
}

/// The moment when everything is made.
const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn parts(certificates: Vec<(PathBuf, Certified)>) -> Parts {
    Parts { certificates, min_version: MinVersion::Tls12, clients: None }
}

fn p256(file: &str, names: &[&str]) -> (PathBuf, Certified) {
    certified(file, &rcgen::PKCS_ECDSA_P256_SHA256, names)
}

fn serving(certificates: Vec<(PathBuf, Certified)>) -> ServerTls {
    ServerTls::new(parts(certificates), None, NOW).unwrap()
}

/// Believes everybody, and says that it knows these schemes.
#[derive(Debug)]
struct Knows(Vec<SignatureScheme>);

impl ServerCertVerifier for Knows {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// A client.
struct Client {
    schemes: Vec<SignatureScheme>,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    certificate: Option<Issued>,
    protocols: Vec<&'static str>,
}

impl Client {
    fn usual() -> Self {
        Self {
            schemes: SCHEMES.to_vec(),
            provider: provider(),
            versions: vec![&version::TLS13, &version::TLS12],
            certificate: None,
            protocols: Vec::new(),
        }
    }

    fn knowing(schemes: &[SignatureScheme]) -> Self {
        Self { schemes: schemes.to_vec(), ..Self::usual() }
    }

    /// A client of TLS 1.2 that offers suites for this kind of key alone, whatever schemes it names.
    fn of_tls12(suites: impl Fn(&str) -> bool) -> Self {
        let mut own = (*provider()).clone();
        own.cipher_suites.retain(|suite| suites(suite.suite().as_str().unwrap_or_default()));
        Self { provider: Arc::new(own), versions: vec![&version::TLS12], ..Self::usual() }
    }

    fn config(self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(self.provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Knows(self.schemes)));
        let mut config = match self.certificate {
            Some(issued) => builder.with_client_auth_cert(issued.chain, issued.key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

fn name(text: &str) -> ServerName<'static> {
    ServerName::try_from(text.to_owned()).unwrap()
}

/// One handshake: the file of what was chosen, and both ends of it.
fn shake(
    tls: &ServerTls,
    client: &Arc<ClientConfig>,
    asked: &str,
) -> (PathBuf, Result<(ClientConnection, ServerConnection), Error>) {
    let mut client = ClientConnection::new(Arc::clone(client), name(asked)).unwrap();
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    acceptor.read_tls(&mut bytes.as_slice()).unwrap();
    let accepted = acceptor.accept().unwrap().unwrap();
    let choice = tls.choose(&accepted.client_hello());
    let file = choice.file.clone();
    let outcome = accepted
        .into_connection(Arc::clone(&choice.config))
        .map_err(|(error, _)| error)
        .and_then(|server| converse(client, server));
    (file, outcome)
}

/// Lets both speak until neither has anything to say, and so the tickets have arrived too.
fn converse(
    mut client: ClientConnection,
    mut server: ServerConnection,
) -> Result<(ClientConnection, ServerConnection), Error> {
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
    }
    Ok((client, server))
}

/// What a client that asks for this gets.
fn check(tls: &ServerTls, client: Client, asked: &str, expected: &str) {
    let (file, outcome) = shake(tls, &client.config(), asked);
    assert_eq!(file.to_str(), Some(expected), "{asked}");
    if let Err(error) = outcome {
        panic!("{asked}: {error}");
    }
}

#[test]
fn the_very_name_comes_before_a_wildcard_and_the_first_is_for_the_rest() {
    let tls = serving(vec![
        p256("first", &["first.test"]),
        p256("star", &["*.a.test"]),
        p256("exact", &["x.a.test", "y.a.test"]),
        p256("two", &["two.test", "*.two.test", "192.0.2.1"]),
        p256("late", &["first.test"]),
    ]);
    for (asked, expected) in [
        ("first.test", "first"),
        ("FIRST.test", "first"),
        ("x.a.test", "exact"),
        ("Y.A.test", "exact"),
        ("z.a.test", "star"),
        ("a.test", "first"),
        ("b.z.a.test", "first"),
        ("two.test", "two"),
        ("a.two.test", "two"),
        ("unknown.test", "first"),
        // An address is no name that can be asked for (RFC 6066 §3).
        ("192.0.2.1", "first"),
    ] {
        check(&tls, Client::usual(), asked, expected);
    }
    assert_eq!(tls.choose_name(None).file.to_str(), Some("first"));
    let both = serving(vec![p256("both", &["x.a.test", "*.a.test"])]);
    assert_eq!(both.named("x.a.test").count(), 1);
    assert_eq!(tls.choose_name(Some("z.a.test")).file.to_str(), Some("star"));
    assert!(tls.choose_name(Some("two.test")).covers(b"192.0.2.1"));
    assert!(!tls.choose_name(Some("two.test")).covers(b"first.test"));
}

#[test]
fn of_several_for_a_name_the_client_gets_what_it_can_verify() {
    let rsa = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
    let tls = serving(vec![
        p256("other", &["other.test"]),
        certified("rsa", &PKCS_RSA_SHA256, &["a.test"]),
        certified("ed25519", &PKCS_ED25519, &["a.test"]),
        certified("p384", &PKCS_ECDSA_P384_SHA384, &["a.test"]),
        certified("star-rsa", &PKCS_RSA_SHA256, &["*.test", "*.b.test"]),
        p256("b", &["x.b.test"]),
    ]);
    check(&tls, Client::usual(), "a.test", "p384");
    check(&tls, Client::knowing(&rsa), "a.test", "rsa");
    check(&tls, Client::knowing(&[SignatureScheme::ED25519]), "a.test", "ed25519");
    check(&tls, Client::knowing(&[SignatureScheme::ECDSA_NISTP384_SHA384]), "a.test", "p384");
    // The one with the very name would be refused; the wildcard for it is not.
    check(&tls, Client::usual(), "x.b.test", "b");
    check(&tls, Client::knowing(&rsa), "x.b.test", "star-rsa");
    // Without a certificate for the name, one that the client can at least read.
    check(&tls, Client::knowing(&rsa), "nowhere.example", "rsa");
}

#[test]
fn suites_of_tls_1_2_name_the_kind_of_key() {
    let tls = serving(vec![certified("rsa", &PKCS_RSA_SHA256, &["a.test"]), p256("ecdsa", &["a.test"])]);
    check(&tls, Client::of_tls12(|suite| suite.contains("ECDHE_RSA")), "a.test", "rsa");
    check(&tls, Client::of_tls12(|suite| suite.contains("ECDHE_ECDSA")), "a.test", "ecdsa");
    check(&tls, Client::of_tls12(|_| true), "a.test", "ecdsa");
}

#[test]
fn a_client_that_none_suits_is_told_so_by_the_handshake() {
    let tls = serving(vec![p256("other", &["other.test"]), p256("a", &["a.test"])]);
    let (file, outcome) =
        shake(&tls, &Client::knowing(&[SignatureScheme::RSA_PSS_SHA256]).config(), "a.test");
    assert_eq!(file.to_str(), Some("a"));
    outcome.unwrap_err();
}

#[test]
fn the_oldest_version_is_held() {
    let tls = |min_version| {
        ServerTls::new(Parts { min_version, ..parts(vec![p256("a", &["a.test"])]) }, None, NOW).unwrap()
    };
    let old = || Client { versions: vec![&version::TLS12], ..Client::usual() }.config();
    let (_, outcome) = shake(&tls(MinVersion::Tls12), &old(), "a.test");
    assert_eq!(outcome.unwrap().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    shake(&tls(MinVersion::Tls13), &old(), "a.test").1.unwrap_err();
    let (_, outcome) = shake(&tls(MinVersion::Tls13), &Client::usual().config(), "a.test");
    assert_eq!(outcome.unwrap().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn only_protocols_that_are_spoken_are_agreed_on() {
    let tls = serving(vec![p256("a", &["a.test"])]);
    let asking = |protocols: &[&'static str]| {
        let client = Client { protocols: protocols.to_vec(), ..Client::usual() }.config();
        shake(&tls, &client, "a.test").1.map(|(_, server)| server.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(asking(&["h2", "http/1.1"]).unwrap(), Some(b"http/1.1".to_vec()));
    assert_eq!(asking(&[]).unwrap(), None);
    assert_eq!(asking(&["h2"]).unwrap_err(), Error::NoApplicationProtocol);
}

/// How the second of two connections of a client began, the first one under `before`.
fn second(client: Client, before: &ServerTls, after: &ServerTls) -> HandshakeKind {
    let client = client.config();
    shake(before, &client, "a.test").1.unwrap();
    let (_, server) = shake(after, &client, "a.test").1.unwrap();
    server.handshake_kind().unwrap()
}

#[test]
fn sessions_outlive_a_change_of_the_certificates() {
    for versions in [vec![&version::TLS13], vec![&version::TLS12]] {
        let client = || Client { versions: versions.clone(), ..Client::usual() };
        let before = serving(vec![p256("a", &["a.test"])]);
        let after = ServerTls::new(parts(vec![p256("b", &["a.test"])]), Some(&before), NOW).unwrap();
        assert_eq!(second(client(), &before, &before), HandshakeKind::Resumed);
        assert_eq!(second(client(), &before, &after), HandshakeKind::Resumed);
        let other = serving(vec![p256("b", &["a.test"])]);
        let kind = second(client(), &before, &other);
        assert_ne!(kind, HandshakeKind::Resumed, "another listener has its own keys");
    }
}

/// A verifier for clients of this authority.
fn checking(signer: &Signer, mode: ClientMode) -> ClientCertificates {
    let file = Scratch::certificates(&[&signer.certificate]);
    let path = file.0.clone();
    // The file stays until the process ends; a test reads it at any time.
    std::mem::forget(file);
    ClientCertificates { mode, authorities: path, revocation_lists: None }
}

fn asking_clients(source: &ClientCertificates, previous: Option<&ServerTls>) -> ServerTls {
    let clients = Some(source.load().unwrap());
    ServerTls::new(Parts { clients, ..parts(vec![p256("a", &["a.test"])]) }, previous, NOW).unwrap()
}

fn with_certificate(signer: &Signer) -> Client {
    Client { certificate: Some(signer.issue(&named("alice", &["alice"]))), ..Client::usual() }
}

#[test]
fn certificates_of_clients_are_required_or_requested() {
    let (root, other) = (Signer::root(authority("Root")), Signer::root(authority("Other")));
    let require = asking_clients(&checking(&root, ClientMode::Require), None);
    let request = asking_clients(&checking(&root, ClientMode::Request), None);
    let shown = |tls: &ServerTls, client: Client| {
        let (_, outcome) = shake(tls, &client.config(), "a.test");
        outcome.map(|(_, server)| server.peer_certificates().map(<[_]>::len))
    };
    assert_eq!(shown(&require, with_certificate(&root)), Ok(Some(1)));
    assert_eq!(shown(&require, Client::usual()), Err(Error::NoCertificatesPresented));
    assert!(matches!(shown(&require, with_certificate(&other)), Err(Error::InvalidCertificate(_))));
    assert_eq!(shown(&request, with_certificate(&root)), Ok(Some(1)));
    assert_eq!(shown(&request, Client::usual()), Ok(None));
    assert!(matches!(shown(&request, with_certificate(&other)), Err(Error::InvalidCertificate(_))));
}

/// A session holds the certificate that the client has shown once, so nobody would ask the new authority.
#[test]
fn sessions_end_when_clients_are_checked_with_something_else() {
    let (root, other) = (Signer::root(authority("Root")), Signer::root(authority("Other")));
    let with_root = checking(&root, ClientMode::Require);
    let before = asking_clients(&with_root, None);
    let same = asking_clients(&with_root, Some(&before));
    assert_eq!(second(with_certificate(&root), &before, &same), HandshakeKind::Resumed);
    let changed = asking_clients(&checking(&other, ClientMode::Require), Some(&before));
    let client = with_certificate(&root).config();
    shake(&before, &client, "a.test").1.unwrap();
    assert!(matches!(shake(&changed, &client, "a.test").1, Err(Error::InvalidCertificate(_))));
    let none = ServerTls::new(parts(vec![p256("a", &["a.test"])]), Some(&before), NOW).unwrap();
    assert_ne!(second(with_certificate(&root), &before, &none), HandshakeKind::Resumed);
    let asked_now = asking_clients(&with_root, Some(&none));
    let client = Client::usual().config();
    shake(&none, &client, "a.test").1.unwrap();
    let outcome = shake(&asked_now, &client, "a.test").1.map(|_| ());
    assert_eq!(outcome, Err(Error::NoCertificatesPresented));
}

#[test]
fn nothing_is_kept_on_the_server_between_connections() {
    let tls = serving(vec![p256("a", &["a.test"])]);
    let config = &tls.choices()[0].config;
    assert!(!config.session_storage.can_cache());
    assert!(config.ticketer.enabled());
    assert_eq!(config.max_early_data_size, 0);
}
