//! Every limit: just within it, and just over it.

use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::socket::End;

/// A request whose head has exactly so many bytes.
fn head_of(bytes: usize) -> String {
    let bare = "GET / HTTP/1.1\r\nHost: a.test\r\nA: \r\n\r\n".len();
    format!("GET / HTTP/1.1\r\nHost: a.test\r\nA: {}\r\n\r\n", "a".repeat(bytes - bare))
}

#[test]
fn head_bytes_431() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "limits: {head: 1KiB, target: 1KiB}");
    ask(&proxy, head_of(1024)).expect(200);
    let mut client = connect(&proxy);
    client.send(head_of(1025));
    assert!(client.answer().expect(431).says_close());
    assert_eq!(client.expect_end(), End::Fin);
    // An end that never comes.
    let mut client = connect(&proxy);
    client.send(&head_of(3000)[..2000]).answer().expect(431);
    let proxy = proxy::to(&server);
    ask(&proxy, head_of(32 * 1024)).expect(200);
    ask(&proxy, head_of(32 * 1024 + 1)).expect(431);
}

#[test]
fn a_huge_head_is_refused_without_being_read_to_its_end() {
    let proxy = proxy::to(&Server::saying("ok"));
    let mut client = connect(&proxy);
    client.send(head_of(200_000)).answer().expect(431);
    assert_eq!(client.expect_end(), End::Fin);
}

#[test]
fn fields_431() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "limits: {fields: 5}");
    let with =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    ask(&proxy, with(5)).expect(200);
    ask(&proxy, with(6)).expect(431);
    let proxy = proxy::with(&server, "limits: {fields: 256}");
    ask(&proxy, with(256)).expect(200);
    ask(&proxy, with(257)).expect(431);
}

#[test]
fn target_414() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "limits: {target: 100B}");
    fetch(&proxy, &format!("/{}", "a".repeat(99))).expect(200);
    let mut client = connect(&proxy);
    client.send(get(&format!("/{}", "a".repeat(100))));
    assert!(client.answer().expect(414).says_close());
    fetch(&proxy, &format!("/?{}", "a".repeat(99))).expect(414);
    // A first line that does not end within the whole head.
    let proxy = proxy::to(&server);
    connect(&proxy).send(format!("GET /{}", "a".repeat(40_000))).answer().expect(414);
}

#[test]
fn body_413_with_a_known_length_before_anybody_is_asked() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "limits: {body: 10B}");
    let post = |length: usize| {
        format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{}", "a".repeat(length))
    };
    ask(&proxy, post(10)).expect(200);
    let mut client = connect(&proxy);
    assert!(client.send(post(11)).answer().expect(413).says_close());
    assert_eq!(client.expect_end(), End::Fin);
    ask(&proxy, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
        .expect(413);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn body_413_with_an_unknown_length_when_it_is_over() {
    let server = Server::start(|mut connection| {
        let (bytes, _) = connection.read_to_end();
        assert!(!bytes.ends_with(b"0\r\n\r\n"), "a body over the limit looks whole");
    });
    let proxy = proxy::with(&server, "limits: {body: 10B}");
    for body in ["b\r\naaaaaaaaaaa\r\n0\r\n\r\n", "5\r\naaaaa\r\n6\r\naaaaaa\r\n", "ffffff\r\naaaaaaaaaaa"] {
        let mut client = connect(&proxy);
        client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        assert!(client.answer().expect(413).says_close(), "{body}");
        assert_eq!(client.half_close().expect_end(), End::Fin);
    }
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "limits: {body: 10B}");
    let whole =
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\na\r\naaaaaaaaaa\r\n0\r\n\r\n";
    ask(&proxy, whole).expect(200);
}

#[test]
fn trailers_and_chunk_extensions_have_an_end() {
    let server = Server::start(|mut connection| {
        connection.until_end();
    });
    let proxy = proxy::with(&server, "limits: {head: 1KiB, target: 1KiB}");
    let long = "a".repeat(100_000);
    for body in
        [format!("0\r\nA: {long}\r\n\r\n"), format!("5;{long}\r\nhello\r\n0\r\n\r\n"), "0".repeat(100_000)]
    {
        let mut client = connect(&proxy);
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n").send(&body);
        let answer = client.answer();
        assert_eq!(answer.status(), 400, "{:?}: {answer}", &body[..10]);
    }
}

#[test]
fn requests_per_connection() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "limits: {requests_per_connection: 3}");
    let mut client = connect(&proxy);
    client.send(get("/").repeat(5));
    for number in 1..=3 {
        assert_eq!(client.answer().expect(200).says_close(), number == 3);
    }
    assert_eq!(client.expect_end(), End::Fin);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn connections_over_the_limit_wait_for_their_turn() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "limits: {connections: 1}");
    let mut first = connect(&proxy);
    first.send(get("/")).answer().expect(200);
    let mut second = connect(&proxy);
    second.send(get("/"));
    assert!(second.is_silent());
    first.send(get("/")).answer().expect(200);
    drop(first);
    second.answer().expect(200);
}

#[test]
fn a_worker_that_waits_keeps_no_connection_from_another() {
    // A worker once took the last permit before a connection came, and connections that the kernel gave to another
    // worker waited although the limit was not reached.
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "limits: {connections: 1}\nworkers: 4");
    for _ in 0..20 {
        fetch(&proxy, "/").expect(200);
    }
}
