//! Answers that nobody asked for (RFC 9112 §9.2): whatever comes on a connection without a request is never an answer to the next
//! one, however exactly it looks like one.

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::{Connection, Server, sized};
use weir_testkit::socket::Socket;

/// What comes unasked.
const UNASKED: [&str; 6] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Le",
    "\r\n",
    "poison",
];

fn post(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi")
}

/// Demands an answer that is the client's own.
#[track_caller]
fn expect_own(client: &mut Socket, request: &str, target: &str) {
    assert_eq!(client.send(request).answer().expect(200).text(), target);
}

/// Answers the first request, says this when it is told to, and must not be asked again. Any other connection is a good one.
fn check_idle(unasked: &'static str, request: fn(&str) -> String, ends: bool) {
    let (say, due) = sync_channel::<()>(1);
    let (done, said) = sync_channel::<()>(1);
    let due = Mutex::new(due);
    let server = Server::start(move |mut connection| {
        let request = connection.expect_request();
        connection.send(sized(request.target()));
        if connection.number > 0 {
            connection.until_end();
            return;
        }
        due.lock().unwrap().recv().unwrap();
        connection.send(unasked);
        if ends {
            connection.half_close();
        }
        done.send(()).unwrap();
        assert!(connection.request().is_none(), "the connection was used again");
    });
    let proxy = proxy::to(&server);
    let mut clients = [connect(&proxy), connect(&proxy)];
    expect_own(&mut clients[0], &request("/first"), "/first");
    say.send(()).unwrap();
    said.recv().unwrap();
    // It is in the proxy's socket before the next request is: both go over the loopback, one after the other.
    expect_own(&mut clients[1], &request("/second"), "/second");
    assert_eq!(server.connections(), 2, "{unasked:?}");
}

#[test]
fn on_an_idle_connection() {
    for unasked in UNASKED {
        for ends in [false, true] {
            check_idle(unasked, get, ends);
            check_idle(unasked, post, ends);
        }
    }
    // The end alone.
    check_idle("", get, true);
    check_idle("", post, true);
}

#[test]
fn behind_an_answer_in_the_same_segment() {
    for unasked in UNASKED {
        let server = Server::start(move |mut connection| {
            let request = connection.expect_request();
            connection.send(format!("{}{unasked}", sized(request.target())));
            assert!(connection.request().is_none(), "the connection was used again");
        });
        let proxy = proxy::to(&server);
        let mut clients = [connect(&proxy), connect(&proxy)];
        for (number, request) in [get("/0"), post("/1"), get("/2"), post("/3")].iter().enumerate() {
            expect_own(&mut clients[number % 2], request, &format!("/{number}"));
        }
        // Requests that are there already when the answer ends take no connection from it either.
        let all: String = (4..8).map(|number| get(&format!("/{number}"))).collect();
        clients[0].send(all);
        for number in 4..8 {
            assert_eq!(clients[0].answer().expect(200).text(), format!("/{number}"));
        }
        assert_eq!(server.connections(), 8, "{unasked:?}");
    }
}

/// A read that is filled to its last byte by an answer says nothing of what lies behind it in the socket.
#[test]
fn behind_an_answer_that_fills_the_buffer_to_its_last_byte() {
    let server = Server::start(|mut connection| {
        let request = connection.expect_request();
        // The whole answer has as many bytes as the target says.
        let bytes: usize = request.target()[1..].parse().unwrap();
        let head = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length:06}\r\n\r\n");
        let body = "x".repeat(bytes - head(0).len());
        let answer = format!("{}{body}{}", head(body.len()), UNASKED[0]);
        // The proxy may have seen the end of the answer and left.
        let _ = connection.try_send(answer);
        assert!(connection.request().is_none(), "the connection was used again");
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    let buffers = [8 * 1024, 16 * 1024, 32 * 1024, 8 * 1024 + 256 * 1024];
    for bytes in buffers.into_iter().flat_map(|buffer| buffer - 3..buffer + 4) {
        let answer = client.send(get(&format!("/{bytes}"))).answer().expect(200);
        assert!(answer.body.iter().all(|byte| *byte == b'x'), "{bytes}: {answer}");
    }
}

/// A server that answers before it has read a request: what it says can only be the answer to the one request of this
/// connection, and what it says behind that is nobody's.
#[test]
fn before_the_request() {
    for (early, may_be_passed_on) in [
        (format!("{}{}", sized("early"), UNASKED[0]), true),
        (format!("{}{}", sized("early"), sized("again")), true),
        ("poison".to_owned(), false),
        ("220 mail.test ESMTP\r\n".to_owned(), false),
    ] {
        let said = early.clone();
        let server = Server::start(move |mut connection: Connection| {
            // Whoever is not listened to any more has been left already.
            let _ = connection.try_send(&said);
            connection.until_end();
        });
        let proxy = proxy::with(&server, "timeouts: {answer_head: 100ms}");
        let mut clients = [connect(&proxy), connect(&proxy)];
        for number in 0..6 {
            let answer = clients[number % 2].send(get("/")).answer();
            let is_early = may_be_passed_on && answer.status() == 200 && answer.text() == "early";
            // What never becomes a head is waited for.
            assert!(matches!(answer.status(), 502 | 504) || is_early, "{early:?}: {answer}");
        }
        assert_eq!(proxy.idle_upstream(), 0, "{early:?}");
        assert_eq!(server.connections(), 6, "{early:?}");
    }
}
