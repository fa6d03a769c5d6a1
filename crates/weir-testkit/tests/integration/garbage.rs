//! Servers that do not behave: what a client gets, and that the connection is not used again.
//! A short answer never looks whole (`semantics.md` §1.7).

use weir_testkit::client::{connect, fetch, get};
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::socket::End;

/// Every server that answers with these bytes and keeps the connection costs the client a 502 and the server the connection.
fn check_502(answer: &[u8], error: &str) {
    let bytes = answer.to_vec();
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        let _ = connection.try_send(&bytes);
        // Another request must not come here.
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for number in 1..=2 {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
        let got = client.send(get("/")).answer();
        assert_eq!(got.status(), 502, "{shown:?}: {got}");
        let status = got.field("proxy-status").unwrap();
        assert!(status.starts_with(&format!("weir; error={error}; details=\"")), "{shown:?}: {status}");
        assert!(!got.to_string().contains(&server.to_string()), "{got}");
        assert!(!got.says_close(), "the client did nothing wrong: {got}");
        server.wait_ended(number);
    }
}

#[test]
fn garbage_is_502() {
    for answer in [
        &b"garbage\r\n\r\n"[..],
        b"\x00\x01\x02\x03\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"HTTP/1.1 600 High\r\n\r\n",
        b"HTTP/1.1 2000 Long\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
    ] {
        check_502(answer, "http_protocol_error");
    }
}

#[test]
fn too_much_head_is_502() {
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(40 * 1024));
    check_502(long.as_bytes(), "http_response_header_section_size");
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(100 * 1024));
    check_502(endless.as_bytes(), "http_response_header_section_size");
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
    check_502(many.as_bytes(), "http_response_header_section_size");
}

#[test]
fn a_101_that_was_not_asked_for_is_502() {
    check_502(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "http_upgrade_failed",
    );
}

#[test]
fn a_server_that_says_nothing_is_502() {
    let server = Server::closing("");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for _ in 0..2 {
        let answer = client.send(get("/")).answer().expect(502);
        assert!(answer.field("proxy-status").unwrap().contains("error=connection_terminated"), "{answer}");
    }
    let server = Server::start(|mut connection| {
        connection.request();
        connection.reset();
    });
    fetch(&proxy::to(&server), "/").expect(502);
}

#[test]
fn a_server_that_closes_at_once_is_502() {
    let server = Server::start(weir_testkit::server::Connection::reset);
    fetch(&proxy::to(&server), "/").expect(502);
    let server = Server::start(drop);
    fetch(&proxy::to(&server), "/").expect(502);
}

const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX: y\r\n\r\n0123456789";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n000a;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n";

/// What clients of both versions get when the server ends the answer at `cut`.
fn check_cut(whole: &str, cut: usize, reset: bool) {
    let part = whole[..cut].to_owned();
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        connection.send(&part);
        if reset {
            connection.reset();
        }
    });
    let proxy = proxy::to(&server);
    for version in ["1.1", "1.0"] {
        let mut client = connect(&proxy);
        client.send(format!("GET / HTTP/{version}\r\nHost: a.test\r\n\r\n"));
        match client.try_answer() {
            Ok(answer) => {
                assert_eq!(
                    answer.status(),
                    502,
                    "{version}, cut at {cut}, {reset}: a short answer looks whole: {answer}"
                );
            }
            Err(broken) => {
                let head = whole.find("\r\n\r\n").unwrap() + 4;
                assert!(
                    cut >= head,
                    "{version}, cut at {cut}, {reset}: a broken head gets a 502, not {broken}"
                );
                assert!(broken.end.is_some(), "{version}, cut at {cut}: {broken}");
                let until_close = version == "1.0" && whole == CHUNKED;
                assert!(!until_close || broken.end == Some(End::Reset), "{version}, cut at {cut}: {broken}");
                assert!(
                    !broken.got.is_empty(),
                    "cut at {cut}, {reset}: neither a 502 nor the beginning of an answer"
                );
            }
        }
    }
    assert_eq!(proxy.idle_upstream(), 0, "cut at {cut}");
}

#[test]
fn semantics_1_7_a_sized_answer_cut_at_any_byte_never_looks_whole() {
    for cut in 0..SIZED.len() {
        check_cut(SIZED, cut, false);
    }
}

#[test]
fn semantics_1_7_a_chunked_answer_cut_at_any_byte_never_looks_whole() {
    for cut in 0..CHUNKED.len() {
        check_cut(CHUNKED, cut, false);
    }
}

#[test]
fn semantics_1_7_a_close_delimited_answer_that_is_reset_never_looks_whole() {
    let whole = "HTTP/1.1 200 OK\r\n\r\nsome content";
    for cut in whole.find("\r\n\r\n").unwrap() + 5..whole.len() {
        let part = whole[..cut].to_owned();
        let (seen, released) = std::sync::mpsc::sync_channel::<()>(1);
        let released = std::sync::Mutex::new(released);
        let server = Server::start(move |mut connection| {
            connection.expect_request();
            connection.send(&part);
            // A reset may overtake what was sent; only what the client has seen can be cut.
            released.lock().unwrap().recv().unwrap();
            connection.reset();
        });
        let proxy = proxy::to(&server);
        for version in ["1.1", "1.0"] {
            let mut client = connect(&proxy);
            client.send(format!("GET / HTTP/{version}\r\nHost: a.test\r\n\r\n"));
            let head = client.answer_head().expect(200);
            seen.send(()).unwrap();
            let (rest, end) = client.read_to_end();
            match head.field("transfer-encoding") {
                Some(_) => assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}"),
                None => assert_eq!(end, End::Reset),
            }
        }
    }
}

#[test]
fn broken_chunks_of_a_server_never_look_whole() {
    for chunks in [
        "3\r\nabcX",
        "x\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "-1\r\n",
        "3\r\nabc\r\n0\r\n A: b\r\n\r\n",
        "ffffffffffffffffff\r\n",
    ] {
        let server =
            Server::closing(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
        let proxy = proxy::to(&server);
        match connect(&proxy).send(get("/")).try_answer() {
            Ok(answer) => assert_eq!(answer.status(), 502, "{chunks:?}: {answer}"),
            Err(broken) => assert!(broken.end.is_some(), "{chunks:?}: {broken}"),
        }
        assert_eq!(proxy.idle_upstream(), 0, "{chunks:?}");
    }
}

#[test]
fn bytes_behind_an_answer_are_nobodys_answer() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        );
        // Another request must not come here.
        assert!(connection.request().is_none());
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for _ in 0..3 {
        assert_eq!(client.send(get("/")).answer().expect(200).text(), "ok");
    }
    assert_eq!(server.connections(), 3);
}

#[test]
fn bytes_that_come_later_are_nobodys_answer() {
    let (send, due) = std::sync::mpsc::sync_channel::<()>(1);
    let (done, sent) = std::sync::mpsc::sync_channel::<()>(1);
    let due = std::sync::Mutex::new(due);
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        if connection.number == 0 {
            due.lock().unwrap().recv().unwrap();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            done.send(()).unwrap();
            assert!(connection.request().is_none());
        }
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(200);
    send.send(()).unwrap();
    sent.recv().unwrap();
    // The bytes are in the proxy's socket before the next request is, because both go over the loopback in order of time;
    // the worker looks at its sockets in between.
    assert_eq!(proxy.connections(), 1);
    assert_eq!(client.send(get("/")).answer().expect(200).text(), "ok");
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_body_behind_an_answer_that_has_none_is_nobodys_answer() {
    for answer in [
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ] {
        let server = Server::answering(answer);
        let proxy = proxy::to(&server);
        let mut client = connect(&proxy);
        for _ in 0..3 {
            let got = client.send(get("/")).answer();
            assert!(matches!(got.status(), 204 | 304) && !got.has("transfer-encoding"), "{got}");
        }
        assert!(client.is_silent(), "{answer:?}");
        assert_eq!(server.connections(), 3, "{answer:?}");
    }
}
