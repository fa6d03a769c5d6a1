//! Certificates of clients: who is let in, and what the others are told.

use std::sync::Arc;

use rustls::{ALL_VERSIONS, AlertDescription, Error, SupportedProtocolVersion};
use weir_core::handshake::HandshakeOutcome;
use weir_testkit::certificate::{Authority, Certificate, client_with};
use weir_testkit::client::{connect_tls, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::refusal;

use super::{Front, HOST};

/// Each version alone: a client of 1.3 is done before its certificate has been looked at, one of 1.2 is not.
const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&rustls::version::TLS13], &[&rustls::version::TLS12]];

/// A proxy that asks for certificates, and who signs them.
struct Guarded {
    front: Front,
    clients: Authority,
    server: Server,
    proxy: Running,
}

impl Guarded {
    fn new(mode: &str) -> Self {
        let (front, clients, server) = (Front::new(), Authority::new("Clients"), Server::saying("ok"));
        let ca = front.files.write("clients.pem", &clients.pem);
        let tls = format!("client: {{mode: {mode}, ca: {ca}, subject_header: X-Client-Subject}}");
        let proxy = proxy::with(&server, &front.listen(&tls));
        Self { front, clients, server, proxy }
    }

    /// The status that a client with this certificate gets, or the alert that refuses it.
    fn ask(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&Certificate>,
    ) -> Result<u16, AlertDescription> {
        let alert = |error| match error {
            Error::AlertReceived(alert) => alert,
            error => panic!("{error}"),
        };
        let config = Arc::new(client_with(&self.front.root.pem, versions, own));
        let mut socket =
            connect_tls(self.proxy.address(), &config, HOST).map_err(|error| alert(refusal(error)))?;
        // Many requests at once: a client that goes on sending still has to learn why it is refused.
        for _ in 0..20 {
            socket.send(get(&format!("/{}", "x".repeat(4000))));
        }
        socket.answer_or_refusal().map(|answer| answer.status()).map_err(alert)
    }

    fn handshakes(&self, outcome: HandshakeOutcome) -> u64 {
        // The worker answers this when it has done what there was to do.
        self.proxy.connections();
        self.proxy.status().tls_handshakes[outcome as usize]
    }
}

#[test]
fn required_a_certificate_of_the_authority_is_let_in_and_named() {
    let guarded = Guarded::new("require");
    let alice = guarded.clients.issue_with(&["alice.test"], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
        params.distinguished_name.push(rcgen::DnType::CommonName, "alice");
    });
    for versions in VERSIONS {
        assert_eq!(guarded.ask(versions, Some(&alice)), Ok(200));
        let subject = guarded.server.requests()[0].field("x-client-subject").map(str::to_owned);
        assert_eq!(subject.as_deref(), Some("CN=alice,O=Example"));
    }
    // With the authority between it and the root sent along.
    let bob = guarded.clients.below("Department").issue(&["bob.test"]);
    assert_eq!(guarded.ask(ALL_VERSIONS, Some(&bob)), Ok(200));
}

#[test]
fn required_whoever_has_none_or_a_bad_one_is_told_why() {
    let guarded = Guarded::new("require");
    let other = Authority::new("Other");
    let past = rcgen::date_time_ymd(2020, 1, 1);
    let future = rcgen::date_time_ymd(4000, 1, 1);
    let expired = guarded.clients.issue_with(&["x.test"], |params| params.not_after = past);
    let early = guarded.clients.issue_with(&["x.test"], |params| params.not_before = future);
    let incomplete = guarded.clients.below("Department").issue(&["x.test"]).without_chain();
    let for_servers = guarded.clients.issue_with(&["x.test"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    let mut refused = 0;
    for versions in VERSIONS {
        let missing = guarded.ask(versions, None).unwrap_err();
        // RFC 8446 §4.4.2.4; 1.2 has no word for it (RFC 5246 §7.4.6).
        assert!(
            matches!(missing, AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure),
            "{missing:?}"
        );
        refused += 1;
        for (certificate, expected) in [
            (other.issue(&["x.test"]), AlertDescription::UnknownCA),
            (Certificate::self_signed(&["x.test"]), AlertDescription::UnknownCA),
            (incomplete.clone(), AlertDescription::UnknownCA),
            (expired.clone(), AlertDescription::CertificateExpired),
            (early.clone(), AlertDescription::CertificateExpired),
            (for_servers.clone(), AlertDescription::UnsupportedCertificate),
        ] {
            assert_eq!(guarded.ask(versions, Some(&certificate)), Err(expected));
            refused += 1;
        }
    }
    assert_eq!(guarded.handshakes(HandshakeOutcome::Failed), refused);
    assert_eq!(guarded.handshakes(HandshakeOutcome::Full), 0);
    assert!(guarded.server.requests().is_empty());
}

#[test]
fn requested_whoever_has_none_is_served_and_a_bad_one_is_refused_all_the_same() {
    let guarded = Guarded::new("request");
    let forged =
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-Client-Subject: CN=root\r\nx_client_subject: CN=root\r\n\r\n";
    for versions in VERSIONS {
        assert_eq!(guarded.ask(versions, None), Ok(200));
        let stranger = Authority::new("Other").issue(&["x.test"]);
        assert_eq!(guarded.ask(versions, Some(&stranger)), Err(AlertDescription::UnknownCA));
        let named = |guarded: &Guarded| {
            let requests = guarded.server.requests();
            requests.iter().filter(|request| request.field("x-client-subject") == Some("CN=server")).count()
        };
        let before = named(&guarded);
        assert_eq!(guarded.ask(versions, Some(&guarded.clients.issue(&["x.test"]))), Ok(200));
        assert!(named(&guarded) > before);
        let config = Arc::new(client_with(&guarded.front.root.pem, versions, None));
        let mut socket = connect_tls(guarded.proxy.address(), &config, HOST).unwrap();
        socket.send(forged).answer().expect(200);
        // Of the many requests of the others some may have come later.
        let got = guarded.server.requests().into_iter().rfind(|request| request.target() == "/").unwrap();
        assert!(!got.has("x-client-subject") && !got.has("x_client_subject"), "{got}");
    }
}

/// A session holds the certificate of its client, and resuming it asks nobody again; it must still be known who that is.
#[test]
fn a_resumed_session_is_still_its_clients() {
    let guarded = Guarded::new("require");
    let alice = guarded.clients.issue(&["x.test"]);
    for versions in VERSIONS {
        let config = Arc::new(client_with(&guarded.front.root.pem, versions, Some(&alice)));
        for connection in 0..4 {
            let mut socket = connect_tls(guarded.proxy.address(), &config, HOST).unwrap();
            socket.send(get("/")).answer().expect(200);
            let kind = socket.tls().handshake_kind().unwrap();
            assert_eq!(kind == rustls::HandshakeKind::Resumed, connection > 0, "{kind:?}");
            assert_eq!(guarded.server.last_request().field("x-client-subject"), Some("CN=server"));
        }
    }
    assert_eq!(guarded.handshakes(HandshakeOutcome::Resumed), 6);
}
