//! Where a request ends (`semantics.md` §1.3): what two readers could read differently is refused.

use weir_testkit::client::{ask, connect};
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::socket::End;

/// Sends the request with another one behind it, and expects one answer with this status, the end, and nothing at the
/// server.
fn check(request: &[u8], status: u16) {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send([request, b"GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n"].concat());
    let shown = String::from_utf8_lossy(request).into_owned();
    let answer = client.answer();
    assert_eq!(answer.status(), status, "{shown:?}: {answer}");
    assert!(answer.says_close(), "{shown:?}: {answer}");
    assert_eq!(client.expect_end(), End::Fin, "{shown:?}");
    assert!(server.requests().is_empty(), "{shown:?}: {:?}", server.requests());
}

fn post(fields: &str, status: u16) {
    check(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n").as_bytes(), status);
}

#[test]
fn semantics_1_3_doubtful_lengths_are_400() {
    for value in ["5, 5", "5,5", "+5", "-5", "5 5", "0x5", "5;a", "", "a", "5.0", "99999999999999999999"] {
        post(&format!("Content-Length: {value}"), 400);
    }
    post("Content-Length: 5\r\nContent-Length: 5", 400);
    post("Content-Length: 5\r\ncontent-length: 6", 400);
    post("Content-Length: 5\r\nTransfer-Encoding: chunked", 400);
    post("Transfer-Encoding: chunked\r\nContent-Length: 5", 400);
    post("Transfer-Encoding: chunked\r\nContent-Length: 0", 400);
}

#[test]
fn semantics_1_3_any_coding_but_one_chunked_is_501() {
    for value in [
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, chunked",
        "chunked, gzip",
        "xchunked",
        "chunked;a=b",
        "\"chunked\"",
        "",
        "chunked,",
        "\x0bchunked",
    ] {
        let fields = format!("Transfer-Encoding: {value}");
        // A control byte makes the head malformed before anybody reads the coding.
        post(&fields, if value.starts_with('\x0b') { 400 } else { 501 });
    }
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501);
    post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501);
}

#[test]
fn semantics_1_3_http_1_0_with_transfer_encoding_is_400() {
    check(b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
}

#[test]
fn semantics_1_3_malformed_heads_are_400() {
    for head in [
        &b"GET / HTTP/1.1\nHost: a.test\n\n"[..],
        b"GET / HTTP/1.1\r\nHost: a.test\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\rC: d\r\n\r\n",
        b"GET / HTTP/1.1\rHost: a.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\x00c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nA\x00: b\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n\tc\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nA : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length : 5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding\t: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nA(: b\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n",
        b"GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"G(T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        check(head, 400);
    }
}

#[test]
fn semantics_1_3_the_end_of_a_head_is_found_wherever_it_is_cut() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n\r\n";
    let mut client = connect(&proxy);
    for cut in 1..request.len() {
        client.send(&request[..cut]);
        std::thread::yield_now();
        client.send(&request[cut..]);
        client.answer().expect(200);
    }
}

#[test]
fn broken_chunks_are_400_and_never_reach_the_server_as_a_whole_request() {
    for body in [
        "x\r\n",
        "5;\n",
        "-1\r\n",
        "0x5\r\n",
        "5 \r\nhello",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\n A: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nA : b\r\n\r\n",
        "fffffffffffffffff\r\n",
        "\r\n",
        " 5\r\nhello",
        "5\r\nhello\r\n0\r\nA: b\n\r\n",
        "5\r\nhello\r\n0\r\nA: \x00\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;\x00\r\nhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "5,5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
    ] {
        let server = Server::start(|mut connection| {
            // Perhaps nothing comes at all, when the fault is seen before anything is sent.
            let (bytes, _) = connection.read_to_end();
            assert!(!bytes.ends_with(b"0\r\n\r\n"), "a broken body looks whole: {bytes:?}");
        });
        let proxy = proxy::to(&server);
        let mut client = connect(&proxy);
        client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        let answer = client.answer();
        assert_eq!(answer.status(), 400, "{body:?}: {answer}");
        assert!(answer.says_close(), "{body:?}");
        assert_eq!(client.half_close().expect_end(), End::Fin, "{body:?}");
        drop(proxy);
        server.wait_ended(1);
    }
}

#[test]
fn a_malformed_trailer_section_is_no_request() {
    // The trailers of a body that is refused were once read again, as the next request on the connection.
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\
         GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n",
    );
    assert!(client.answer().expect(400).says_close());
    assert_eq!(client.half_close().expect_end(), End::Fin);
    assert!(!server.requests().iter().any(|request| request.target() == "/smuggled"));
}

#[test]
fn a_body_that_ends_too_early_is_400_and_cancels_the_request() {
    for request in [
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n12345",
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let server = Server::start(|mut connection| {
            // Perhaps nothing comes at all, when the fault is seen before anything is sent.
            let (bytes, _) = connection.read_to_end();
            assert!(!bytes.ends_with(b"0\r\n\r\n") && !bytes.ends_with(b"1234567890"), "{bytes:?}");
        });
        let proxy = proxy::to(&server);
        let mut client = connect(&proxy);
        client.send(request).half_close();
        client.answer().expect(400);
        server.wait_ended(1);
    }
}

#[test]
fn chunked_requests_reach_the_server_chunked_with_their_trailers() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let answer = ask(
        &proxy,
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         5;ext=1;q=\"a b\"\r\nhello\r\n00006\r\n world\r\n0;last\r\nX-Sum: 11\r\nX-Two: 2\r\n\r\n",
    );
    answer.expect(200);
    let got = server.only_request();
    assert_eq!(got.body, b"hello world");
    assert_eq!(got.field("transfer-encoding"), Some("chunked"));
    assert_eq!(got.field("trailer"), Some("X-Sum"));
    let trailers = [("X-Sum".to_owned(), "11".to_owned()), ("X-Two".to_owned(), "2".to_owned())];
    assert_eq!(got.trailers, trailers);
}

#[test]
fn trailers_never_carry_what_belongs_to_a_head() {
    // RFC 9110 §6.5.1: a server that merges trailers into the head must not learn from them who the client is, whom the
    // request is for or where it ends.
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let answer = ask(
        &proxy,
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\
         Host: evil.test\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\
         X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nX-Good: yes\r\n\r\n",
    );
    answer.expect(200);
    assert_eq!(server.only_request().trailers, [("X-Good".to_owned(), "yes".to_owned())]);
}
