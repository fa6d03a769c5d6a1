//! Answers that nobody asked for (RFC 9112 §9.2): whatever comes on a connection without a request is never an answer to the next
//! one, however exactly it looks like one.

use std::sync::{Arc, Condvar, Mutex};

use weir_testkit::client::{connect, get};
use weir_testkit::proxy;
use weir_testkit::server::{Connection, Server, sized};
use weir_testkit::socket::Socket;
use weir_testkit::wait::until_seen;

use super::{MODES, Pair, is_failure};

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

/// When a server speaks. Whoever is asked for the first time when it is due already says nothing: it would say it at the very moment
/// at which the next request comes, and nobody could tell that from an answer.
#[derive(Default)]
struct Turn {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    will_speak: bool,
    is_due: bool,
    has_spoken: bool,
}

impl Turn {
    /// Whether this server will speak.
    fn enter(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.will_speak = !state.is_due;
        state.will_speak
    }

    fn wait_due(&self) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |state| !state.is_due).unwrap());
    }

    fn spoken(&self) {
        self.state.lock().unwrap().has_spoken = true;
        self.changed.notify_all();
    }

    /// Lets the server speak, and waits until it has if it will.
    fn play(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_due = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| state.will_speak && !state.has_spoken).unwrap());
    }
}

/// Answers the first request, says this when it is told to, and must not be asked again. Any other connection is a good one.
fn speaking(unasked: &'static str, ends: bool) -> (Server, Arc<Turn>) {
    let turn = Arc::<Turn>::default();
    let due = Arc::clone(&turn);
    let server = Server::start(move |mut connection| {
        // A copy that has lost may end in the middle.
        let Some(request) = connection.whole_request() else { return };
        let speaks = connection.number == 0 && due.enter();
        let _ = connection.try_send(sized(request.target()));
        if speaks {
            due.wait_due();
            let _ = connection.try_send(unasked);
            if ends {
                connection.half_close();
            }
            due.spoken();
            assert!(connection.request().is_none(), "the connection was used again");
        }
        while let Some(request) = connection.whole_request() {
            let _ = connection.try_send(sized(request.target()));
        }
    });
    (server, turn)
}

fn check_idle(mode: &str, unasked: &'static str, request: fn(&str) -> String, ends: bool) {
    let [(one, first), (other, second)] = [speaking(unasked, ends), speaking(unasked, ends)];
    let pair = Pair([one, other]);
    let proxy = pair.asked(mode, "");
    let mut clients = [connect(&proxy), connect(&proxy)];
    expect_own(&mut clients[0], &request("/first"), "/first");
    first.play();
    second.play();
    // It is in the proxy's socket before the next request is: both go over the loopback, one after the other.
    for number in 0..4 {
        let target = format!("/{number}");
        expect_own(&mut clients[1 - number % 2], &request(&target), &target);
    }
}

/// Every way of asking, and what is asked with it.
fn in_all_modes(play: impl Fn(&str, fn(&str) -> String)) {
    for mode in MODES {
        play(mode, get);
        play(mode, post);
    }
}

#[test]
fn on_an_idle_connection() {
    in_all_modes(|mode, request| {
        for unasked in UNASKED {
            for ends in [false, true] {
                check_idle(mode, unasked, request, ends);
            }
        }
        // The end alone.
        check_idle(mode, "", request, true);
    });
}

#[test]
fn behind_an_answer_in_the_same_segment() {
    in_all_modes(|mode, request| {
        for unasked in UNASKED {
            let pair = Pair::new(move |mut connection: Connection| {
                // A copy that has lost may end in the middle.
                let Some(request) = connection.whole_request() else { return };
                let _ = connection.try_send(format!("{}{unasked}", sized(request.target())));
                assert!(connection.request().is_none(), "the connection was used again");
            });
            let proxy = pair.asked(mode, "");
            let mut clients = [connect(&proxy), connect(&proxy)];
            for number in 0..4 {
                let target = format!("/{number}");
                expect_own(&mut clients[number % 2], &request(&target), &target);
            }
            // Requests that are there already when the answer ends take no connection from it either.
            let all: String = (4..8).map(|number| request(&format!("/{number}"))).collect();
            clients[0].send(all);
            for number in 4..8 {
                assert_eq!(
                    clients[0].answer().expect(200).text(),
                    format!("/{number}"),
                    "{mode}, {unasked:?}"
                );
            }
            let connections: usize = pair.0.iter().map(Server::connections).sum();
            assert!(connections >= 8, "{mode}, {unasked:?}: {connections}");
        }
    });
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
    let early = [
        (format!("{}{}", sized("early"), UNASKED[0]), true),
        (format!("{}{}", sized("early"), sized("again")), true),
        ("poison".to_owned(), false),
        ("220 mail.test ESMTP\r\n".to_owned(), false),
    ];
    for (mode, (early, may_be_passed_on)) in
        MODES.iter().flat_map(|mode| early.iter().map(move |one| (mode, one)))
    {
        let said = early.clone();
        let pair = Pair::new(move |mut connection: Connection| {
            // Whoever is not listened to any more has been left already.
            let _ = connection.try_send(&said);
            connection.until_end();
        });
        let proxy = pair.asked(mode, "timeouts: {answer_head: 100ms}");
        let mut clients = [connect(&proxy), connect(&proxy)];
        for number in 0..6 {
            let answer = clients[number % 2].send(get("/")).answer();
            let is_early = *may_be_passed_on && answer.status() == 200 && answer.text() == "early";
            // What never becomes a head is waited for.
            assert!(is_failure(&answer) || is_early, "{mode}, {early:?}: {answer}");
        }
        // A loser's answer may still be read.
        until_seen(|| proxy.idle_upstream(), |idle| *idle == 0);
        let connections: usize = pair.0.iter().map(Server::connections).sum();
        assert!(connections >= 6, "{mode}, {early:?}: {connections}");
    }
}
