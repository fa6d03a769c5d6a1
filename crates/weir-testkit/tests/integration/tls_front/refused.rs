//! Clients that can't be served: too old, of another protocol, without TLS at all.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::{AlertDescription, ClientConfig, Error};
use weir_core::handshake::HandshakeOutcome;
use weir_testkit::certificate::client_with;
use weir_testkit::client::{connect, connect_tls, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::{End, Socket, refusal};

use super::{Front, HOST};

fn offering(front: &Front, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut config = (*front.client()).clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// How a client with this configuration is refused.
fn alert(proxy: &Running, config: &Arc<ClientConfig>) -> AlertDescription {
    match refusal(connect_tls(proxy.address(), config, HOST).unwrap_err()) {
        Error::AlertReceived(alert) => alert,
        error => panic!("{error}"),
    }
}

fn count(proxy: &Running, outcome: HandshakeOutcome) -> u64 {
    // The worker answers this when it has done what there was to do.
    proxy.connections();
    proxy.status().tls_handshakes[outcome as usize]
}

/// RFC 7301 §3.2
#[test]
fn the_protocol_is_chosen_or_refused() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = front.to(&server);
    for (offered, chosen) in [
        (&["http/1.1"][..], Some("http/1.1")),
        (&["h2", "http/1.1"], Some("http/1.1")),
        (&["http/1.0", "http/1.1", "h2", "other"], Some("http/1.1")),
        (&["http/1.0"], Some("http/1.0")),
        (&[], None),
    ] {
        let mut client = connect_tls(proxy.address(), &offering(&front, offered), HOST).unwrap();
        assert_eq!(client.tls().alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
        client.send(get("/")).answer().expect(200);
    }
    for offered in [&["h2"][..], &["http/0.9"], &["h3", "acme-tls/1"]] {
        let refused = alert(&proxy, &offering(&front, offered));
        assert_eq!(refused, AlertDescription::NoApplicationProtocol, "{offered:?}");
    }
    assert_eq!(count(&proxy, HandshakeOutcome::Failed), 3);
}

#[test]
fn versions_below_the_lowest_are_refused_by_name() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let old = Arc::new(client_with(&front.root.pem, &[&rustls::version::TLS12], None));
    let new = Arc::new(client_with(&front.root.pem, &[&rustls::version::TLS13], None));
    let proxy = front.to(&server);
    for config in [&old, &new] {
        let mut client = connect_tls(proxy.address(), config, HOST).unwrap();
        client.send(get("/")).answer().expect(200);
    }
    let proxy = proxy::with(&server, &front.listen("min_version: '1.3'"));
    assert_eq!(alert(&proxy, &old), AlertDescription::ProtocolVersion);
    connect_tls(proxy.address(), &new, HOST).unwrap().send(get("/")).answer().expect(200);
}

/// What a client of TLS 1.1 says first (RFC 4346 §7.4.1.2), with suites that it shares with TLS 1.2.
#[test]
fn a_client_of_tls_1_1_is_told_that_its_version_is_too_old() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = front.to(&server);
    let mut hello = vec![1, 0, 0, 0, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x09, 0xc0, 0x13, 1, 0]);
    hello[3] = u8::try_from(hello.len() - 4).unwrap();
    let mut record = vec![22, 3, 1, 0, u8::try_from(hello.len()).unwrap()];
    record.extend(hello);
    let mut client = connect(&proxy);
    client.send(record);
    let (said, end) = client.read_to_end();
    // RFC 5246 §7.2: fatal, protocol_version.
    assert_eq!((said[0], &said[3..]), (21, &[0, 2, 2, 70][..]), "{said:?}");
    assert_eq!(end, End::Fin);
}

#[test]
fn plain_http_on_the_port_is_told_what_to_do() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = front.to(&server);
    let body = "x".repeat(100_000);
    for request in [
        get("/"),
        "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n{body}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let mut client = connect(&proxy);
        client.send(&request);
        let answer = client.answer().expect(400);
        assert!(answer.text().contains("this port speaks TLS"), "{answer}");
        assert!(answer.says_close(), "{answer}");
        assert_eq!(client.half_close().expect_end(), End::Fin);
    }
    assert_eq!(count(&proxy, HandshakeOutcome::PlainHttp), 4);
    assert!(server.requests().is_empty());
}

#[test]
fn tls_on_a_port_in_the_clear_is_400() {
    let (front, server) = (Front::new(), Server::saying("ok"));
    let proxy = proxy::to(&server);
    let stream: Socket = TcpStream::connect(proxy.address()).unwrap().into();
    let name = rustls::pki_types::ServerName::try_from(HOST).unwrap();
    let error = stream.with_tls(rustls::ClientConnection::new(front.client(), name).unwrap()).unwrap_err();
    // It reads an answer in the clear where a record should be.
    assert!(matches!(refusal(error), Error::InvalidMessage(_)));
    assert!(server.requests().is_empty());
}
