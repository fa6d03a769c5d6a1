//! API keys.

use weir_testkit::client::{ask, connect};
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::socket::End;

use super::{Scratch, expect_refused, get_with, guarding, guarding_with, refusals, requests_of};

const SHOP: &str =
    "{api_key: {keys: {shop: \"${K:-shop-key-0123456789}\", office: \"${K:-office-key-0123456789}\"}}}";
const CHALLENGE: &[&str] = &["ApiKey header=\"X-API-Key\""];
const GOOD: &str = "X-API-Key: shop-key-0123456789\r\n";

#[test]
fn without_a_good_key_nothing_reaches_a_server() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, SHOP);
    for (fields, reason) in [
        ("", "missing"),
        ("X-API-Key:\r\n", "missing"),
        ("X-API-Key: nothing\r\n", "wrong"),
        ("X-API-Key: shop-key-012345678\r\n", "wrong"),
        ("X-API-Key: shop-key-01234567890\r\n", "wrong"),
        ("X-API-Key: SHOP-KEY-0123456789\r\n", "wrong"),
        ("X-API-Key: shop\r\n", "wrong"),
        ("X_API_Key: shop-key-0123456789\r\n", "missing"),
        ("Authorization: ApiKey shop-key-0123456789\r\n", "missing"),
    ] {
        let before = refusals(&proxy, reason);
        let answer = expect_refused(ask(&proxy, get_with(fields)), CHALLENGE);
        assert_eq!(refusals(&proxy, reason), before + 1, "{fields}");
        let detail =
            if reason == "missing" { "a credential is required" } else { "the credential is not accepted" };
        assert!(answer.text().contains(detail), "{answer}");
        assert!(!answer.text().contains("shop"), "{answer}");
    }
    let huge = format!("X-API-Key: {}\r\n", "a".repeat(20_000));
    expect_refused(ask(&proxy, get_with(&huge)), CHALLENGE);
    assert_eq!(server.connections(), 0);
    assert_eq!(requests_of(&proxy, "api_key", "shop"), Some(0));
}

#[test]
fn a_good_key_comes_in_and_is_taken_away() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, SHOP);
    for fields in [GOOD, "x-api-KEY: \t shop-key-0123456789 \r\n"] {
        ask(&proxy, get_with(fields)).expect(200);
        let seen = server.last_request();
        assert!(!seen.has("x-api-key"), "{seen}");
    }
    ask(&proxy, get_with("X-API-Key: office-key-0123456789\r\n")).expect(200);
    assert_eq!(requests_of(&proxy, "api_key", "shop"), Some(2));
    assert_eq!(requests_of(&proxy, "api_key", "office"), Some(1));
}

#[test]
fn a_key_is_forwarded_where_that_is_written() {
    let server = Server::saying("ok");
    let proxy =
        guarding(&server, "{api_key: {header: Token, keys: {a: \"${K:-0123456789abcdef}\"}, forward: true}}");
    ask(&proxy, get_with("Token: 0123456789abcdef\r\nX-API-Key: other\r\n")).expect(200);
    let seen = server.only_request();
    assert_eq!(seen.field("token"), Some("0123456789abcdef"));
    assert_eq!(seen.field("x-api-key"), Some("other"), "a field that proves nothing here is not ours");
    expect_refused(ask(&proxy, get_with(GOOD)), &["ApiKey header=\"Token\""]);
}

#[test]
fn two_keys_in_one_request_are_refused() {
    // A server behind that reads the last one would see another client than Weir, which reads the first.
    let server = Server::saying("ok");
    let proxy = guarding(&server, SHOP);
    for second in [GOOD, "X-API-Key: office-key-0123456789\r\n", "x-api-key: nothing\r\n", "X-API-Key:\r\n"] {
        expect_refused(ask(&proxy, get_with(&format!("{GOOD}{second}"))), CHALLENGE);
    }
    assert_eq!(refusals(&proxy, "repeated"), 4);
    // One field with a list in it is one key with a comma.
    expect_refused(
        ask(&proxy, get_with("X-API-Key: shop-key-0123456789, office-key-0123456789\r\n")),
        CHALLENGE,
    );
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_key_that_connection_names_is_gone_and_proves_nothing() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, SHOP);
    let fields = format!("{GOOD}Connection: keep-alive, X-API-Key\r\n");
    expect_refused(ask(&proxy, get_with(&fields)), CHALLENGE);
}

#[test]
fn every_method_is_asked_also_a_preflight() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, SHOP);
    for method in ["POST", "DELETE", "OPTIONS", "PROPFIND"] {
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\nOrigin: http://b.test\r\nAccess-Control-Request-Method: GET\r\n\r\n"
        );
        expect_refused(ask(&proxy, request), CHALLENGE);
    }
    let head = connect(&proxy).send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(401);
    assert_eq!(head.all("www-authenticate"), CHALLENGE);
    assert_eq!(server.connections(), 0);
    // This asks the proxy itself whether it is there, and no service.
    ask(&proxy, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n").expect(204);
}

#[test]
fn a_connection_is_kept_after_a_refusal() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, SHOP);
    let mut client = connect(&proxy);
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";
    let answer = expect_refused(client.send(post).answer(), CHALLENGE);
    assert!(!answer.says_close());
    client.send(get_with(GOOD)).answer().expect(200);
    // The body of a refused request is passed over, not read as a request.
    let smuggled = get_with(GOOD);
    let post =
        format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len());
    expect_refused(client.send(post).answer(), CHALLENGE);
    assert!(client.is_silent());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_connection_ends_after_a_refusal_with_a_body_that_is_not_here() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, SHOP);
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 500000\r\n\r\nabc");
    assert!(expect_refused(client.answer(), CHALLENGE).says_close());
    assert_eq!(client.expect_end(), End::Fin);
    // A client that asks before it sends is not asked for the body.
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    expect_refused(client.answer(), CHALLENGE);
    assert_eq!(server.connections(), 0);
}

#[test]
fn each_request_on_a_connection_proves_for_itself() {
    let server = Server::saying("ok");
    let proxy = guarding(&server, SHOP);
    let mut client = connect(&proxy);
    client.send(
        [get_with(GOOD), get_with(""), get_with(GOOD), get_with("X-API-Key: x\r\n"), get_with(GOOD)].concat(),
    );
    for status in [200, 401, 200, 401, 200] {
        client.answer().expect(status);
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn the_log_has_the_name_and_never_the_key() {
    for format in ["common", "combined", "json"] {
        let server = Server::saying("ok");
        let log = Scratch::empty();
        let top = format!("access_log: {{format: {format}, file: \"{log}\"}}");
        let mut proxy = guarding_with(&server, SHOP, &top);
        for fields in [GOOD, "X-API-Key: wrong-key-0123456789\r\n", ""] {
            ask(&proxy, get_with(&format!("{fields}Connection: close\r\n")));
        }
        proxy.begin_drain();
        proxy.drained();
        let text = log.text();
        let lines: Vec<&str> = text.lines().collect();
        let users = if format == "json" {
            ["\"user\":\"shop\"", "\"user\":null", "\"user\":null"]
        } else {
            ["127.0.0.1 - shop [", "127.0.0.1 - - [", "127.0.0.1 - - ["]
        };
        for (line, user) in lines.iter().zip(users) {
            assert!(line.contains(user), "no {user} in {line}");
        }
        assert_eq!(lines.len(), 3, "{text}");
        assert!(!text.contains("0123456789"), "{text}");
    }
}

#[test]
fn a_route_may_ask_for_less_or_for_something_else() {
    let server = Server::saying("ok");
    let proxy = proxy::start(&format!(
        "services:
  - host: \"*\"
    authenticate: {SHOP}
    routes:
      - {{path: /open, upstream: web, authenticate: off}}
      - {{path: /own, upstream: web, authenticate: {{api_key: {{header: Own, keys: {{a: \"${{K:-0123456789abcdef}}\"}}}}}}}}
      - {{path: /text, respond: {{body: hello}}}}
      - {{path: /, upstream: web}}
upstreams:
  web: {{servers: [\"{server}\"]}}
"
    ));
    let get = |path: &str, fields: &str| get_with(fields).replacen("GET /", &format!("GET {path}"), 1);
    ask(&proxy, get("/open", "")).expect(200);
    ask(&proxy, get("/open", "X-API-Key: mine\r\n")).expect(200);
    assert_eq!(
        server.last_request().field("x-api-key"),
        Some("mine"),
        "what is not asked for is not taken away"
    );
    expect_refused(ask(&proxy, get("/own", GOOD)), &["ApiKey header=\"Own\""]);
    ask(&proxy, get("/own", "Own: 0123456789abcdef\r\n")).expect(200);
    expect_refused(ask(&proxy, get("/text", "")), CHALLENGE);
    ask(&proxy, get("/text", GOOD)).expect(200);
    expect_refused(ask(&proxy, get("/%6fpen/../x", "")), CHALLENGE);
    ask(&proxy, get("/%6fpen", "")).expect(200);
}

#[test]
fn any_and_all_of_several() {
    let key = |header: &str, name: &str| {
        format!("{{api_key: {{header: {header}, keys: {{{name}: \"${{K:-{name}-0123456789abcdef}}\"}}}}}}")
    };
    let (a, b) = ("A: a-0123456789abcdef\r\n", "B: b-0123456789abcdef\r\n");
    let both = ["ApiKey header=\"A\"", "ApiKey header=\"B\""];
    let server = Server::saying("ok");
    let proxy = guarding(&server, &format!("{{any: [{}, {}]}}", key("A", "a"), key("B", "b")));
    ask(&proxy, get_with(a)).expect(200);
    ask(&proxy, get_with(b)).expect(200);
    ask(&proxy, get_with(&format!("A: wrong\r\n{b}"))).expect(200);
    let seen = server.last_request();
    assert!(
        !seen.has("a") && !seen.has("b"),
        "a credential is taken away whether it was needed or not: {seen}"
    );
    expect_refused(ask(&proxy, get_with("")), &both);
    expect_refused(ask(&proxy, get_with("A: b-0123456789abcdef\r\n")), &both);
    let log = Scratch::empty();
    let top = format!("access_log: {{format: json, file: \"{log}\"}}");
    let mut proxy = guarding_with(&server, &format!("{{all: [{}, {}]}}", key("A", "a"), key("B", "b")), &top);
    ask(&proxy, get_with(&format!("{a}{b}Connection: close\r\n"))).expect(200);
    for one in [a, b, "A: a-0123456789abcdef\r\nB: wrong\r\n"] {
        expect_refused(ask(&proxy, get_with(&format!("{one}Connection: close\r\n"))), &both);
    }
    assert_eq!(requests_of(&proxy, "api_key", "a"), Some(1), "half a proof is none");
    proxy.begin_drain();
    proxy.drained();
    assert!(log.text().lines().next().unwrap().contains("\"user\":\"a+b\""), "{}", log.text());
}
