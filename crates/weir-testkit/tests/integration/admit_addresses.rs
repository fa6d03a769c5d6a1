//! Who may ask, by address.

use weir_core::refusal::Refusal;
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;

/// A proxy whose one route has these rules.
fn admitting(server: &Server, admit: &str, top: &str) -> Running {
    proxy::start(&format!("{top}\nservices: [{{host: \"*\", admit: {admit}, upstream: [\"{server}\"]}}]"))
}

/// A request that says it was passed on for this client.
fn from(proxy: &Running, client: &str) -> Message {
    ask(proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n\r\n"))
}

fn refused(proxy: &Running) -> u64 {
    proxy.status().refused_by_reason[Refusal::Address as usize]
}

#[test]
fn a_denied_address_gets_403_and_no_server_is_asked() {
    let server = Server::saying("ok");
    let proxy = admitting(&server, "{deny: 127.0.0.0/8}", "");
    let answer = fetch(&proxy, "/").expect(403);
    assert!(answer.field("proxy-status").unwrap().contains("error=http_request_denied"), "{answer}");
    assert!(!answer.text().contains("127."), "nothing of the rules is told: {answer}");
    assert_eq!(server.connections(), 0);
    assert_eq!(refused(&proxy), 1);
}

#[test]
fn with_allow_everybody_else_gets_403() {
    let server = Server::saying("ok");
    fetch(&admitting(&server, "{allow: [192.0.2.0/24, 127.0.0.1]}", ""), "/").expect(200);
    fetch(&admitting(&server, "{allow: [192.0.2.0/24, \"::1\"]}", ""), "/").expect(403);
    fetch(&admitting(&server, "{allow: 127.0.0.1, deny: 127.0.0.0/8}", ""), "/").expect(403);
    fetch(&admitting(&server, "{deny: 192.0.2.0/24}", ""), "/").expect(200);
}

// semantics.md §1.8
#[test]
fn semantics_1_8_a_client_can_not_choose_the_address_that_is_asked_about() {
    let server = Server::saying("ok");
    let proxy = admitting(&server, "{allow: 192.0.2.7}", "");
    from(&proxy, "192.0.2.7").expect(403);
    let proxy = admitting(&server, "{deny: 127.0.0.1}", "");
    from(&proxy, "192.0.2.7").expect(403);
}

#[test]
fn semantics_1_8_behind_a_trusted_proxy_the_client_is_asked_about() {
    let server = Server::saying("ok");
    let proxy = admitting(&server, "{allow: 192.0.2.0/24, deny: 192.0.2.66}", "trusted_proxies: 127.0.0.1");
    from(&proxy, "192.0.2.7").expect(200);
    from(&proxy, "10.9.9.9, 192.0.2.7").expect(200);
    from(&proxy, "::ffff:192.0.2.7").expect(200);
    from(&proxy, "192.0.2.66").expect(403);
    from(&proxy, "::ffff:192.0.2.66").expect(403);
    from(&proxy, "192.0.2.7, 10.9.9.9").expect(403);
    // What is no address leaves the last one that is known: the trusted proxy itself, which is not allowed.
    from(&proxy, "unknown").expect(403);
    fetch(&proxy, "/").expect(403);
    assert_eq!(refused(&proxy), 5);
}

#[test]
fn each_route_has_its_rules_and_no_spelling_of_a_path_escapes_them() {
    let server = Server::saying("ok");
    let proxy = proxy::start(&format!(
        "services:
  - host: \"*\"
    admit: {{deny: 127.0.0.1}}
    routes:
      - {{path: /open/, admit: off, upstream: [\"{server}\"]}}
      - {{path: /, upstream: [\"{server}\"]}}
      - {{path: /local/, admit: {{allow: 127.0.0.1}}, upstream: [\"{server}\"]}}
"
    ));
    for (target, status) in [
        ("/open/x", 200),
        ("/local/x", 200),
        ("/x", 403),
        ("/open/../x", 403),
        ("/open/%2e%2e/x", 403),
        ("/openx", 403),
        ("/%6fpen/x", 200),
    ] {
        assert_eq!(fetch(&proxy, target).status(), status, "{target}");
    }
}

#[test]
fn a_refused_request_keeps_the_connection_when_its_body_is_here() {
    let server = Server::saying("ok");
    let proxy = admitting(&server, "{deny: 127.0.0.1}", "");
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(403);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc").answer().expect(403);
    client.send(get("/")).answer().expect(403);
    // One that waits for a word before it sends its body is not told to send it.
    let waits = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    assert!(client.send(waits).answer().expect(403).says_close());
}

#[test]
fn answers_of_other_kinds_are_guarded_too() {
    let proxy = proxy::start(
        "services: [{host: \"*\", admit: {deny: 127.0.0.1}, routes: [{path: /a, respond: {}}, {path: /b, redirect: /a}]}]",
    );
    fetch(&proxy, "/a").expect(403);
    fetch(&proxy, "/b").expect(403);
}
