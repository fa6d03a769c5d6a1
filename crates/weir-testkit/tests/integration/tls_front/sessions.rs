//! Sessions that are resumed, and those that must not be.

#![allow(
    clippy::disallowed_methods,
    reason = "the files are looked at by another thread, by the clock of the wall"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use weir_testkit::certificate::{Authority, client_with};
use weir_testkit::client::{connect_tls, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::PATIENCE;

use super::{Front, HOST};

const VERSIONS: [&[&SupportedProtocolVersion]; 2] = [&[&rustls::version::TLS13], &[&rustls::version::TLS12]];

/// How long to look away before the files could have been looked at again.
const MOMENT: Duration = Duration::from_millis(20);

/// Whether the next connection of this client resumes a session.
fn resumes(proxy: &Running, config: &Arc<ClientConfig>) -> bool {
    let mut socket = connect_tls(proxy.address(), config, HOST).unwrap();
    socket.send(get("/")).answer().expect(200);
    socket.tls().handshake_kind() == Some(HandshakeKind::Resumed)
}

/// Waits until another certificate is served than the one of this fingerprint.
fn until_another(proxy: &Running, before: &str) {
    let begun = Instant::now();
    while proxy.status().certificates[0].fingerprint == before {
        assert!(begun.elapsed() < PATIENCE, "the files are not read again");
        std::thread::park_timeout(MOMENT);
    }
}

#[test]
fn sessions_of_both_versions_are_resumed_across_workers() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = proxy::with(&server, &format!("{}workers: 2", front.listen("")));
    for versions in VERSIONS {
        let config = Arc::new(client_with(&front.root.pem, versions, None));
        let resumed: Vec<bool> = (0..12).map(|_| resumes(&proxy, &config)).collect();
        assert!(!resumed[0] && resumed[1..].iter().all(|resumed| *resumed), "{versions:?} {resumed:?}");
        // Another client has nothing to resume.
        assert!(!resumes(&proxy, &Arc::new(client_with(&front.root.pem, versions, None))));
    }
}

/// A proxy that knows clients by their certificates, clients of each version that have a session, and the fingerprint that is
/// served.
fn with_sessions(front: &Front, server: &Server) -> (Running, [Arc<ClientConfig>; 2], String) {
    let clients = Authority::new("Clients");
    let ca = front.files.write("clients.pem", &clients.pem);
    let proxy = proxy::with(server, &front.listen(&format!("client: {{mode: request, ca: {ca}}}")));
    let configs = VERSIONS
        .map(|versions| Arc::new(client_with(&front.root.pem, versions, Some(&clients.issue(&["x.test"])))));
    for config in &configs {
        assert!(!resumes(&proxy, config) && resumes(&proxy, config));
    }
    let fingerprint = proxy.status().certificates[0].fingerprint.clone();
    (proxy, configs, fingerprint)
}

#[test]
fn a_new_certificate_ends_no_session() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let (proxy, configs, before) = with_sessions(&front, &server);
    front.certificate("a.pem", &[HOST]);
    until_another(&proxy, &before);
    assert!(configs.iter().all(|config| resumes(&proxy, config)));
}

/// A session holds the client's certificate, and whoever resumes it is not asked again: clients of an authority that is
/// believed no more would get in for as long as their sessions live.
#[test]
fn sessions_end_when_clients_are_checked_with_another_authority() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let (proxy, configs, before) = with_sessions(&front, &server);
    front.files.write("clients.pem", Authority::new("Clients").pem);
    front.certificate("a.pem", &[HOST]);
    until_another(&proxy, &before);
    for config in &configs {
        let answer = connect_tls(proxy.address(), config, HOST).map(|mut socket| {
            // It may be refused already.
            let _ = socket.try_send(get("/"));
            socket.answer_or_refusal()
        });
        assert!(!matches!(answer, Ok(Ok(_))), "{answer:?}");
    }
}
