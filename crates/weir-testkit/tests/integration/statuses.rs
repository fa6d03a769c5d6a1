//! Answers that Weir makes itself (`semantics.md` §1.10): small, honest, and with nothing internal.

use weir_testkit::client::{ask, connect, fetch};
use weir_testkit::proxy;
use weir_testkit::server::Server;

#[test]
fn semantics_1_10_statuses_and_reasons() {
    let server = Server::saying("ok");
    let refusing = Server::refusing();
    let garbage = Server::closing("garbage\r\n\r\n");
    let resetting = Server::start(|mut connection| {
        connection.request();
        connection.reset();
    });
    let mute = Server::start(|mut connection| {
        connection.until_end();
    });
    let proxy = proxy::start(&format!(
        "limits: {{body: 10B, target: 1KiB}}
services:
  - host: a.test
    routes:
      - {{path: /ok, methods: GET, upstream: [\"{server}\"]}}
      - {{path: /refused, upstream: [\"{refusing}\"]}}
      - {{path: /garbage, upstream: [\"{garbage}\"]}}
      - {{path: /reset, upstream: [\"{resetting}\"]}}
      - {{path: /mute, upstream: {{servers: [\"{mute}\"], timeouts: {{answer_head: 50ms}}}}}}
"
    ));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n", "a".repeat(2000));
    for (request, status, error) in [
        ("GET /refused HTTP/1.1\r\nHost: a.test\r\n", 502, "connection_refused"),
        ("GET /garbage HTTP/1.1\r\nHost: a.test\r\n", 502, "http_protocol_error"),
        ("GET /reset HTTP/1.1\r\nHost: a.test\r\n", 502, "connection_terminated"),
        ("GET /mute HTTP/1.1\r\nHost: a.test\r\n", 504, "http_response_timeout"),
        ("GET /none HTTP/1.1\r\nHost: a.test\r\n", 404, "destination_not_found"),
        ("GET /ok HTTP/1.1\r\nHost: b.test\r\n", 404, "destination_not_found"),
        ("PUT /ok HTTP/1.1\r\nHost: a.test\r\n", 405, "http_request_denied"),
        ("TRACE /ok HTTP/1.1\r\nHost: a.test\r\n", 405, "http_request_denied"),
        ("GET /ok HTTP/1.1\r\n", 400, "http_request_error"),
        ("PUT /none HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n", 413, "http_request_error"),
        (&long, 414, "http_request_error"),
        ("PUT /ok HTTP/1.1\r\nHost: a.test\r\nExpect: x\r\n", 417, "http_request_error"),
        ("PUT /ok HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: x\r\n", 501, "http_request_error"),
        ("GET /ok HTTP/1.2\r\nHost: a.test\r\n", 505, "http_request_error"),
    ] {
        let answer = ask(&proxy, format!("{request}\r\n"));
        assert_eq!(answer.status(), status, "{request:?}: {answer}");
        let proxy_status = answer.field("proxy-status").unwrap();
        assert!(
            proxy_status.starts_with(&format!("weir; error={error}; details=\"")),
            "{request:?}: {proxy_status}"
        );
        assert!(proxy_status.ends_with('"') && proxy_status.is_ascii(), "{request:?}: {proxy_status}");
        assert!(answer.text().starts_with(&format!("{status} ")), "{answer}");
        assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
        assert!(answer.has("date"), "{answer}");
        assert_eq!(answer.has("allow"), status == 405, "{answer}");
        let shown = answer.to_string();
        for internal in [&server, &garbage, &resetting, &mute] {
            assert!(!shown.contains(&internal.to_string()), "{shown}");
        }
        assert!(
            !shown.contains("127.0.0.1") && !shown.contains("panick") && !shown.contains(".rs"),
            "{shown}"
        );
    }
}

#[test]
fn answers_of_servers_have_no_proxy_status_of_ours() {
    let server = Server::answering("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    let answer = fetch(&proxy::to(&server), "/").expect(502);
    assert!(!answer.has("proxy-status"), "{answer}");
}

#[test]
fn text_or_json_by_accept() {
    let proxy = proxy::start("services: [{host: b.test, respond: {body: x}}]\n");
    for (accept, json) in [
        ("", false),
        ("Accept: */*\r\n", false),
        ("Accept: text/html, */*;q=0.8\r\n", false),
        ("Accept: application/json\r\n", true),
        ("Accept: application/json;q=0.5, text/plain\r\n", false),
        ("Accept: text/plain;q=0.5\r\nAccept: application/json\r\n", true),
        ("Accept: application/json;q=0\r\n", false),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Request-Id: a\"b\\c\r\n{accept}\r\n");
        let answer = ask(&proxy, request).expect(404);
        if json {
            assert_eq!(answer.field("content-type"), Some("application/json"));
            let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(value["status"], 404);
            assert_eq!(value["detail"], "no service for host a.test");
            assert_eq!(value["request_id"], "a\"b\\c");
        } else {
            assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"), "{accept}");
            assert!(answer.text().contains("request id: a\"b\\c"), "{answer}");
        }
    }
}

#[test]
fn head_of_an_answer_of_ours_has_no_body() {
    let proxy = proxy::start("services: [{host: b.test, respond: {body: x}}]\n");
    let mut client = connect(&proxy);
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let head = client.answer_to_head().expect(404);
    let get = client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer().expect(404);
    assert_eq!(head.field("content-length"), get.field("content-length"));
}
