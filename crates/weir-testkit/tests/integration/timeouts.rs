//! Every timeout: what happens when it passes.

use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::End;

/// Reads requests and never answers.
fn mute() -> Server {
    Server::start(|mut connection| {
        connection.request_head();
        connection.until_end();
    })
}

#[test]
fn request_head_408() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "timeouts: {request_head: 50ms}");
    for part in ["G", "GET / HTTP/1.1\r\nHost: a.test\r\n", "\r\n\r"] {
        let mut client = connect(&proxy);
        assert!(client.send(part).answer().expect(408).says_close());
        assert_eq!(client.expect_end(), End::Fin);
    }
    // Also behind another request.
    let mut client = connect(&proxy);
    client.send(format!("{}GET", get("/")));
    client.answer().expect(200);
    client.answer().expect(408);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_head_that_drips_is_408_too() {
    let proxy = proxy::with(&Server::saying("ok"), "timeouts: {request_head: 100ms}");
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nA: ");
    for _ in 0..100 {
        client.send("a");
        if !client.is_silent() {
            client.answer().expect(408);
            return;
        }
    }
    panic!("a byte now and then keeps a connection forever");
}

#[test]
fn idle_connections_are_closed_without_a_word() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "timeouts: {idle: 50ms}");
    let mut client = connect(&proxy);
    assert_eq!(client.expect_end(), End::Fin);
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(200);
    assert_eq!(client.expect_end(), End::Fin);
    // An empty line behind a request (RFC 9112 §2.2) begins no other one.
    let mut client = connect(&proxy);
    client.send(format!("{}\r\n", get("/"))).answer().expect(200);
    assert_eq!(client.expect_end(), End::Fin);
}

#[test]
fn request_body_408() {
    let server = mute();
    let proxy = proxy::with(&server, "timeouts: {request_body: 50ms}");
    for framing in ["Content-Length: 10\r\n\r\nhi", "Transfer-Encoding: chunked\r\n\r\n5\r\nhe"] {
        let mut client = connect(&proxy);
        client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}"));
        assert!(client.answer().expect(408).says_close());
        assert_eq!(client.expect_end(), End::Fin);
    }
    server.wait_ended(2);
}

#[test]
fn a_body_that_moves_may_take_its_time() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "timeouts: {request_body: 300ms}");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\n\r\n");
    for _ in 0..12 {
        assert!(client.is_silent());
        client.send("a");
    }
    client.answer().expect(200);
}

#[test]
fn connect_504() {
    let proxy = proxy::start(&format!(
        "timeouts: {{connect: 50ms}}\nservices: [{{host: \"*\", upstream: [\"{}\"]}}]\n",
        Server::unresponsive()
    ));
    let mut client = connect(&proxy);
    let answer = client.send(get("/")).answer().expect(504);
    assert!(answer.field("proxy-status").unwrap().contains("error=connection_timeout"), "{answer}");
    client.send(get("/")).answer().expect(504);
}

#[test]
fn one_server_that_does_not_accept_leaves_time_for_the_others() {
    let server = Server::saying("ok");
    let proxy = proxy::start(&format!(
        "timeouts: {{connect: 600ms}}\nservices: [{{host: \"*\", upstream: [\"{}\", \"{server}\"]}}]\n",
        Server::unresponsive()
    ));
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi").answer().expect(200);
    client.send(get("/")).answer().expect(200);
}

#[test]
fn answer_head_504() {
    let server = mute();
    let proxy = proxy::with(&server, "timeouts: {answer_head: 50ms}");
    let mut client = connect(&proxy);
    let answer = client.send(get("/")).answer().expect(504);
    assert!(answer.field("proxy-status").unwrap().contains("error=http_response_timeout"), "{answer}");
    assert!(!answer.says_close(), "{answer}");
    server.wait_ended(1);
    // Half a head is none.
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-");
        connection.until_end();
    });
    let proxy = proxy::with(&server, "timeouts: {answer_head: 50ms}");
    connect(&proxy).send(get("/")).answer().expect(504);
}

/// The server must have its turn in time, and on a busy machine 50 ms passed once before it had. That it gives no more time is held
/// against a clock that tests turn (`weir-proxy`, `tests::drip`).
#[test]
fn an_interim_answer_is_no_head() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 103 Early Hints\r\n\r\n");
        connection.until_end();
    });
    let proxy = proxy::with(&server, "timeouts: {answer_head: 2s}");
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(103);
    client.answer().expect(504);
}

#[test]
fn the_time_for_the_head_begins_when_the_request_is_sent() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "timeouts: {answer_head: 300ms}");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\n\r\n");
    for _ in 0..12 {
        assert!(client.is_silent());
        client.send("a");
    }
    client.answer().expect(200);
}

/// Sends this and then nothing, without closing.
fn stuck(answer: &str) -> Server {
    let answer = answer.to_owned();
    Server::start(move |mut connection| {
        connection.expect_request();
        connection.send(&answer);
        connection.until_end();
    })
}

#[test]
fn an_answer_that_stands_still_is_visibly_broken() {
    for top in ["timeouts: {answer_body: 50ms}", "timeouts: {request: 250ms}"] {
        for (answer, version, end) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "1.1", None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "1.1", None),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "1.0", Some(End::Reset)),
            ("HTTP/1.1 200 OK\r\n\r\nabc", "1.1", None),
            ("HTTP/1.1 200 OK\r\n\r\nabc", "1.0", Some(End::Reset)),
        ] {
            let server = stuck(answer);
            let proxy = proxy::with(&server, top);
            let mut client = connect(&proxy);
            client.send(format!("GET / HTTP/{version}\r\nHost: a.test\r\n\r\n"));
            let broken = client.try_answer().unwrap_err();
            assert!(String::from_utf8_lossy(&broken.got).contains("abc"), "{broken}");
            assert!(broken.end.is_some() && (end.is_none() || broken.end == end), "{broken}");
            server.wait_ended(1);
        }
    }
}

#[test]
fn a_whole_request_has_a_time() {
    let server = mute();
    let proxy = proxy::with(&server, "timeouts: {request: 50ms}");
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(504);
    // A body that drips is a part of the request.
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n");
    for _ in 0..100 {
        if client.send("a").is_silent() {
            continue;
        }
        assert!(client.answer().expect(504).says_close());
        server.wait_ended(2);
        return;
    }
    panic!("a body that drips keeps a request forever");
}

#[test]
fn a_whole_requests_time_begins_anew_with_each() {
    let server = Server::start(|mut connection| {
        while connection.request().is_some() {
            connection.is_silent();
            connection.send(sized("ok"));
        }
    });
    let proxy = proxy::with(&server, "timeouts: {request: 400ms}");
    let mut client = connect(&proxy);
    for _ in 0..15 {
        client.send(get("/")).answer().expect(200);
    }
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
        while connection.try_send(&chunk).is_ok() {}
    });
    let proxy = proxy::with(&server, "timeouts: {client_write: 100ms}");
    let mut client = connect(&proxy);
    client.send(get("/")).answer_head().expect(200);
    server.wait_ended(1);
    let (bytes, _) = client.read_to_end();
    assert!(!bytes.ends_with(b"0\r\n\r\n"));
}

#[test]
fn a_server_that_takes_nothing_is_504() {
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let released = std::sync::Mutex::new(released);
    let server = Server::start(move |connection| {
        released.lock().unwrap().recv().unwrap();
        drop(connection);
    });
    let proxy = proxy::with(&server, "timeouts: {answer_body: 100ms}");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000\r\n\r\n");
    let mut writer = client.another();
    let writing = std::thread::spawn(move || while writer.try_send([0; 65_536]).is_ok() {});
    let answer = client.answer();
    assert_eq!(answer.status(), 504, "{answer}");
    drop(client);
    writing.join().unwrap();
    release.send(()).unwrap();
}
