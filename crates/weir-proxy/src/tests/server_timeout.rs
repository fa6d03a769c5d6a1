//! Timeouts of what a server does, of the whole request, and of kept connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::duplex;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::io::stream::Stream;
use weir_upstream::member::Server;

use super::rig::{
    DEFAULTS, GET, OK, Rig, WIDE, expect_last, expect_passed, head, paused, rest, say, seconds, take,
};
use crate::runtime::dial::Staged;

/// Demands an answer of ours with this status and reason.
fn expect_failure(answer: &str, status: u16, reason: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(&format!("\r\nProxy-Status: weir; error={reason};")), "{answer}");
}

/// A server that says `said` and then nothing; 504 comes after `expected` seconds, counted from the end of the request.
fn check_head(config: &str, request: [&'static str; 2], said: &'static str, expected: u64) {
    paused(config, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, request[0]).await;
        if !request[1].is_empty() {
            pause(seconds(40)).await;
            say(&mut client, request[1]).await;
        }
        let begun = now();
        head(&mut server).await;
        say(&mut server, said).await;
        let answer = head(&mut client).await;
        let answer = if answer.starts_with("HTTP/1.1 1") { head(&mut client).await } else { answer };
        expect_failure(&answer, 504, "http_response_timeout");
        expect_passed(begun, seconds(expected));
        assert!(!answer.contains("Connection: close"), "the client did nothing wrong\n{answer}");
        rest(&mut server).await;
        assert!(rig.worker.pools.is_empty());
        assert_eq!(rig.server(0).in_flight(), 0);
        assert_eq!(rig.counters.in_flight.value(), 0);
    });
}

#[test]
fn a_head_has_sixty_seconds_from_the_end_of_the_request() {
    check_head(DEFAULTS, [GET, ""], "", 60);
    check_head(DEFAULTS, [GET, ""], "HTTP/1.1 200 OK\r\nContent-Len", 60);
    check_head(DEFAULTS, [GET, ""], "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", 60);
    let body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    check_head(DEFAULTS, [body, "ab"], "", 60);
}

#[test]
fn a_try_has_its_own_time() {
    let config = "upstreams: {u: {servers: ['127.0.0.1:1'], retry: {per_try: 3s}}}";
    check_head(config, [GET, ""], "", 3);
    let config = "timeouts: {answer_head: 7s}\nupstreams: {u: {servers: ['127.0.0.1:1']}}";
    check_head(config, [GET, ""], "", 7);
    let config = "upstreams: {u: {servers: ['127.0.0.1:1'], timeouts: {answer_head: 8s}}}";
    check_head(config, [GET, ""], "", 8);
}

#[test]
fn a_try_that_takes_too_long_is_repeated_and_the_next_has_as_long() {
    let config = "upstreams: {u: {servers: ['127.0.0.1:1', '127.0.0.1:2'], \
                  retry: {attempts: 3, on: [reset, timeout], per_try: 3s}}}";
    paused(config, async |rig: Rig| {
        let mut servers = [rig.keep(0, WIDE), rig.keep(1, WIDE)];
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, GET).await;
        let begun = now();
        head(&mut servers[0]).await;
        head(&mut servers[1]).await;
        expect_passed(begun, seconds(3));
        pause(seconds(2)).await;
        say(&mut servers[1], OK).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(rest(&mut servers[0]).await, "", "nothing follows on the first");
        assert_eq!(rig.worker.pools.len(), 1, "the second may be used again");
    });
}

/// A socket that takes no more connections: the system answers nothing to whoever tries.
fn full_socket() -> (Socket, TcpStream, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let waiting = TcpStream::connect(address).unwrap();
    (socket, waiting, address)
}

// semantics.md §2.1
#[test]
fn a_server_that_is_passed_over_costs_the_next_one_no_time() {
    let (_socket, _waiting, address) = full_socket();
    let config =
        format!("upstreams: {{u: {{servers: ['{address}', '127.0.0.1:1'], retry: {{per_try: 500ms}}}}}}");
    paused(&config, async |rig: Rig| {
        let mut server = rig.keep(1, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        let begun = now();
        say(&mut client, GET).await;
        head(&mut server).await;
        expect_passed(begun, seconds(1));
        pause(seconds(1) / 1000 * 499).await;
        say(&mut server, OK).await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    });
}

/// A server that takes its time for a connection, and another one that refuses.
#[derive(Debug)]
struct Hesitating;

impl Staged for Hesitating {
    fn connect(&self, server: &Server) -> Pin<Box<dyn Future<Output = io::Result<Stream>>>> {
        let refuses = server.name() != "127.0.0.1:2";
        Box::pin(async move {
            if refuses {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            pause(seconds(3) / 2).await;
            let (mut theirs, ours) = duplex(WIDE);
            tokio::task::spawn_local(async move {
                head(&mut theirs).await;
                say(&mut theirs, OK).await;
            });
            Ok(Stream::test(ours))
        })
    }
}

/// Four of five servers had died at once, and all clients came to the fifth, whose listen queue was full for a moment. Its share of
/// the time for connecting was less than the second after which the system tries again, so there were 504s although
/// nobody else was left to be asked.
#[test]
fn the_last_server_that_is_left_has_all_the_time_that_is_left() {
    paused("upstreams: {u: {servers: ['127.0.0.1:1', '127.0.0.1:2']}}", async |rig: Rig| {
        rig.worker.dial.stage(Rc::new(Hesitating));
        let (mut client, _serving) = rig.client(WIDE);
        let begun = now();
        say(&mut client, GET).await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        expect_passed(begun, seconds(3) / 2);
    });
}

/// Somebody else has the only connection that there may be, for so many seconds.
fn check_full(busy: u64, attempts: &str, expected: &str, passed: Duration) {
    let config = format!(
        "upstreams: {{u: {{servers: ['127.0.0.1:2'], retry: {{{attempts}}}, eject: {{consecutive: 1}}, \
         limits: {{queue: 0, per_server: {{connections: 1}}}}}}}}"
    );
    paused(&config, async |rig: Rig| {
        rig.worker.dial.stage(Rc::new(Hesitating));
        let server = rig.server(0);
        let place = server.connections().try_take().unwrap();
        let (mut client, _serving) = rig.client(WIDE);
        let begun = now();
        say(&mut client, GET).await;
        let freeing = tokio::task::spawn_local(async move {
            pause(seconds(busy)).await;
            drop(place);
        });
        let answer = head(&mut client).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
        expect_passed(begun, passed);
        assert_eq!(server.counters.connect_failures.load(Relaxed), 0, "it is not the server's fault");
        freeing.await.unwrap();
        // Nothing is left of whoever has waited.
        assert_eq!((server.connections().wanted(), server.in_flight()), (0, 0));
    });
}

/// The time until others have ended is not the server's: it takes a second and a half after that to connect.
#[test]
fn who_waits_for_a_connection_has_its_time_and_the_server_has_its_own() {
    check_full(1, "attempts: 1", "200 ", seconds(5) / 2);
    check_full(3, "attempts: 1", "503 ", seconds(2));
    check_full(3, "attempts: 3", "503 ", seconds(2));
}

#[test]
fn a_server_that_is_passed_over_makes_no_kept_connection_younger() {
    let (_socket, _waiting, address) = full_socket();
    let config = format!("upstreams: {{u: {{servers: ['{address}', '127.0.0.1:1']}}}}");
    paused(&config, async |rig: Rig| {
        let _server = rig.keep_for(1, WIDE, seconds(1));
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, GET).await;
        let answer = head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "too old when it was its turn\n{answer}");
    });
}

/// An answer of which `pieces` come fifty seconds after each other, and then nothing.
fn check_body(fields: &'static str, pieces: &'static [&'static str]) {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        say(&mut client, GET).await;
        head(&mut server).await;
        say(&mut server, &format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n")).await;
        let mut last = now();
        for piece in pieces {
            pause(seconds(50)).await;
            say(&mut server, piece).await;
            last = now();
        }
        let answer = rest(&mut client).await;
        expect_passed(last, seconds(60));
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
        if let Some((_, length)) = answer.split_once("Content-Length: ") {
            let (length, body) = (length.split("\r\n").next().unwrap(), answer.split("\r\n\r\n").nth(1));
            assert!(body.unwrap().len() < length.parse().unwrap(), "{answer}");
        } else {
            assert!(answer.contains("\r\nTransfer-Encoding: chunked\r\n"), "{answer}");
        }
        serving.await.unwrap();
        expect_passed(last, seconds(60));
        assert!(rig.worker.pools.is_empty());
        rig.expect_idle();
    });
}

// semantics.md §1.7
#[test]
fn a_body_that_stands_still_for_sixty_seconds_is_visibly_broken() {
    check_body("Content-Length: 10", &[]);
    check_body("Content-Length: 10", &["123", "4"]);
    check_body("Transfer-Encoding: chunked", &[]);
    check_body("Transfer-Encoding: chunked", &["3\r\nabc\r\n", "3\r\n"]);
    check_body("Transfer-Encoding: chunked", &["3\r\nabc\r\n0\r\n"]);
    // The end of the connection would end it; passed on in chunks it must not look ended.
    check_body("Server: x", &[]);
    check_body("Server: x", &["abc", "def"]);
}

/// The same limit for a request as a whole, whatever it waits for.
fn check_request(request: &'static str, said: &'static str, expected: Result<u16, &'static str>) {
    let config = format!("timeouts: {{request: 20s}}\n{DEFAULTS}");
    paused(&config, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, request).await;
        let begun = now();
        head(&mut server).await;
        pause(seconds(10)).await;
        say(&mut server, said).await;
        match expected {
            Ok(status) => expect_failure(&head(&mut client).await, status, "http_response_timeout"),
            Err(end) => {
                let answer = rest(&mut client).await;
                assert!(answer.ends_with(end), "{answer}");
            }
        }
        expect_passed(begun, seconds(20));
        assert!(rig.worker.pools.is_empty());
        assert_eq!(rig.counters.in_flight.value(), 0);
    });
}

#[test]
fn a_request_has_its_time_as_a_whole() {
    check_request(GET, "", Ok(504));
    check_request(GET, "HTTP/1.1 200 OK\r\n", Ok(504));
    check_request("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", "", Ok(504));
    check_request(GET, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Err("\r\n\r\nabc"));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    check_request(GET, chunked, Err("3\r\nabc\r\n"));
}

#[test]
fn the_time_of_a_request_ends_with_it() {
    let config = format!("timeouts: {{request: 20s}}\n{DEFAULTS}");
    paused(&config, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        for _ in 0..2 {
            say(&mut client, GET).await;
            head(&mut server).await;
            pause(seconds(19)).await;
            say(&mut server, OK).await;
            assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
            take(&mut client, 2).await;
        }
        let begun = now();
        assert_eq!(rest(&mut client).await, "");
        expect_passed(begun, seconds(75));
    });
}

/// One exchange with `fields` in its answer, then another one with this method when the connection has been idle for so
/// many milliseconds; whether it goes over the same connection.
fn check_reuse(method: &'static str, fields: &'static str, idle_milliseconds: u32, expected: bool) {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, GET).await;
        head(&mut server).await;
        say(&mut server, &format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok")).await;
        head(&mut client).await;
        take(&mut client, 2).await;
        pause(seconds(1) / 1000 * idle_milliseconds).await;
        say(&mut client, &format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).await;
        if expected {
            head(&mut server).await;
            say(&mut server, OK).await;
            assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        } else {
            // A fresh connection is needed, and nobody listens.
            expect_failure(&head(&mut client).await, 502, "connection_refused");
            assert_eq!(rig.server(0).counters.connect_failures.load(std::sync::atomic::Ordering::Relaxed), 1);
        }
    });
}

// semantics.md §2.2, §2.3
#[test]
fn a_kept_connection_is_used_again_for_as_long_as_it_may_be() {
    check_reuse("GET", "", 3_999, true);
    check_reuse("GET", "", 4_000, false);
    check_reuse("PUT", "", 3_999, true);
    check_reuse("POST", "", 999, true);
    check_reuse("POST", "", 1_000, false);
    check_reuse("PATCH", "", 1_000, false);
    check_reuse("GET", "Keep-Alive: timeout=2\r\n", 1_999, true);
    check_reuse("GET", "Keep-Alive: timeout=2\r\n", 2_000, false);
    check_reuse("GET", "Keep-Alive: max=5, timeout=2\r\n", 2_000, false);
    check_reuse("GET", "Keep-Alive: timeout=0\r\n", 0, false);
    check_reuse("POST", "Keep-Alive: timeout=2\r\n", 999, true);
    // A server that promises more does not get more.
    check_reuse("GET", "Keep-Alive: timeout=600\r\n", 3_999, true);
    check_reuse("GET", "Keep-Alive: timeout=600\r\n", 4_000, false);
    check_reuse("GET", "Connection: close\r\n", 0, false);
}

#[test]
fn what_is_idle_for_too_long_is_swept_away() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep_for(0, WIDE, seconds(4));
        let mut other = rig.keep_for(0, WIDE, seconds(6));
        pause(seconds(4) - seconds(1) / 1000).await;
        rig.worker.pools.sweep();
        assert_eq!(rig.worker.pools.len(), 2);
        pause(seconds(1) / 1000).await;
        rig.worker.pools.sweep();
        assert_eq!(rig.worker.pools.len(), 1);
        assert_eq!(rest(&mut server).await, "");
        pause(seconds(2)).await;
        rig.worker.pools.sweep();
        assert_eq!(rest(&mut other).await, "");
    });
}

/// An early answer, and a client that goes on sending: read from for a second at most, then closed.
#[test]
fn a_client_that_was_answered_early_is_listened_to_for_a_second() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        say(&mut client, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nabc").await;
        head(&mut server).await;
        say(&mut server, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
        let answer = rest(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\nno"), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        let begun = now();
        pause(seconds(1) / 2).await;
        say(&mut client, "more").await;
        serving.await.unwrap();
        expect_passed(begun, seconds(1));
        rig.expect_idle();
    });
}

#[test]
fn a_client_that_goes_when_it_was_answered_is_not_waited_for() {
    paused(DEFAULTS, async |rig: Rig| {
        let (mut client, serving) = rig.client(WIDE);
        say(&mut client, "nonsense\r\n\r\n").await;
        expect_last(&rest(&mut client).await, 400);
        let begun = now();
        drop(client);
        serving.await.unwrap();
        expect_passed(begun, seconds(0));
        rig.expect_idle();
    });
}
