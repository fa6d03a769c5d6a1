//! HTTP/1.0, as clients and as servers speak it (`semantics.md` §1.6).

use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::socket::End;

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n";

#[test]
fn semantics_1_6_a_length_or_the_end_never_chunks_and_no_trailers() {
    let server = Server::answering(CHUNKED);
    let proxy = proxy::to(&server);
    for connection in ["", "Connection: keep-alive\r\n"] {
        let mut client = connect(&proxy);
        client.send(format!("GET / HTTP/1.0\r\nHost: a.test\r\n{connection}\r\n"));
        let answer = client.answer().expect(200);
        assert_eq!(answer.body, b"hello", "{answer}");
        assert!(answer.until_close && answer.says_close(), "{answer}");
        assert!(!answer.has("transfer-encoding") && !answer.has("x-t"), "{answer}");
    }
    assert_eq!(server.connections(), 1, "the server's connection is kept whatever the client speaks");
}

#[test]
fn semantics_1_6_keep_alive_only_when_asked() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for _ in 0..3 {
        client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: Keep-Alive\r\n\r\n");
        let answer = client.answer().expect(200);
        assert_eq!(answer.field("connection"), Some("keep-alive"));
        assert_eq!(answer.field("content-length"), Some("2"));
    }
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    assert!(client.answer().expect(200).says_close());
    assert_eq!(client.expect_end(), End::Fin);
}

#[test]
fn close_beats_keep_alive() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive, close\r\n\r\n");
    assert!(client.answer().expect(200).says_close());
    assert_eq!(client.expect_end(), End::Fin);
}

#[test]
fn servers_always_get_http_1_1() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("POST /x HTTP/1.0\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi").answer().expect(200);
    let got = server.only_request();
    assert_eq!(got.start, "POST /x HTTP/1.1");
    assert_eq!(got.body, b"hi");
    assert_eq!(got.field("via"), Some("1.0 weir"));
}

#[test]
fn servers_that_speak_http_1_0_end_their_answers_by_closing() {
    let server = Server::closing("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for number in 1..=3 {
        let answer = client.send(get("/")).answer().expect(200);
        assert_eq!(answer.body, b"hello");
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"), "{answer}");
        assert_eq!(answer.field("via"), Some("1.0 weir"));
        assert_eq!(answer.start, "HTTP/1.1 200 OK");
        assert_eq!(server.connections(), number);
    }
}

#[test]
fn servers_that_speak_http_1_0_keep_a_connection_only_when_they_say_so() {
    for (connection, connections) in
        [("", 2), ("Connection: keep-alive\r\n", 1), ("Connection: keep-alive, close\r\n", 2)]
    {
        let server = Server::answering(format!("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n{connection}\r\nok"));
        let proxy = proxy::to(&server);
        let mut client = connect(&proxy);
        client.send(get("/")).answer().expect(200);
        client.send(get("/")).answer().expect(200);
        assert_eq!(server.connections(), connections, "{connection:?}");
    }
}

#[test]
fn an_http_1_0_server_with_chunks_is_not_understood() {
    let server = Server::closing("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let proxy = proxy::to(&server);
    connect(&proxy).send(get("/")).answer().expect(502);
}
