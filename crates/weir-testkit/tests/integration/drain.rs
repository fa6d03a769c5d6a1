//! Stopping without losing anything (`semantics.md` §4.3).

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use weir_testkit::client::{connect, fetch, get};
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::End;
use weir_testkit::wait::until;

#[test]
fn semantics_4_3_idle_connections_end_after_their_time() {
    let server = Server::saying("ok");
    let mut proxy = proxy::with(&server, "drain: {idle: 50ms}\nworkers: 2");
    let mut used = connect(&proxy);
    used.send(get("/")).answer().expect(200);
    let mut fresh = connect(&proxy);
    proxy.begin_drain();
    assert_eq!(used.expect_end(), End::Fin);
    assert_eq!(fresh.expect_end(), End::Fin);
    assert_eq!(proxy.drained(), 0);
}

#[test]
fn semantics_4_3_the_next_answer_of_an_idle_connection_is_its_last() {
    let server = Server::saying("ok");
    let mut proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(200);
    proxy.begin_drain();
    assert!(client.is_silent(), "an idle connection is kept for drain.idle");
    assert!(client.send(get("/")).answer().expect(200).says_close());
    assert_eq!(client.expect_end(), End::Fin);
    assert_eq!(proxy.drained(), 0);
}

#[test]
fn semantics_4_3_what_is_in_flight_ends_regularly() {
    let (go, due) = sync_channel::<()>(1);
    let due = Mutex::new(due);
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        due.lock().unwrap().recv().unwrap();
        connection.send(sized("late"));
        connection.until_end();
    });
    let mut proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(get("/"));
    server.wait_requests(1);
    proxy.begin_drain();
    assert!(client.is_silent());
    go.send(()).unwrap();
    let answer = client.answer().expect(200);
    assert_eq!(answer.text(), "late");
    assert!(answer.says_close(), "{answer}");
    assert_eq!(client.expect_end(), End::Fin);
    assert_eq!(proxy.drained(), 0);
}

#[test]
fn a_body_in_flight_ends_regularly() {
    let (go, due) = sync_channel::<()>(1);
    let due = Mutex::new(due);
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none");
        due.lock().unwrap().recv().unwrap();
        connection.send("two");
        connection.until_end();
    });
    let mut proxy = proxy::with(&server, "drain: {idle: 0s}");
    let mut client = connect(&proxy);
    client.send(get("/")).answer_head().expect(200);
    assert_eq!(client.read_exact(3), b"one");
    proxy.begin_drain();
    go.send(()).unwrap();
    assert_eq!(client.read_exact(3), b"two");
    // The head had been sent before the drain began, so nobody could say that this is the end.
    assert_eq!(client.expect_end(), End::Fin);
    assert_eq!(proxy.drained(), 0);
}

#[test]
fn after_the_deadline_the_rest_is_cut() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.until_end();
    });
    let mut proxy = proxy::with(&server, "drain: {idle: 0s, deadline: 50ms}");
    let mut client = connect(&proxy);
    client.send(get("/"));
    server.wait_requests(1);
    proxy.begin_drain();
    assert_eq!(proxy.drained(), 1);
    client.expect_end();
    server.wait_ended(1);
}

#[test]
fn nobody_waits_for_a_proxy_that_accepts_nothing_more() {
    // The sockets belong to the process and once stayed open until its end: new connections were taken by the kernel,
    // waited for as long as the drain took, and were reset then.
    let (go, due) = sync_channel::<()>(1);
    let due = Mutex::new(due);
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        due.lock().unwrap().recv().unwrap();
        connection.send(sized("ok"));
        connection.until_end();
    });
    let mut proxy = proxy::to(&server);
    let address = proxy.address();
    let mut client = connect(&proxy);
    client.send(get("/"));
    server.wait_requests(1);
    proxy.begin_drain();
    std::thread::scope(|scope| {
        let drained = scope.spawn(|| proxy.drained());
        until(|| TcpStream::connect(address).is_err());
        go.send(()).unwrap();
        client.answer().expect(200);
        assert_eq!(drained.join().unwrap(), 0);
    });
}

#[test]
fn pipelined_requests_behind_the_last_answer_are_not_sent() {
    let (go, due) = sync_channel::<()>(1);
    let due = Mutex::new(due);
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        due.lock().unwrap().recv().unwrap();
        connection.send(sized("ok"));
        assert!(connection.request().is_none());
    });
    let mut proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(["/1", "/2"].map(get).concat());
    server.wait_requests(1);
    proxy.begin_drain();
    go.send(()).unwrap();
    assert!(client.answer().expect(200).says_close());
    assert_eq!(client.half_close().expect_end(), End::Fin);
    assert_eq!(proxy.drained(), 0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn stopping_at_once_ends_everything() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(get("/"));
    server.wait_requests(1);
    drop(proxy);
    client.expect_end();
    server.wait_ended(1);
}

#[test]
fn a_port_is_free_again_when_the_proxy_has_stopped() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let address = proxy.address();
    fetch(&proxy, "/").expect(200);
    drop(proxy);
    let proxy = proxy::with(&server, &format!("listen: \"{address}\""));
    fetch(&proxy, "/").expect(200);
}
