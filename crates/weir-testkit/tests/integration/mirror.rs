//! `mirror`: copies of requests that nobody waits for (`semantics.md` §3.7).

use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use weir_core::mirror::MirrorOutcome;
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::wait;

/// A proxy for `main` whose requests are copied as this says.
fn mirrored(main: &Server, mirror: &str, keys: &str, top: &str) -> Running {
    proxy::start(&format!(
        "{top}
services: [{{host: \"*\", upstream: [\"{main}\"], mirror: {mirror}{keys}}}]
"
    ))
}

fn to(server: impl std::fmt::Display, keys: &str) -> String {
    format!("{{upstream: [\"{server}\"]{keys}}}")
}

fn copies(proxy: &Running, outcome: MirrorOutcome) -> u64 {
    proxy.status().mirrors.iter().map(|mirror| mirror.copies[outcome as usize]).sum()
}

/// Waits until so many copies have become that.
#[track_caller]
fn until(proxy: &Running, outcome: MirrorOutcome, count: u64) {
    wait::until(|| copies(proxy, outcome) >= count);
    assert_eq!(copies(proxy, outcome), count, "{:?}", proxy.status().mirrors);
}

fn post(body: &str) -> String {
    format!("POST /p?q HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A server that accepts and never reads, until the sender is dropped.
fn deaf() -> (Server, SyncSender<()>) {
    let (release, released) = sync_channel::<()>(0);
    let released = Mutex::new(released);
    let server = Server::start(move |connection| {
        let _ = released.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        drop(connection);
    });
    (server, release)
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn semantics_3_7_a_mirror_gets_what_the_servers_get_with_the_hosts_name() {
    let (main, mirror) = (Server::saying("main"), Server::saying("mirror"));
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", routes: [{{host: server, strip: /api, upstream: [\"{main}\"], mirror: {}}}]}}]\n",
        to(&mirror, "")
    ));
    let request = "PATCH /api/a%20b?c=d HTTP/1.1\r\nHost: Shop.test:81\r\nX-Mine: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
                   X-Weir-Mirror: no\r\nContent-Length: 3\r\n\r\nabc";
    let answer = ask(&proxy, request).expect(200);
    assert_eq!(answer.text(), "main");
    mirror.wait_requests(1);
    until(&proxy, MirrorOutcome::Sent, 1);
    let (seen, copy) = (main.only_request(), mirror.only_request());
    assert_eq!((copy.target(), copy.text()), (seen.target(), seen.text()));
    assert_eq!((copy.target(), copy.field("X-Mine")), ("/a%20b?c=d", Some("1")));
    assert_eq!((copy.field("Host"), copy.all("X-Weir-Mirror")), (Some("Shop.test:81"), vec!["1"]));
    assert_eq!((seen.field("Host"), copy.has("X-Hop")), (Some(&*main.to_string()), false));
    assert_eq!((copy.field("Content-Length"), copy.has("Transfer-Encoding")), (Some("3"), false));
    assert_eq!(copy.field("X-Forwarded-For"), seen.field("X-Forwarded-For"));
}

#[test]
fn bodies_of_every_kind_come_whole() {
    let (main, mirror) = (Server::saying("main"), Server::saying("mirror"));
    let proxy = mirrored(&main, &to(&mirror, ""), "", "replay: {memory: 256KiB}");
    let mut client = connect(&proxy);
    client.send(get("/none")).answer().expect(200);
    client.send(post("")).answer().expect(200);
    let chunked = "POST /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{chunked}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).answer().expect(200);
    client.send(format!("{chunked}0\r\n\r\n")).answer().expect(200);
    client.send(format!("{chunked}1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n")).answer().expect(200);
    let large = pattern(3 << 20);
    client.send(format!("PUT /l HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", large.len()));
    client.send(&large).answer().expect(200);
    client.send(get("/last")).answer().expect(200);
    until(&proxy, MirrorOutcome::Sent, 7);
    let seen = mirror.requests();
    let body_of = |target: &str, find: fn(&Message) -> bool| {
        seen.iter().any(|copy| copy.target() == target && find(copy))
    };
    assert!(body_of("/none", |copy| copy.body.is_empty() && !copy.has("Content-Length")));
    assert!(body_of("/p?q", |copy| copy.body.is_empty() && copy.field("Content-Length") == Some("0")));
    assert!(body_of("/c", |copy| copy.text() == "abcde"));
    assert!(body_of("/c", |copy| copy.body.is_empty()));
    assert!(body_of("/c", |copy| copy.text() == "x" && copy.field("Transfer-Encoding") == Some("chunked")));
    let copy = seen.iter().find(|copy| copy.target() == "/l").map(|copy| &copy.body);
    assert!(copy.is_some_and(|body| *body == large), "3 MiB, unchanged");
    assert!(body_of("/last", |_| true), "the client's connection went on");
    assert_eq!(main.connections(), 1);
}

#[test]
fn a_head_request_is_copied_as_one() {
    let main = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let mirror = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    let proxy = mirrored(&main, &to(&mirror, ""), "", "");
    let mut client = connect(&proxy);
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
    }
    until(&proxy, MirrorOutcome::Sent, 2);
    assert!(mirror.requests().iter().all(|copy| copy.start.starts_with("HEAD / ")));
}

#[test]
fn a_mirror_that_is_down_or_answers_nonsense_is_noticed_by_nobody() {
    let main = Server::saying("main");
    let dead = Server::refusing();
    let garbage = Server::closing("SMTP ready\r\n\r\n");
    let closing = Server::closing("");
    let cut = Server::closing("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    let switching = Server::closing("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n");
    let proxy = proxy::start(&format!(
        "upstreams: {{d: {{servers: [\"{dead}\"]}}, g: {{servers: [\"{garbage}\"]}}, c: {{servers: [\"{cut}\"]}}, \
         s: {{servers: [\"{switching}\"]}}}}
services: [{{host: \"*\", upstream: [\"{main}\"], mirror: [d, g, {{upstream: c}}, s]}}]
"
    ));
    for _ in 0..5 {
        assert_eq!(ask(&proxy, post("abc")).expect(200).text(), "main");
    }
    until(&proxy, MirrorOutcome::Failed, 20);
    let proxy = mirrored(&main, &to(&closing, ""), "", "");
    fetch(&proxy, "/").expect(200);
    until(&proxy, MirrorOutcome::Failed, 1);
    assert_eq!(main.requests().len(), 6);
}

#[test]
fn another_server_of_a_mirror_gets_what_the_first_one_refuses() {
    let (main, mirror) = (Server::saying("main"), Server::saying("mirror"));
    let dead = Server::refusing();
    let proxy = mirrored(&main, &format!("{{upstream: [\"{dead}\", \"{mirror}\"]}}"), "", "");
    for _ in 0..4 {
        fetch(&proxy, "/").expect(200);
    }
    until(&proxy, MirrorOutcome::Sent, 4);
}

#[test]
fn a_mirror_that_never_reads_fills_its_queue_and_nothing_else() {
    let main = Server::saying("main");
    let (mirror, _never) = deaf();
    let limits = "replay: {memory: 16KiB, disk: off, total: 1MiB}";
    let proxy = mirrored(&main, &to(&mirror, ", queue: 10, timeout: 300s"), "", limits);
    let mut client = connect(&proxy);
    let mut slowest = Duration::ZERO;
    let body = "x".repeat(4000);
    for _ in 0..300 {
        #[expect(clippy::disallowed_methods, reason = "how long a client waits is what this is about")]
        let begun = Instant::now();
        assert_eq!(client.send(post(&body)).answer().expect(200).text(), "main");
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let mut served = connect(&proxy);
    served.send(get("/")).answer().expect(200);
    assert!(copies(&proxy, MirrorOutcome::DroppedQueue) >= 300 - 64 - 10, "{:?}", proxy.status().mirrors);
    assert_eq!(main.requests().len(), 301);
    assert!(proxy.status().replay_bytes <= 600 << 10, "{}", proxy.status().replay_bytes);
}

/// Behind a mirror that did not answer, all copies that waited were begun with what little time they had left, when the first ones
/// were given up: each opened a connection for nothing, a thousand in a tenth of a second, and requests of clients waited
/// for the worker that did this.
#[test]
fn a_copy_that_has_waited_for_long_is_not_begun() {
    let main = Server::saying("main");
    let (mirror, _never) = deaf();
    let proxy = mirrored(&main, &to(&mirror, ", timeout: 4s"), "", "");
    let mut client = connect(&proxy);
    for _ in 0..100 {
        client.send(get("/")).answer().expect(200);
    }
    until(&proxy, MirrorOutcome::DroppedQueue, 100 - 64);
    until(&proxy, MirrorOutcome::Failed, 64);
    assert_eq!(mirror.connections(), 64);
}

#[test]
fn a_body_that_can_not_be_kept_goes_on_without_its_copy() {
    let (main, mirror) = (Server::saying("main"), Server::saying("mirror"));
    let proxy = mirrored(&main, &to(&mirror, ""), "", "replay: {memory: 16KiB, disk: off}");
    let body = pattern(1 << 20);
    let mut client = connect(&proxy);
    client.send(format!("POST /s HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", body.len()));
    client.send(&body).answer().expect(200);
    client.send("POST /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{:x}\r\n", body.len())).send(&body).send("\r\n0\r\n\r\n").answer().expect(200);
    client.send(post("small")).answer().expect(200);
    until(&proxy, MirrorOutcome::Sent, 1);
    assert_eq!(copies(&proxy, MirrorOutcome::DroppedBody), 2);
    let impossible: u64 = proxy.status().replay_impossible.iter().map(|(_, count)| count).sum();
    assert_eq!(impossible, 2);
    let got: Vec<usize> = main.requests().iter().map(|request| request.body.len()).collect();
    assert_eq!(got, [body.len(), body.len(), 5]);
    assert_eq!(mirror.only_request().text(), "small");
}

#[test]
fn a_client_that_goes_away_before_the_end_of_its_body_is_not_copied() {
    let main = Server::start(|mut connection| {
        connection.until_end();
    });
    let mirror = Server::saying("mirror");
    let proxy = mirrored(&main, &to(&mirror, ""), "", "");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
    client.reset();
    until(&proxy, MirrorOutcome::DroppedBody, 1);
    assert_eq!(mirror.connections(), 0);
}

#[test]
fn an_answer_that_comes_before_the_body_leaves_nothing_to_copy() {
    let main = Server::start(|mut connection| {
        connection.request_head();
        connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        connection.until_end();
    });
    let mirror = Server::saying("mirror");
    let proxy = mirrored(&main, &to(&mirror, ""), "", "");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
    client.answer().expect(413);
    until(&proxy, MirrorOutcome::DroppedBody, 1);
    assert_eq!(mirror.connections(), 0);
}

#[test]
fn a_client_that_goes_away_behind_its_body_takes_no_copy_along() {
    let main = Server::start(|mut connection| {
        connection.expect_request();
        connection.until_end();
    });
    let mirror = Server::saying("mirror");
    let proxy = mirrored(&main, &to(&mirror, ""), "", "");
    let mut client = connect(&proxy);
    client.send(post("abc"));
    main.wait_requests(1);
    client.reset();
    until(&proxy, MirrorOutcome::Sent, 1);
    assert_eq!(mirror.only_request().text(), "abc");
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_copied_too() {
    let main = Server::start(|mut connection| {
        connection.request_head();
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(connection.read_exact(3), b"abc");
        connection.send(sized("main"));
        connection.until_end();
    });
    let mirror = Server::saying("mirror");
    let proxy = mirrored(&main, &to(&mirror, ""), "", "");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    client.answer_head().expect(100);
    assert_eq!(client.send("abc").answer().expect(200).text(), "main");
    until(&proxy, MirrorOutcome::Sent, 1);
    let copy = mirror.only_request();
    assert_eq!((copy.text(), copy.has("Expect")), ("abc".to_owned(), false));
}

#[test]
fn a_pipelined_request_behind_a_body_is_served_and_copied() {
    let (main, mirror) = (Server::saying("main"), Server::saying("mirror"));
    let proxy = mirrored(&main, &to(&mirror, ""), "", "");
    let mut client = connect(&proxy);
    client.send(format!("{}{}{}", post("one"), post("two"), get("/three")));
    for _ in 0..3 {
        client.answer().expect(200);
    }
    until(&proxy, MirrorOutcome::Sent, 3);
    assert_eq!(main.requests().iter().map(Message::text).collect::<Vec<_>>(), ["one", "two", ""]);
}

#[test]
fn a_share_of_requests_is_copied() {
    let (main, mirror) = (Server::saying("main"), Server::saying("mirror"));
    let proxy = mirrored(&main, &to(&mirror, ", share: 30%"), "", "");
    let none = mirrored(&main, &to(&mirror, ", share: 0%"), "", "");
    let (mut client, mut other) = (connect(&proxy), connect(&none));
    for _ in 0..400 {
        client.send(get("/")).answer().expect(200);
        other.send(get("/none")).answer().expect(200);
    }
    let all = || MirrorOutcome::ALL.into_iter().map(|outcome| copies(&proxy, outcome)).sum::<u64>();
    // 400 tosses at 30 %: further away than this less than once in 10^9 times.
    assert!((60..=190).contains(&all()), "{}", all());
    assert_eq!(MirrorOutcome::ALL.map(|outcome| copies(&none, outcome)), [0; MirrorOutcome::ALL.len()]);
}

#[test]
fn a_request_to_upgrade_is_never_copied() {
    let main = Server::closing("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let mirror = Server::saying("mirror");
    let proxy = mirrored(&main, &to(&mirror, ""), "", "");
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    client.answer_head().expect(101);
    drop(client);
    assert_eq!(MirrorOutcome::ALL.map(|outcome| copies(&proxy, outcome)), [0; MirrorOutcome::ALL.len()]);
    assert_eq!(mirror.connections(), 0);
}

#[test]
fn it_works_beside_every_mode() {
    for mode in ["balance", "race", "hedge", "majority", "{mode: duplicate, acknowledge: all}"] {
        let servers = [Server::saying("main"), Server::saying("main")];
        let mirror = Server::saying("mirror");
        let proxy = proxy::start(&format!(
            "services: [{{host: \"*\", upstream: [\"{}\", \"{}\"], dispatch: {mode}, mirror: {}}}]\n",
            servers[0],
            servers[1],
            to(&mirror, "")
        ));
        let mut client = connect(&proxy);
        for round in 0..3 {
            let answer = client.send(post(&format!("body {round}"))).answer().expect(200);
            assert_eq!(answer.text(), "main", "{mode}");
            assert_eq!(client.send(get("/")).answer().expect(200).text(), "main", "{mode}");
        }
        until(&proxy, MirrorOutcome::Sent, 6);
        let mut bodies: Vec<String> = mirror.requests().iter().map(Message::text).collect();
        bodies.sort();
        assert_eq!(bodies, ["", "", "", "body 0", "body 1", "body 2"], "{mode}");
    }
}

#[test]
fn a_mode_that_needs_the_whole_body_still_refuses_one_that_is_too_large() {
    let main = Server::start(|mut connection| {
        connection.until_end();
    });
    let mirror = Server::saying("mirror");
    let limits = "replay: {memory: 16KiB, disk: off}";
    let proxy = mirrored(&main, &to(&mirror, ""), ", dispatch: race", limits);
    ask(&proxy, post(&"x".repeat(100_000))).expect(413);
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let _ = client.try_send(format!("{:x}\r\n{}\r\n0\r\n\r\n", 100_000, "x".repeat(100_000)));
    client.answer().expect(413);
    until(&proxy, MirrorOutcome::DroppedBody, 2);
    assert_eq!(mirror.connections(), 0);
}

#[test]
fn what_a_service_says_holds_for_its_routes_until_they_say_something_else() {
    let (main, mirror, other) = (Server::saying("m"), Server::saying("a"), Server::saying("b"));
    let proxy = proxy::start(&format!(
        "upstreams: {{main: {{servers: [\"{main}\"]}}, a: {{servers: [\"{mirror}\"]}}, b: {{servers: [\"{other}\"]}}}}
services:
  - host: \"*\"
    mirror: a
    routes:
      - {{path: /own, mirror: b, upstream: main}}
      - {{path: /off, mirror: off, upstream: main}}
      - {{path: /fixed, respond: {{body: ok}}}}
      - {{path: /, upstream: main}}
"
    ));
    for path in ["/own", "/off", "/fixed", "/"] {
        fetch(&proxy, path).expect(200);
    }
    until(&proxy, MirrorOutcome::Sent, 2);
    assert_eq!((mirror.only_request().target(), other.only_request().target()), ("/", "/own"));
}

#[test]
fn semantics_4_3_a_drain_waits_for_copies_and_for_no_longer_than_they_may_take() {
    let main = Server::saying("main");
    let (go, due) = sync_channel::<()>(1);
    let due = Mutex::new(due);
    let mirror = Server::start(move |mut connection| {
        connection.expect_request();
        let _ = due.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        let _ = connection.try_send(sized("late"));
        connection.until_end();
    });
    let mut proxy = mirrored(&main, &to(&mirror, ""), "", "drain: {idle: 10ms}");
    fetch(&proxy, "/").expect(200);
    mirror.wait_requests(1);
    proxy.begin_drain();
    go.send(()).unwrap();
    assert_eq!(proxy.drained(), 0);

    let (deaf, _never) = deaf();
    let mut proxy = mirrored(&main, &to(&deaf, ", timeout: 50ms"), "", "drain: {idle: 10ms}");
    for _ in 0..100 {
        fetch(&proxy, "/").expect(200);
    }
    proxy.begin_drain();
    assert_eq!(proxy.drained(), 0);
}

#[test]
fn what_was_counted_goes_on_with_another_configuration() {
    let (main, mirror) = (Server::saying("main"), Server::saying("mirror"));
    let configuration = |queue: u32| {
        format!(
            "upstreams: {{m: {{servers: [\"{mirror}\"]}}}}
services: [{{host: \"*\", upstream: [\"{main}\"], mirror: {{upstream: m, queue: {queue}}}}}]
"
        )
    };
    let proxy = proxy::start(&configuration(1));
    fetch(&proxy, "/").expect(200);
    until(&proxy, MirrorOutcome::Sent, 1);
    proxy.publish(&configuration(2));
    fetch(&proxy, "/").expect(200);
    until(&proxy, MirrorOutcome::Sent, 2);
}

/// Each copy of a write opened a connection of its own: a write must not be sent twice, and a kept connection may be dead. One
/// that was used a moment ago may be taken (`semantics.md` §2.2).
#[test]
fn semantics_2_2_copies_of_writes_share_a_connection() {
    let (main, mirror) = (Server::saying("main"), Server::saying("mirror"));
    let proxy = mirrored(&main, &to(&mirror, ""), "", "timeouts: {reuse_unsafe: 60s, upstream_idle: 60s}");
    let mut client = connect(&proxy);
    for number in 1..=10 {
        client.send(post("abc")).answer().expect(200);
        until(&proxy, MirrorOutcome::Sent, number);
    }
    assert_eq!((mirror.requests().len(), mirror.connections()), (10, 1));
}

#[test]
fn semantics_2_2_a_write_is_not_copied_twice_when_its_connection_dies() {
    let main = Server::saying("main");
    let mirror = Server::start(|mut connection| {
        connection.expect_request();
        connection.send(sized("once"));
        // The second one is read, and answered with the end of the connection.
        connection.expect_request();
    });
    let proxy = mirrored(&main, &to(&mirror, ""), "", "timeouts: {reuse_unsafe: 60s, upstream_idle: 60s}");
    for number in 1..=2 {
        ask(&proxy, post("abc")).expect(200);
        let outcome = if number == 1 { MirrorOutcome::Sent } else { MirrorOutcome::Failed };
        until(&proxy, outcome, 1);
    }
    assert_eq!((mirror.requests().len(), mirror.connections()), (2, 1));
}

/// What a mirror answers interests nobody, so an answer without an end is an answer.
#[test]
fn a_mirror_whose_answer_does_not_end_has_answered() {
    let main = Server::saying("main");
    let mirror = Server::start(|mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        connection.until_end();
    });
    let proxy = mirrored(&main, &to(&mirror, ", timeout: 2s"), "", "");
    fetch(&proxy, "/").expect(200);
    until(&proxy, MirrorOutcome::Sent, 1);
}
