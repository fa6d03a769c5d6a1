//! Keep-alive, pipelining, HEAD, and answers without a body.

use weir_proxy::runtime::sockets::BoundAddress;
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::{End, Socket};

/// A server that answers each request with its own target.
fn naming() -> Server {
    Server::start(|mut connection| {
        while let Some(request) = connection.request() {
            connection.send(sized(request.target()));
        }
    })
}

#[test]
fn connections_are_kept_on_both_sides() {
    let server = naming();
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for number in 0..5 {
        let target = format!("/{number}");
        let answer = client.send(get(&target)).answer().expect(200);
        assert_eq!(answer.text(), target);
        assert!(!answer.has("connection"), "{answer}");
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(proxy.idle_upstream(), 1);
}

#[test]
fn the_connection_given_back_last_is_taken_first() {
    let server = naming();
    let proxy = proxy::to(&server);
    for number in 0..5 {
        fetch(&proxy, &format!("/{number}")).expect(200);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = naming();
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    let all: String = (0..20).map(|number| get(&format!("/{number}"))).collect();
    client.send(all);
    for number in 0..20 {
        assert_eq!(client.answer().text(), format!("/{number}"));
    }
}

#[test]
fn a_pipelined_request_behind_a_body_is_not_part_of_it() {
    let server = naming();
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("POST /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.answer().text(), "/1");
    assert_eq!(client.answer().text(), "/2");
    assert_eq!(server.requests()[0].body, b"abc");
}

#[test]
fn a_poisoned_second_request_costs_only_itself_and_the_connection() {
    let server = naming();
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("{}GET /2 HTTP/1.1\r\nHost: a.test\r\nA : b\r\n\r\n{}", get("/1"), get("/3")));
    assert_eq!(client.answer().expect(200).text(), "/1");
    assert!(client.answer().expect(400).says_close());
    assert_eq!(client.expect_end(), End::Fin);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn empty_lines_before_a_request_are_passed_over() {
    let server = naming();
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("\r\n\r\n{}", get("/1")));
    client.answer().expect(200);
    client.send(format!("\r\n{}", get("/2")));
    assert_eq!(client.answer().text(), "/2");
}

#[test]
fn a_client_that_wants_to_close_is_told_so_and_gets_a_fin() {
    let server = naming();
    let proxy = proxy::to(&server);
    for option in ["close", "Close", "keep-alive, close", "x, close"] {
        let mut client = connect(&proxy);
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: {option}\r\n\r\n"));
        assert!(client.answer().expect(200).says_close());
        assert_eq!(client.expect_end(), End::Fin);
    }
    assert_eq!(server.connections(), 1, "the server's connection is another hop");
}

#[test]
fn nothing_is_answered_behind_the_request_that_closes() {
    let server = naming();
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("GET /1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n{}", get("/2")));
    assert_eq!(client.answer().text(), "/1");
    assert_eq!(client.expect_end(), End::Fin);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_that_closes_costs_the_client_nothing() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for _ in 0..3 {
        let answer = client.send(get("/")).answer().expect(200);
        assert!(!answer.has("connection"), "{answer}");
    }
    assert_eq!(server.connections(), 3);
    assert_eq!(proxy.idle_upstream(), 0);
}

#[test]
fn head_has_the_length_and_no_body_and_keeps_both_connections() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for _ in 0..3 {
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let answer = client.answer_to_head().expect(200);
        assert_eq!(answer.field("content-length"), Some("1000"));
    }
    assert!(client.is_silent());
    assert_eq!(server.connections(), 1);
}

#[test]
fn head_of_a_chunked_answer_has_no_body() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
    }
    assert!(client.is_silent());
}

#[test]
fn a_body_behind_the_answer_to_head_is_never_an_answer() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/");
        // Another request must not come here.
        assert!(connection.request().is_none());
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    for _ in 0..3 {
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
        // The body may come a moment later than the head; then the pool sees it.
        client.is_silent();
    }
    drop(proxy);
    server.wait_ended(3);
}

#[test]
fn answers_without_a_body_have_none_whatever_they_say() {
    for (status, fields) in [
        ("204 No Content", ""),
        ("204 No Content", "Content-Length: 0\r\n"),
        ("304 Not Modified", "Content-Length: 1000\r\nETag: \"a\"\r\n"),
        ("304 Not Modified", ""),
    ] {
        let server = Server::answering(format!("HTTP/1.1 {status}\r\n{fields}\r\n"));
        let proxy = proxy::to(&server);
        let mut client = connect(&proxy);
        for _ in 0..2 {
            let answer = client.send(get("/")).answer();
            assert_eq!(answer.start, format!("HTTP/1.1 {status}"));
            assert!(!answer.has("transfer-encoding"), "{answer}");
            if status.starts_with("204") {
                assert!(!answer.has("content-length"), "RFC 9110 §8.6: {answer}");
            }
        }
        assert!(client.is_silent(), "{status} {fields}");
        assert_eq!(server.connections(), 1, "{status} {fields}");
    }
}

#[test]
fn reason_phrases_and_odd_statuses_pass() {
    for line in ["299 Odd But Mine", "404 ", "599 x", "418 I'm a teapot"] {
        let server = Server::answering(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"));
        let proxy = proxy::to(&server);
        assert_eq!(fetch(&proxy, "/").start, format!("HTTP/1.1 {line}"));
    }
}

#[test]
fn any_method_goes_on_as_it_was_written() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    for method in ["PATCH", "PROPFIND", "M-SEARCH", "get", "X"] {
        ask(&proxy, format!("{method} / HTTP/1.1\r\nHost: a.test\r\n\r\n")).expect(200);
        assert_eq!(server.last_request().start, format!("{method} / HTTP/1.1"));
    }
}

#[test]
fn options_star_asks_the_proxy_itself() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n").answer().expect(204);
    client.send("OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n").answer().expect(204);
    client.send(get("/")).answer().expect(200);
    assert_eq!(server.requests().len(), 1);
    ask(&proxy, "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n").expect(400);
}

#[test]
fn a_preface_of_http_2_gets_505() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    client.answer().expect(505);
    assert_eq!(client.expect_end(), End::Fin);
    for version in ["HTTP/1.2", "HTTP/2", "HTTP/0.9", "http/1.1"] {
        let answer = ask(&proxy, format!("GET / {version}\r\nHost: a.test\r\n\r\n"));
        assert!(matches!(answer.status(), 400 | 505), "{version}: {answer}");
    }
}

#[test]
fn a_client_that_says_nothing_is_no_request() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.half_close();
    assert_eq!(client.expect_end(), End::Fin);
    let mut client = connect(&proxy);
    client.send("GET / HT").half_close();
    client.answer().expect(400);
    assert_eq!(client.expect_end(), End::Fin);
    assert_eq!(server.connections(), 0);
}

#[test]
fn every_address_that_is_listened_on_is_served() {
    let server = Server::saying("ok");
    let path = weir_testkit::server::unix_path();
    let proxy = proxy::with(
        &server,
        &format!("listen: [\"127.0.0.1:0\", \"unix:{}\", \"127.0.0.1:0\"]\nworkers: 2", path.display()),
    );
    assert_eq!(proxy.addresses().len(), 3);
    for address in proxy.addresses() {
        let mut client: Socket = match address {
            BoundAddress::Tcp(address) => std::net::TcpStream::connect(address).unwrap().into(),
            BoundAddress::Unix(path) => std::os::unix::net::UnixStream::connect(path).unwrap().into(),
        };
        client.send(get("/")).answer().expect(200);
    }
}

#[test]
fn a_connection_can_be_cut_from_outside() {
    let server = Server::saying("ok");
    let proxy = proxy::to(&server);
    let (mut idle, mut other) = (connect(&proxy), connect(&proxy));
    idle.send(get("/")).answer().expect(200);
    other.send(get("/")).answer().expect(200);
    let port = format!(":{}", idle.local_address().port());
    proxy.cut(|peer| peer.ends_with(&port));
    idle.expect_end();
    other.send(get("/")).answer().expect(200);
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn nothing_is_left_of_connections_that_are_over() {
    let (go, due) = std::sync::mpsc::sync_channel::<()>(1);
    let due = std::sync::Mutex::new(due);
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        connection.send(sized("ok"));
        due.lock().unwrap().recv().unwrap();
    });
    let proxy = proxy::to(&server);
    let mut watch = connect(&proxy);
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(200);
    assert_eq!((proxy.connections(), proxy.idle_upstream()), (2, 1));
    // The server closes the idle connection, and the client goes.
    go.send(()).unwrap();
    drop(client);
    for _ in 0..200 {
        assert!(watch.is_silent());
        if (proxy.connections(), proxy.idle_upstream()) == (1, 0) {
            return;
        }
    }
    panic!(
        "{} connections of clients and {} to servers are left",
        proxy.connections(),
        proxy.idle_upstream()
    );
}

/// Requests that are answered without waiting for anything use up what a task may do in one turn. A read that gives way to others then
/// was taken for a client that is idle, whose socket was found to be readable, and so on in one poll of the task for ever: the
/// worker served nobody any more.
#[test]
fn many_pipelined_requests_use_up_no_more_than_a_turn() {
    let proxy = proxy::start("workers: 1\nservices: [{host: '*', respond: {body: ok}}]\n");
    let padded = |length: usize| {
        let request = get("/");
        let pad = length - request.len() - "P: \r\n".len();
        request.replacen("\r\n\r\n", &format!("\r\nP: {}\r\n\r\n", "x".repeat(pad)), 1)
    };
    for (count, request, ends) in [
        (127, get("/"), true),
        (128, get("/"), true),
        (129, get("/"), true),
        (128, padded(64), false),
        (300, padded(64), true),
    ] {
        let mut client = connect(&proxy);
        client.send(request.repeat(count));
        if ends {
            client.half_close();
        }
        for _ in 0..count {
            assert_eq!(client.answer().expect(200).text(), "ok", "{count} requests");
        }
        assert_eq!(connect(&proxy).send(get("/")).answer().expect(200).text(), "ok", "others are served");
    }
}
