//! What servers are told about the client (`semantics.md` §1.8), and what clients are told about the way.

use weir_testkit::client::{ask, connect, fetch};
use weir_testkit::proxy;
use weir_testkit::server::Server;

const CLAIMS: &str = "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-For: 3.3.3.3\r\nX-Forwarded-Proto: https\r\n\
    X-Forwarded-Host: claimed.test\r\nX-Real-IP: 4.4.4.4\r\nForwarded: for=5.5.5.5\r\nX-Backend-Server: claimed\r\n";

fn with_claims() -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test:81\r\n{CLAIMS}\r\n")
}

#[test]
fn semantics_1_8_an_untrusted_peer_claims_nothing() {
    let server = Server::saying("ok");
    ask(&proxy::to(&server), with_claims()).expect(200);
    let got = server.only_request();
    assert_eq!(got.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(got.field("x-forwarded-proto"), Some("http"));
    assert_eq!(got.field("x-forwarded-host"), Some("a.test:81"));
    assert_eq!(got.field("x-real-ip"), Some("127.0.0.1"));
    assert!(!got.has("forwarded") && !got.has("x-backend-server"), "{got}");
}

#[test]
fn semantics_1_8_a_trusted_peer_is_appended() {
    let server = Server::saying("ok");
    ask(&proxy::with(&server, "trusted_proxies: [127.0.0.0/8, 3.3.3.3]"), with_claims()).expect(200);
    let got = server.only_request();
    assert_eq!(got.field("x-forwarded-for"), Some("1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1"));
    assert_eq!(got.field("x-forwarded-proto"), Some("https"));
    assert_eq!(got.field("x-forwarded-host"), Some("claimed.test"));
    assert!(!got.has("x-backend-server"), "{got}");
}

#[test]
fn semantics_1_8_the_client_is_the_right_most_untrusted_entry() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "trusted_proxies: [127.0.0.0/8, 3.3.3.3]");
    for (claimed, client) in [
        ("1.1.1.1, 2.2.2.2, 3.3.3.3", "2.2.2.2"),
        ("3.3.3.3", "3.3.3.3"),
        ("9.9.9.9", "9.9.9.9"),
        ("1.1.1.1, 3.3.3.3, 127.0.0.9", "1.1.1.1"),
    ] {
        ask(&proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {claimed}\r\n\r\n"))
            .expect(200);
        assert_eq!(server.last_request().field("x-real-ip"), Some(client), "{claimed}");
    }
}

#[test]
fn a_peer_that_is_not_listed_is_not_trusted() {
    let server = Server::saying("ok");
    ask(&proxy::with(&server, "trusted_proxies: [10.0.0.0/8, \"::1\"]"), with_claims()).expect(200);
    assert_eq!(server.only_request().field("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn forwarded_is_sent_when_asked_for() {
    let server = Server::saying("ok");
    ask(&proxy::with(&server, "forwarded: true"), with_claims()).expect(200);
    let expected = "for=127.0.0.1;proto=http;host=\"a.test:81\"";
    assert_eq!(server.last_request().field("forwarded"), Some(expected));
    ask(&proxy::with(&server, "forwarded: true\ntrusted_proxies: 127.0.0.1"), with_claims()).expect(200);
    let appended = format!("for=5.5.5.5, {expected}");
    assert_eq!(server.last_request().field("forwarded"), Some(&*appended));
}

#[test]
fn semantics_1_8_a_request_id_is_kept_if_it_is_short_and_visible_else_made() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let longest = "a".repeat(128);
    for kept in ["abc-123", "!", &longest] {
        let answer = ask(&proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: {kept}\r\n\r\n"));
        assert_eq!(answer.field("x-request-id"), Some(kept));
        assert_eq!(server.last_request().field("x-request-id"), Some(kept));
    }
    let too_long = "a".repeat(129);
    for refused in ["", "a b", "\u{e4}", "a\tb", &too_long] {
        let answer =
            ask(&proxy, format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: {refused}\r\n\r\n"));
        let made = answer.field("x-request-id").unwrap();
        assert_ne!(made, refused);
        assert_eq!(made.len(), 32);
        assert_eq!(server.last_request().field("x-request-id"), Some(made));
    }
}

#[test]
fn request_ids_are_made_anew_for_each_request() {
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: of-the-server\r\n\r\n");
    let proxy = proxy::to(&server);
    let mut ids: Vec<_> =
        (0..10).map(|_| fetch(&proxy, "/").field("x-request-id").map(str::to_owned).unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}

#[test]
fn via_grows_in_both_directions() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nVia: 1.1 inner\r\n\r\n");
    let proxy = proxy::to(&server);
    let answer = ask(&proxy, "GET / HTTP/1.1\r\nHost: a.test\r\nVia: 2 outer\r\n\r\n");
    assert_eq!(answer.all("via").join(", "), "1.1 inner, 1.1 weir");
    assert_eq!(server.only_request().all("via").join(", "), "2 outer, 1.1 weir");
}

#[test]
fn a_date_is_kept_or_made() {
    let dated = "Sun, 06 Nov 1994 08:49:37 GMT";
    let server = Server::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: {dated}\r\n\r\n"));
    assert_eq!(fetch(&proxy::to(&server), "/").field("date"), Some(dated));
    let server = Server::saying("ok");
    let answer = fetch(&proxy::to(&server), "/");
    let made = answer.field("date").unwrap();
    assert!(made.ends_with(" GMT") && made.len() == 29, "{made}");
}

#[test]
fn semantics_1_8_backend_server_only_where_it_is_on() {
    let server = Server::saying("ok");
    let claim = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Backend-Server: claimed\r\n\r\n";
    let proxy = proxy::to(&server);
    assert!(!ask(&proxy, claim).has("x-backend-server"));
    let proxy = proxy::with(&server, "backend_server: true");
    let answer = connect(&proxy).send(claim).answer();
    assert_eq!(answer.field("x-backend-server"), Some(&*server.to_string()));
    assert!(!server.last_request().has("x-backend-server"));
}

#[test]
fn clients_with_an_ipv6_address() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        // A machine without IPv6 has no such clients.
        return;
    }
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "listen: \"[::1]:0\"\nforwarded: true");
    ask(&proxy, with_claims()).expect(200);
    let got = server.only_request();
    assert_eq!(got.field("x-forwarded-for"), Some("::1"));
    // RFC 7239 §6: in brackets and quotes.
    assert_eq!(got.field("forwarded"), Some("for=\"[::1]\";proto=http;host=\"a.test:81\""));
}
