//! Clients in the clear are sent to https, and browsers are told to remember it.

use std::sync::Arc;

use weir_testkit::certificate::{self, Authority, Files};
use weir_testkit::client::{ask, connect_tls, fetch};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;

const SECURITY: &str = "strict-transport-security";

/// A proxy behind one that is trusted to say what the client spoke.
fn behind_a_proxy(server: &Server, https_only: &str) -> Running {
    proxy::start(&format!(
        "trusted_proxies: 127.0.0.1
services:
  - host: '*'
    https_only: {https_only}
    routes:
      - {{path: /, upstream: ['{server}']}}
      - {{path: /open, upstream: ['{server}'], https_only: false}}
      - {{path: /denied, upstream: ['{server}'], admit: {{deny: 127.0.0.1}}}}
      - {{path: /fixed, respond: {{status: 200, body: x}}}}
      - {{path: /moved, https_only: false, redirect: {{to: '$scheme://b.test$path'}}}}
"
    ))
}

fn said(proxy: &Running, scheme: &str, line: &str) -> Message {
    ask(
        proxy,
        format!(
            "{line} HTTP/1.1\r\nHost: A.test:8080\r\nX-Forwarded-Proto: {scheme}\r\nContent-Length: 0\r\n\r\n"
        ),
    )
}

#[test]
fn in_the_clear_everybody_is_sent_to_https() {
    let server = Server::saying("ok");
    let proxy = behind_a_proxy(&server, "true");
    for (line, location) in [
        ("GET /a%2fb/../c?x=1&y", "https://a.test/c?x=1&y"),
        ("POST /orders", "https://a.test/orders"),
        ("GET /denied", "https://a.test/denied"),
        ("GET /fixed", "https://a.test/fixed"),
    ] {
        let answer = said(&proxy, "http", line).expect(308);
        assert_eq!(answer.field("location"), Some(location), "{line}");
        assert_eq!(answer.field(SECURITY), None, "never in the clear: {line}");
    }
    assert_eq!(server.connections(), 0);
    said(&proxy, "http", "GET /open").expect(200);
    let without_host = ask(&proxy, "GET / HTTP/1.0\r\n\r\n");
    without_host.expect(400);
}

#[test]
fn over_https_browsers_are_told_to_stay() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nStrict-Transport-Security: max-age=1\r\n\r\nok",
    );
    let proxy = behind_a_proxy(&server, "{max_age: 1h, include_subdomains: true, preload: true}");
    for (line, status) in [("GET /", 200), ("GET /denied", 403), ("GET /fixed", 200)] {
        let answer = said(&proxy, "HTTPS", line).expect(status);
        let values: Vec<_> =
            answer.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(SECURITY)).collect();
        assert_eq!(values.len(), 1, "{line}: {answer}");
        assert_eq!(values[0].1, "max-age=3600; includeSubDomains; preload");
    }
    assert_eq!(
        said(&proxy, "https", "GET /open").field(SECURITY),
        Some("max-age=1"),
        "the server's own word"
    );
}

/// The first of several fields decided, so a client that could add one in front of its proxy's was believed; and a WebSocket
/// over TLS, which some proxies call `wss`, was sent to https for ever.
#[test]
fn what_was_spoken_is_said_once_and_by_a_name_that_it_has() {
    let server = Server::saying("ok");
    let proxy = behind_a_proxy(&server, "true");
    let status =
        |fields: &str| ask(&proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).status();
    let said = |scheme: &str| format!("X-Forwarded-Proto: {scheme}\r\n");
    for scheme in ["https", "HTTPS", "wss", "Wss"] {
        assert_eq!(status(&said(scheme)), 200, "{scheme}");
    }
    for scheme in ["http", "ws", "https, http", "https,https", "", "https:", "on"] {
        assert_eq!(status(&said(scheme)), 308, "{scheme}");
    }
    for (one, other) in [("https", "http"), ("http", "https"), ("https", "https")] {
        assert_eq!(status(&(said(one) + &said(other))), 308, "{one} and {other}");
    }
    assert_eq!(status(""), 308);
}

/// Behind a proxy that speaks TLS for us, a redirect to `$scheme` led out of it.
#[test]
fn the_scheme_of_a_redirect_is_what_the_client_spoke() {
    let proxy = behind_a_proxy(&Server::saying("ok"), "true");
    for (scheme, expected) in
        [("https", "https"), ("wss", "https"), ("http", "http"), ("https, http", "http")]
    {
        let location = format!("{expected}://b.test/moved");
        assert_eq!(said(&proxy, scheme, "GET /moved").field("location"), Some(&*location), "{scheme}");
    }
    let open = "services: [{host: '*', redirect: {to: '$scheme://b.test/'}}]";
    let open = proxy::start(open);
    assert_eq!(said(&open, "https", "GET /").field("location"), Some("http://b.test/"), "nobody is trusted");
}

#[test]
fn what_an_untrusted_client_says_of_itself_is_not_believed() {
    let server = Server::saying("ok");
    let proxy = proxy::start(&format!("services: [{{host: '*', https_only: true, upstream: ['{server}']}}]"));
    said(&proxy, "https", "GET /").expect(308);
    assert_eq!(fetch(&proxy, "/").field("location"), Some("https://a.test/"));
}

#[test]
fn the_port_is_where_clients_reach_https() {
    let server = Server::saying("ok");
    let proxy = behind_a_proxy(&server, "{port: 8443}");
    assert_eq!(said(&proxy, "http", "GET /x").field("location"), Some("https://a.test:8443/x"));
}

#[test]
fn a_listener_with_tls_is_https() {
    let (root, files, server) = (Authority::new("Root"), Files::new(), Server::saying("ok"));
    let own = root.issue(&["a.test"]);
    let (both, issuer) =
        (files.write("a.pem", format!("{}{}", own.chain, own.key)), files.write("root.pem", &root.pem));
    let proxy = proxy::start(&format!(
        "listen:
  - {{address: '127.0.0.1:0', tls: {{certificate: {both}, key: {both}, issuer: {issuer}}}}}
services: [{{host: '*', https_only: true, upstream: ['{server}']}}]
"
    ));
    let client = Arc::new(certificate::client(&root.pem));
    let mut socket = connect_tls(proxy.address(), &client, "a.test").unwrap();
    let answer = socket.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer().expect(200);
    assert_eq!(answer.field(SECURITY), Some("max-age=31536000"));
}
