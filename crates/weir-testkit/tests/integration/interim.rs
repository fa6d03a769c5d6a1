//! Interim answers and expectations (`semantics.md` §1.5).

use weir_testkit::client::{ask, connect, get};
use weir_testkit::proxy;
use weir_testkit::server::Server;

#[test]
fn semantics_1_5_interim_answers_are_passed_on_as_they_come() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection
            .send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n");
        // Only when the client has said that it has the hints.
        assert_eq!(connection.read_exact(2), b"ok");
        connection.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\n");
    let hints = client.answer().expect(103);
    assert_eq!(hints.field("link"), Some("</a.css>"));
    assert!(!hints.has("x-hop") && !hints.has("connection"), "{hints}");
    client.send("ok").answer().expect(102);
    client.answer().expect(200);
}

#[test]
fn interim_answers_then_the_final_one() {
    let server = Server::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nContent-Length: 5\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for _ in 0..2 {
        let hints = client.send(get("/")).answer().expect(103);
        // RFC 9110 §8.6: no Content-Length in a 1xx; a client that believed it would take the next head for a body.
        assert!(!hints.has("content-length") && !hints.has("transfer-encoding"), "{hints}");
        client.answer().expect(102);
        assert_eq!(client.answer().expect(200).text(), "ok");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn semantics_1_5_interim_answers_never_go_to_http_1_0() {
    let server = Server::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = proxy::to(&server);
    let answer = ask(&proxy, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").expect(200);
    assert_eq!(answer.text(), "ok");
}

#[test]
fn semantics_1_5_the_servers_100_is_passed_on_and_only_then_the_body_comes() {
    let server = Server::start(|mut connection| {
        let head = connection.request_head();
        assert_eq!(head.field("expect"), Some("100-continue"), "{head}");
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(connection.read_exact(5), b"hello");
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client.answer().expect(100);
    client.send("hello");
    let answer = client.answer().expect(200);
    assert!(!answer.says_close(), "{answer}");
    drop(proxy);
}

#[test]
fn a_final_answer_instead_of_100_reaches_the_client_without_its_body() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    // The client may send the body nevertheless, so that only closing keeps it from being taken for a request.
    assert!(client.answer().expect(401).says_close());
    server.wait_ended(1);
}

#[test]
fn an_answer_of_ours_needs_no_body() {
    let proxy = proxy::start("services: [{host: b.test, respond: {body: x}}]\n");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert!(client.answer().expect(404).says_close());
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert!(client.answer().expect(200).says_close());
}

#[test]
fn semantics_1_5_other_expectations_are_417() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for expect in ["200-ok", "100-continue, x", "x", "100-continue\r\nExpect: 100-continue"] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: {expect}\r\n\r\n");
        ask(&proxy, request).expect(417);
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn an_expectation_that_asks_for_nothing_is_not_passed_on() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    // RFC 9110 §10.1.1: without a body, and from HTTP/1.0, it is ignored.
    ask(&proxy, "GET / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n").expect(200);
    assert!(!server.last_request().has("expect"));
    ask(&proxy, "POST / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi")
        .expect(200);
    assert!(!server.last_request().has("expect"));
    assert_eq!(server.last_request().body, b"hi");
}

#[test]
fn a_flood_of_interim_answers_is_502() {
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    let server = Server::closing(format!("{flood}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(get("/"));
    for _ in 0..40 {
        match client.answer().status() {
            102 => {}
            502 => return,
            status => panic!("{status}"),
        }
    }
    panic!("40 interim answers and no end");
}
