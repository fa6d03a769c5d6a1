//! The PROXY protocol, through sockets: who is believed, and what follows from that.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConnection;
use weir_core::proxy_header::ProxyHeaderOutcome as Outcome;
use weir_testkit::certificate::{self, Authority, Files};
use weir_testkit::client::{ask, connect, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::socket::Socket;

const LINE: &str = "PROXY TCP4 192.0.2.7 198.51.100.2 56324 443\r\n";

/// A proxy that expects headers from these peers.
fn expecting(server: &Server, peers: &str, top: &str, keys: &str) -> Running {
    proxy::start(&format!(
        "listen: {{address: \"127.0.0.1:0\", proxy_protocol: [{peers}]}}\n{top}\n\
         services: [{{host: \"*\", {keys} upstream: [\"{server}\"]}}]"
    ))
}

fn counted(proxy: &Running, outcome: Outcome) -> u64 {
    proxy.status().proxy_headers[outcome as usize]
}

#[test]
fn the_client_of_the_header_is_the_client_of_every_rule() {
    let server = Server::saying("ok");
    let keys = "admit: {allow: 192.0.2.0/24, rate: 3/d},";
    let proxy = expecting(&server, "127.0.0.1", "", keys);
    let mut client = connect(&proxy);
    client.send(LINE);
    for _ in 0..2 {
        client.send(get("/")).answer().expect(200);
        let got = server.last_request();
        assert_eq!(got.field("x-forwarded-for"), Some("192.0.2.7"));
        assert_eq!(got.field("x-real-ip"), Some("192.0.2.7"));
    }
    let from = |address: &str, fields: &str| {
        let line = LINE.replace("192.0.2.7", address);
        ask(&proxy, format!("{line}GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).status()
    };
    assert_eq!(from("203.0.113.1", ""), 403);
    // It is no trusted proxy: what it says in fields counts for nothing.
    assert_eq!(from("203.0.113.1", "X-Forwarded-For: 192.0.2.7\r\n"), 403);
    assert_eq!([from("192.0.2.7", ""), from("192.0.2.7", "")], [200, 429]);
    assert_eq!(counted(&proxy, Outcome::Named), 5);
}

#[test]
fn a_proxy_behind_the_header_may_be_trusted() {
    let server = Server::saying("ok");
    let proxy = expecting(&server, "127.0.0.1", "trusted_proxies: 192.0.2.7", "");
    ask(&proxy, format!("{LINE}GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"))
        .expect(200);
    assert_eq!(server.last_request().field("x-forwarded-for"), Some("203.0.113.9, 192.0.2.7"));
    assert_eq!(server.last_request().field("x-real-ip"), Some("203.0.113.9"));
}

#[test]
fn from_other_peers_a_header_is_a_malformed_request() {
    let server = Server::saying("ok");
    for proxy in [expecting(&server, "192.0.2.0/24, \"::1\"", "", ""), proxy::to(&server)] {
        ask(&proxy, get("/")).expect(200);
        let answer = connect(&proxy).send(LINE).send(get("/")).answer().expect(400);
        assert!(answer.says_close());
        ask(&proxy, "\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{0}").expect(400);
        assert_eq!(Outcome::ALL.map(|outcome| counted(&proxy, outcome)), [0; 5]);
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn without_a_header_there_is_no_answer() {
    let server = Server::saying("ok");
    let proxy = expecting(&server, "127.0.0.0/8", "", "");
    let mut client = connect(&proxy);
    client.send(get("/"));
    let (bytes, _) = client.read_to_end();
    assert_eq!(bytes, b"", "it is not known to speak HTTP");
    assert_eq!(counted(&proxy, Outcome::Malformed), 1);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_second_header_is_a_malformed_request() {
    let server = Server::saying("ok");
    let proxy = expecting(&server, "127.0.0.1", "", "");
    connect(&proxy).send(LINE).send(LINE).send(get("/")).answer().expect(400);
    assert_eq!(server.connections(), 0);
}

#[test]
fn the_header_comes_before_tls() {
    let (root, files, server) = (Authority::new("Root"), Files::new(), Server::saying("ok"));
    let certificate = root.issue(&["a.test"]);
    let proxy = proxy::start(&format!(
        "listen:\n- address: '127.0.0.1:0'\n  proxy_protocol: 127.0.0.1\n  \
         tls: {{certificate: {}, key: {}, issuer: {}}}\nservices: [{{host: a.test, upstream: ['{server}']}}]",
        files.write("a.pem", &certificate.chain),
        files.write("a.key", &certificate.key),
        files.write("root.pem", &root.pem),
    ));
    let handshake = |before: &[u8]| {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.write_all(before).unwrap();
        let name = "a.test".try_into().unwrap();
        let connection = ClientConnection::new(Arc::new(certificate::client(&root.pem)), name).unwrap();
        Socket::from(stream).with_tls(connection)
    };
    // The first bytes of the handshake stand right behind the header.
    let mut client = handshake(LINE.as_bytes()).unwrap();
    client.send(get("/")).answer().expect(200);
    let got = server.last_request();
    assert_eq!((got.field("x-real-ip"), got.field("x-forwarded-proto")), (Some("192.0.2.7"), Some("https")));
    assert!(handshake(b"").is_err(), "without a header there is no handshake");
    assert_eq!([Outcome::Named, Outcome::Malformed].map(|outcome| counted(&proxy, outcome)), [1, 1]);
}
