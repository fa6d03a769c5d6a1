//! Which certificate a client gets, and for which hosts it may then ask.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use weir_testkit::certificate::Certificate;
use weir_testkit::client::connect_tls;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::Socket;

use super::{Front, get_from, listen};

fn leaf(certificate: &Certificate) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap()
}

/// A proxy with these certificates.
fn serving(front: &Front, server: &Server, certificates: &[&Certificate]) -> Running {
    let list: Vec<String> = certificates
        .iter()
        .enumerate()
        .map(|(index, certificate)| format!("{{{}}}", front.written(&format!("{index}.pem"), certificate)))
        .collect();
    proxy::with(server, &listen(&format!("certificates: [{}]", list.join(", "))))
}

fn served(socket: &mut Socket) -> CertificateDer<'static> {
    socket.tls().peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn the_very_name_comes_before_a_wildcard_and_the_first_is_for_the_rest() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let first = front.root.issue(&["first.test", "127.0.0.1"]);
    let wildcard = front.root.issue(&["*.b.test"]);
    let exact = front.root.issue(&["exact.b.test"]);
    let proxy = serving(&front, &server, &[&first, &wildcard, &exact]);
    for (name, expected) in [
        ("first.test", &first),
        ("x.b.test", &wildcard),
        ("exact.b.test", &exact),
        ("EXACT.b.test", &exact),
        // An address is not asked for (RFC 6066 §3).
        ("127.0.0.1", &first),
    ] {
        let mut client = connect_tls(proxy.address(), &front.client(), name).unwrap();
        assert_eq!(served(&mut client), leaf(expected), "{name}");
        client.send(get_from(name)).answer().expect(200);
    }
}

#[test]
fn semantics_1_10_a_host_outside_of_what_was_asked_for_is_421() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let a = front.root.issue(&["a.test", "also-a.test", "*.a.test"]);
    let b = front.root.issue(&["b.test"]);
    let proxy = serving(&front, &server, &[&a, &b]);
    let mut client = front.connect(&proxy);
    for (host, status) in [
        ("a.test", 200),
        ("A.TEST", 200),
        ("a.test.", 200),
        ("a.test:8443", 200),
        ("also-a.test", 200),
        ("x.a.test", 200),
        ("x.y.a.test", 421),
        ("b.test", 421),
        ("127.0.0.1", 421),
        ("[::1]", 421),
    ] {
        let answer = client.send(get_from(host)).answer().expect(status);
        if answer.says_close() {
            client = front.connect(&proxy);
        }
    }
    // The authority of an absolute target is a host like any other.
    let absolute = "GET https://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n";
    front.connect(&proxy).send(absolute).answer().expect(421);
    let absolute = absolute.replace("b.test", "also-a.test");
    front.connect(&proxy).send(absolute).answer().expect(200);
}

#[test]
fn semantics_1_10_who_asked_for_no_name_may_ask_for_every_host() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let a = front.root.issue(&["a.test", "127.0.0.1"]);
    let proxy = serving(&front, &server, &[&a]);
    let mut client = connect_tls(proxy.address(), &front.client(), "127.0.0.1").unwrap();
    for host in ["a.test", "b.test", "127.0.0.1"] {
        client.send(get_from(host)).answer().expect(200);
    }
}

/// A name that no certificate has gets the first one; whoever believes that all the same may ask for that name.
#[test]
fn semantics_1_10_the_name_that_was_asked_for_is_served_whatever_the_certificate_says() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let a = front.root.issue(&["a.test"]);
    let proxy = serving(&front, &server, &[&a]);
    let mut config = (*front.client()).clone();
    config.dangerous().set_certificate_verifier(believing::anybody());
    let mut client = connect_tls(proxy.address(), &Arc::new(config), "Unknown.test").unwrap();
    client.send(get_from("unknown.test")).answer().expect(200);
    client.send(get_from("a.test")).answer().expect(200);
    client.send(get_from("other.test")).answer().expect(421);
}

mod believing {
    //! A client that looks at nothing, like `curl -k`.

    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    struct Anybody;

    pub(super) fn anybody() -> Arc<dyn ServerCertVerifier> {
        Arc::new(Anybody)
    }

    impl ServerCertVerifier for Anybody {
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
            default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
