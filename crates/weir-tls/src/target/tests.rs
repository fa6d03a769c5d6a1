//! Handshakes in memory: our side, a server of rustls, and what is said when they don't come together.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicU64;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::{
    AlertDescription as Alert, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection,
};

use super::*;
use crate::handshake::Fault;
use crate::made::{Issued, Scratch, Signer, authority, named, with};

/// A server's certificate for `a.test`, and how it is believed.
fn pair() -> (Issued, ClientOptions) {
    let root = Signer::root(authority("Root"));
    let issued = root.issue(&named("x", &["a.test"]));
    (issued, believing(&root.certificate))
}

fn believing(certificate: &CertificateDer<'_>) -> ClientOptions {
    let file = Scratch::certificates(&[certificate]);
    ClientOptions {
        verify: Verify::Full(Authorities::of_file(&file.0).unwrap()),
        server_name: None,
        certificate: None,
        min_version: MinVersion::Tls12,
    }
}

fn target(options: &ClientOptions) -> Target {
    ClientTls::new(options.clone()).unwrap().target(Name::parse("a.test").unwrap())
}

static ONLY_1_2: [&SupportedProtocolVersion; 1] = [&version::TLS12];

type Versions = &'static [&'static SupportedProtocolVersion];

fn serving(issued: &Issued, versions: Versions) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(issued.chain.clone(), issued.key.clone_key())
        .unwrap()
}

/// A server that wants certificates of this authority.
fn demanding(issued: &Issued, versions: Versions, authority: &CertificateDer<'static>) -> ServerConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(issued.chain.clone(), issued.key.clone_key())
        .unwrap()
}

/// Both sides when nothing more is to be said, or our side's error.
fn meet(target: &Target, server: ServerConfig) -> Result<(ClientConnection, ServerConnection), io::Error> {
    meet_again(target, &Arc::new(server))
}

fn meet_again(
    target: &Target,
    server: &Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), io::Error> {
    let mut client = target.connection().unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    while talk(&mut client, &mut server)? {}
    Ok((client, server))
}

/// Brings either side what the other one has to say, and says whether there was anything.
fn talk(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<bool, io::Error> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    let mut moved = !bytes.is_empty();
    feed(&bytes, |rest| server.read_tls(rest));
    // What the server thinks of us comes as an alert.
    let _ = server.process_new_packets();
    bytes.clear();
    while server.wants_write() {
        server.write_tls(&mut bytes).unwrap();
    }
    moved |= !bytes.is_empty();
    feed(&bytes, |rest| client.read_tls(rest));
    client.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(moved)
}

fn feed(mut bytes: &[u8], mut read: impl FnMut(&mut &[u8]) -> io::Result<usize>) {
    while !bytes.is_empty() {
        assert!(read(&mut bytes).unwrap() > 0, "everything is taken");
    }
}

fn check_error(target: &Target, server: ServerConfig, fault: Fault, part: &str) {
    let error = target.explain(&meet(target, server).expect_err("they don't come together"));
    let said = format!("{} // {}", error.reason, error.hint.as_deref().unwrap_or_default());
    assert!(error.fault == fault && said.contains(part), "{:?}: {said}\nexpected: {part}", error.fault);
}

#[test]
fn both_versions_are_spoken_with_http_1_1_and_a_key_exchange_for_later_times() {
    let (issued, options) = pair();
    for (versions, expected) in
        [(&FROM_1_2[..], ProtocolVersion::TLSv1_3), (&ONLY_1_2[..], ProtocolVersion::TLSv1_2)]
    {
        let mut server = serving(&issued, versions);
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (client, server) = meet(&target(&options), server).unwrap();
        assert_eq!(client.protocol_version(), Some(expected));
        assert_eq!(client.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(server.server_name(), Some("a.test"));
        if expected == ProtocolVersion::TLSv1_3 {
            let group = client.negotiated_key_exchange_group().unwrap();
            assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
            assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full), "and without another round trip");
        }
    }
}

#[test]
fn an_address_is_checked_and_never_sent_as_a_name() {
    let root = Signer::root(authority("Root"));
    let issued = root.issue(&named("x", &["127.0.0.1"]));
    let tls = ClientTls::new(believing(&root.certificate)).unwrap();
    let target = tls.target(Name::parse("127.0.0.1").unwrap());
    let (_, server) = meet(&target, serving(&issued, &FROM_1_2)).unwrap();
    assert_eq!(server.server_name(), None);
    let other = tls.target(Name::parse("127.0.0.2").unwrap());
    check_error(
        &other,
        serving(&issued, &FROM_1_2),
        Fault::Certificate,
        "not for `127.0.0.2` but for `127.0.0.1`",
    );
}

#[test]
fn server_name_takes_the_place_of_the_own_name() {
    let (issued, options) = pair();
    let tls = ClientTls::new(ClientOptions { server_name: Name::parse("a.test"), ..options }).unwrap();
    let target = tls.target(Name::parse("10.0.0.1").unwrap());
    let (_, server) = meet(&target, serving(&issued, &FROM_1_2)).unwrap();
    assert_eq!(server.server_name(), Some("a.test"));
}

#[test]
fn verify_none_believes_anybody_and_full_does_not() {
    let (_, options) = pair();
    let stranger = Issued::self_signed(&named("x", &["elsewhere.test"]));
    let none = ClientOptions { verify: Verify::None, ..options.clone() };
    for versions in [&FROM_1_2[..], &ONLY_1_2[..]] {
        meet(&target(&none), serving(&stranger, versions)).unwrap();
        check_error(&target(&options), serving(&stranger, versions), Fault::Certificate, "self-signed");
    }
    assert_eq!(ClientTls::new(none).unwrap().origin(), None);
    assert!(ClientTls::new(options).unwrap().origin().is_some());
}

#[test]
fn the_lowest_version_is_kept() {
    let (issued, options) = pair();
    let strict = target(&ClientOptions { min_version: MinVersion::Tls13, ..options });
    meet(&strict, serving(&issued, &FROM_1_3)).unwrap();
    check_error(&strict, serving(&issued, &ONLY_1_2), Fault::Protocol, "no version of TLS that both");
}

#[test]
fn alerts_of_servers_are_told_in_words() {
    let (_, options) = pair();
    let target = target(&options);
    for (alert, expected) in [
        (Alert::HandshakeFailure, "no cipher suite or key exchange that both sides have: handshake failure"),
        (Alert::InsufficientSecurity, "no cipher suite or key exchange that both sides have"),
        (Alert::ProtocolVersion, "no version of TLS that both sides speak"),
        (Alert::UnrecognisedName, "it has no certificate for the name `a.test`"),
        (Alert::NoApplicationProtocol, "it does not speak HTTP/1.1"),
        (Alert::CertificateRequired, "it wants a certificate of its clients"),
        (Alert::UnknownCA, "it ended the TLS handshake: unknown ca"),
        (Alert::InternalError, "it ended the TLS handshake: internal error"),
        (Alert::Unknown(250), "it ended the TLS handshake: alert description(0xfa)"),
    ] {
        let error = io::Error::new(io::ErrorKind::InvalidData, Error::AlertReceived(alert));
        let said = target.explain(&error);
        assert!(said.reason.contains(expected), "{alert:?}: {said}");
    }
}

#[test]
fn a_server_that_wants_a_certificate_gets_ours_or_is_understood() {
    let (issued, options) = pair();
    let root = Signer::root(authority("Clients"));
    let ours = root.issue(&named("weir", &[])).certified();
    let stranger = Issued::self_signed(&named("stranger", &[])).certified();
    for versions in [&FROM_1_2[..], &ONLY_1_2[..]] {
        let server = || demanding(&issued, versions, &root.certificate);
        let with = |certificate| target(&ClientOptions { certificate, ..options.clone() });
        let (_, served) = meet(&with(Some(ours.clone())), server()).unwrap();
        assert_eq!(served.peer_certificates().unwrap()[0], ours.key.cert[0]);
        let part = "it wants a certificate of its clients // write `certificate` and `key`";
        check_error(&with(None), server(), Fault::Alert, part);
        check_error(&with(Some(stranger.clone())), server(), Fault::Alert, "it refuses our certificate: ");
    }
}

#[test]
fn a_server_without_a_certificate_for_the_name_is_understood() {
    #[derive(Debug)]
    struct Nobody;
    impl ResolvesServerCert for Nobody {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            None
        }
    }
    let (_, options) = pair();
    let server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&FROM_1_2)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Nobody));
    check_error(&target(&options), server, Fault::Alert, "it ended the TLS handshake: access denied");
}

#[test]
fn a_server_with_other_protocols_only_is_understood() {
    let (issued, options) = pair();
    let mut server = serving(&issued, &FROM_1_2);
    server.alpn_protocols = vec![b"h2".to_vec()];
    check_error(&target(&options), server, Fault::Protocol, "it does not speak HTTP/1.1 on this port");
}

#[test]
fn what_is_no_tls_is_called_that() {
    let (_, options) = pair();
    let target = target(&options);
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "220 mail.test ESMTP\r\n"] {
        let mut client = target.connection().unwrap();
        feed(answer.as_bytes(), |rest| client.read_tls(rest));
        let error = client.process_new_packets().unwrap_err();
        let error = target.explain(&io::Error::new(io::ErrorKind::InvalidData, error));
        assert!(error.reason.contains("does not speak TLS"), "{answer:?}: {error}");
        assert_eq!(error.fault, Fault::Protocol);
    }
    for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset] {
        let error = target.explain(&kind.into());
        assert!(error.reason.contains("in the middle of the TLS handshake"), "{error}");
    }
}

/// A session that was made with one verifier or certificate must never open a connection with another.
#[test]
fn sessions_are_resumed_with_the_same_server_only() {
    let (issued, options) = pair();
    for versions in [&FROM_1_2[..], &ONLY_1_2[..]] {
        let server = Arc::new(serving(&issued, versions));
        let tls = ClientTls::new(options.clone()).unwrap();
        let [first, second] = [(); 2].map(|()| tls.target(Name::parse("a.test").unwrap()));
        let kind = |target| meet_again(target, &server).unwrap().0.handshake_kind().unwrap();
        assert_eq!(kind(&first), HandshakeKind::Full);
        assert_eq!(kind(&first), HandshakeKind::Resumed);
        assert_eq!(kind(&first), HandshakeKind::Resumed);
        assert_eq!(kind(&second), HandshakeKind::Full, "another server has its own");
    }
}

/// A clock that a test turns, in seconds since 1970.
#[derive(Debug)]
struct Clock(AtomicU64);

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

/// A server whose certificate had expired was believed for as long as it went on with old sessions, each of which gave new
/// ones.
#[test]
fn a_session_does_not_outlast_the_certificate() {
    let start = 2_000_000_000;
    let root = Signer::root(authority("Root"));
    let time = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let issued = root.issue(&with(named("x", &["a.test"]), |params| {
        params.not_before = time(start - 3600).into();
        params.not_after = time(start + 3600).into();
    }));
    for versions in [&FROM_1_2[..], &ONLY_1_2[..]] {
        let server = Arc::new(serving(&issued, versions));
        for verify in [believing(&root.certificate).verify, Verify::None] {
            let is_checked = matches!(verify, Verify::Full(_));
            let mut tls = ClientTls::new(ClientOptions { verify, ..believing(&root.certificate) }).unwrap();
            let clock = Arc::new(Clock(AtomicU64::new(start)));
            tls.config.time_provider = clock.clone();
            let target = tls.target(Name::parse("a.test").unwrap());
            let again = || meet_again(&target, &server).map(|(client, _)| Connection::from(client));
            assert!(!target.is_overdue(&again().unwrap()), "in full");
            clock.0.store(start + 3600, Ordering::Relaxed);
            let resumed = again().unwrap();
            assert_eq!(resumed.handshake_kind(), Some(HandshakeKind::Resumed));
            assert!(!target.is_overdue(&resumed), "its last second");
            clock.0.store(start + 3601, Ordering::Relaxed);
            let resumed = again().unwrap();
            assert_eq!(resumed.handshake_kind(), Some(HandshakeKind::Resumed));
            assert_eq!(target.is_overdue(&resumed), is_checked);
            target.forget_sessions();
            let error = again().map(|connection| connection.handshake_kind());
            assert_eq!(error.is_err(), is_checked, "{error:?}");
        }
    }
}

/// An authority that nobody needs, behind the certificate, may have expired long ago; servers go on sending such.
#[test]
fn an_old_authority_that_is_not_needed_ends_no_session() {
    let (root, old) = (Signer::root(authority("Root")), Signer::root(authority("Old")));
    let middle = old.below(with(authority("Middle"), |params| {
        params.not_after = SystemTime::UNIX_EPOCH.into();
    }));
    let issued = root.issue(&named("x", &["a.test"])).with(&[&middle]);
    let (server, target) = (Arc::new(serving(&issued, &FROM_1_3)), target(&believing(&root.certificate)));
    meet_again(&target, &server).unwrap();
    let (client, _) = meet_again(&target, &server).unwrap();
    assert_eq!(client.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(!target.is_overdue(&Connection::from(client)));
}

#[test]
fn a_connection_in_full_is_one() {
    let (issued, options) = pair();
    let (server, target) = (Arc::new(serving(&issued, &FROM_1_2)), target(&options));
    meet_again(&target, &server).unwrap();
    let mut client = target.connection_in_full().unwrap();
    let mut other = ServerConnection::new(Arc::clone(&server)).unwrap();
    while client.is_handshaking() {
        talk(&mut client, &mut other).unwrap();
    }
    assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
}

/// Sixteen connections leave 32 tickets; eight are kept.
#[test]
fn sessions_that_are_kept_are_bounded() {
    let (issued, options) = pair();
    let (server, target) = (Arc::new(serving(&issued, &FROM_1_3)), target(&options));
    for _ in 0..16 {
        meet_again(&target, &server).unwrap();
    }
    let name = Name::parse("a.test").unwrap().0;
    let store = Arc::clone(&target.sessions);
    let kept = std::iter::from_fn(|| store.take_tls13_ticket(&name)).count();
    assert_eq!(kept, SESSIONS);
}

#[test]
fn nothing_that_is_shown_holds_a_key() {
    let (_, options) = pair();
    let ours = Issued::self_signed(&named("weir", &[]));
    let secret = format!("{:?}", ours.key.secret_der());
    let options = ClientOptions { certificate: Some(ours.certified()), ..options };
    let tls = ClientTls::new(options.clone()).unwrap();
    for shown in [format!("{options:?}"), format!("{tls:?}"), format!("{:?}", target(&options))] {
        assert!(!shown.contains(&secret), "{shown}");
    }
}
