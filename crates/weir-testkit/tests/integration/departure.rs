//! Who goes away, and what becomes of the exchange then (`semantics.md` §1.7).

use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::End;

#[test]
fn semantics_1_7_a_fin_after_a_whole_request_is_no_cancellation() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for request in [
        get("/"),
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
            .to_owned(),
    ] {
        let mut client = connect(&proxy);
        client.send(&request).half_close();
        assert_eq!(client.answer().expect(200).text(), "ok", "{request}");
        assert_eq!(client.expect_end(), End::Fin);
    }
}

#[test]
fn a_fin_while_the_server_thinks_is_no_cancellation() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        // The client has ended its side long before the answer comes.
        assert!(connection.is_silent());
        connection.send(sized("ok"));
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(get("/")).half_close();
    assert_eq!(client.answer().expect(200).text(), "ok");
    drop(proxy);
}

#[test]
fn a_fin_behind_pipelined_requests_is_no_cancellation_of_any() {
    let server = Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(sized(request.target()));
        }
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(["/1", "/2", "/3"].map(get).concat()).half_close();
    for target in ["/1", "/2", "/3"] {
        assert_eq!(client.answer().expect(200).text(), target);
    }
    assert_eq!(client.expect_end(), End::Fin);
}

#[test]
fn semantics_1_7_a_reset_cancels_the_request() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(get("/"));
    server.wait_requests(1);
    client.reset();
    server.wait_ended(1);
    assert_eq!(proxy.idle_upstream(), 0);
}

#[test]
fn a_reset_in_the_middle_of_the_body_cancels_the_request() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhi");
    server.wait_requests(1);
    client.reset();
    server.wait_ended(1);
}

#[test]
fn a_reset_or_a_close_in_the_middle_of_the_answer_cancels_the_rest() {
    for reset in [true, false] {
        let server = Server::start(|mut connection| {
            connection.expect_request();
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
            while connection.try_send(&chunk).is_ok() {}
        });
        let proxy = proxy::to(&server);
        let mut client = connect(&proxy);
        client.send(get("/")).answer_head().expect(200);
        client.read_exact(100_000);
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        server.wait_ended(1);
    }
}

#[test]
fn semantics_1_7_after_an_early_answer_the_body_is_not_forwarded_and_the_client_gets_the_answer() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10000000\r\n\r\nbegin");
    let answer = client.answer().expect(413);
    assert_eq!(answer.text(), "no");
    assert!(answer.says_close(), "{answer}");
    assert_eq!(proxy.connections(), 1, "the proxy has ended its side and reads on");
    // The proxy goes on reading for a while, so that the answer is not destroyed by a reset.
    client.send("a".repeat(100_000));
    assert_eq!(client.expect_end(), End::Fin);
    server.wait_ended(1);
    assert_eq!(proxy.idle_upstream(), 0, "a partly sent body costs the connection");
}

#[test]
fn an_answer_of_ours_reaches_a_client_that_is_still_sending() {
    let proxy = proxy::start("services: [{host: b.test, respond: {body: x}}]\n");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 200000\r\n\r\n");
    client.send("a".repeat(100_000));
    assert!(client.answer().expect(404).says_close());
    assert_eq!(proxy.connections(), 1, "the proxy has ended its side and reads on");
    client.send("a".repeat(100_000));
    assert_eq!(client.expect_end(), End::Fin);
}

#[test]
fn both_directions_move_at_the_same_time() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..5 {
            let chunk = connection.read_exact(10);
            connection.send(chunk);
        }
        assert_eq!(connection.read_exact(5), b"0\r\n\r\n");
        connection.send("0\r\n\r\n");
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.answer_head().expect(200);
    for number in 0..5 {
        let chunk = format!("5\r\nwave{number}\r\n");
        assert_eq!(client.send(&chunk).read_exact(10), chunk.as_bytes());
    }
    assert_eq!(client.send("0\r\n\r\n").read_exact(5), b"0\r\n\r\n");
    drop(proxy);
}

#[test]
fn a_server_that_answers_and_resets_before_it_has_read_all_is_heard() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        // Dropped with unread bytes, which is a reset.
        connection.read_exact(1);
    });
    let proxy = proxy::to(&server);
    for _ in 0..20 {
        let mut client = connect(&proxy);
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50000\r\n\r\n{}",
            "a".repeat(50_000)
        ));
        let answer = client.answer();
        // A reset may overtake the answer on its way to the proxy; a broken one must not come of it.
        assert!(matches!(answer.status(), 403 | 502), "{answer}");
    }
}

#[test]
fn what_comes_behind_the_last_request_is_read_so_that_closing_is_no_reset() {
    // RFC 9112 §9.6: closing with unread bytes is a reset, which can destroy the answer on its way.
    let (go, due) = std::sync::mpsc::sync_channel::<()>(1);
    let due = std::sync::Mutex::new(due);
    let server = Server::start(move |mut connection| {
        while connection.request().is_some() {
            due.lock().unwrap().recv().unwrap();
            connection.send(sized("ok"));
        }
    });
    let proxy = proxy::to(&server);
    for number in 1..=5 {
        let mut client = connect(&proxy);
        client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        server.wait_requests(number);
        client.send(get("/more"));
        go.send(()).unwrap();
        assert_eq!(client.answer().expect(200).text(), "ok");
        assert_eq!(client.expect_end(), End::Fin);
        assert!(proxy.connections() >= 1, "the proxy waits for the client's end");
        client.send("still here");
    }
}
