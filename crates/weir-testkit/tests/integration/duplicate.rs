//! Mode `duplicate`: every server gets every write, and enough of them acknowledge it (`semantics.md` §3.1, §3.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;

use weir_testkit::client::{ask, connect, fetch};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::wait::until;

fn duplicate(servers: &[&dyn ToString], keys: &str, more: &str) -> Running {
    let written: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.to_string())).collect();
    proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web, backend_server: true, dispatch: {{GET: balance, \"*\": {{mode: duplicate{keys}}}}}}}]
upstreams: {{web: {{servers: [{}]{more}}}}}
",
        written.join(", ")
    ))
}

fn post(text: &str) -> String {
    format!("POST /orders HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// What a server was sent, in the order in which it came.
fn bodies(server: &Server) -> Vec<String> {
    server.requests().iter().map(Message::text).collect()
}

#[test]
fn every_server_gets_every_write() {
    let servers = [Server::saying("a"), Server::saying("b"), Server::saying("c")];
    let proxy = duplicate(&[&servers[0], &servers[1], &servers[2]], "", "");
    let mut client = connect(&proxy);
    for number in 0..5 {
        client.send(post(&number.to_string())).answer().expect(200);
    }
    for server in &servers {
        server.wait_requests(5);
        let mut seen = bodies(server);
        seen.sort();
        assert_eq!(seen, ["0", "1", "2", "3", "4"]);
    }
}

#[test]
fn reads_go_to_one_server() {
    let servers = [Server::saying("a"), Server::saying("b")];
    let proxy = duplicate(&[&servers[0], &servers[1]], "", "");
    for _ in 0..4 {
        fetch(&proxy, "/").expect(200);
    }
    assert_eq!(servers.iter().map(|server| server.requests().len()).sum::<usize>(), 4);
}

#[test]
fn each_write_has_one_key_for_all_servers_and_repeats() {
    let (flaky, down) = Server::down(503);
    let steady = Server::saying("a");
    let proxy = duplicate(&[&steady, &flaky], "", "");
    ask(&proxy, post("x")).expect(200);
    // It has answered that it is down, which a request that it has read does not say yet.
    until(|| proxy.status().queues[0].servers[1].backlog > 0);
    down.store(false, Ordering::SeqCst);
    flaky.wait_requests(2);
    let key = |message: &Message| message.field("Idempotency-Key").map(ToOwned::to_owned);
    let made = key(&steady.only_request()).expect("a key was made");
    assert!(made.len() >= 16);
    assert!(flaky.requests().iter().all(|request| key(request).as_ref() == Some(&made)));
    let keyed = "POST / HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: mine\r\nContent-Length: 1\r\n\r\nx";
    ask(&proxy, keyed).expect(200);
    steady.wait_requests(2);
    assert_eq!(key(&steady.last_request()).as_deref(), Some("mine"));
}

#[test]
fn the_client_is_answered_with_the_first_success() {
    let (slow, _never) = Server::held(sized("slow"));
    let fast = Server::saying("fast");
    let (bad, _) = Server::down(500);
    let proxy = duplicate(&[&slow, &bad, &fast], "", "");
    let answer = ask(&proxy, post("x")).expect(200);
    assert_eq!(answer.text(), "fast");
    assert_eq!(answer.field("X-Backend-Server"), Some(&*fast.to_string()));
}

#[test]
fn a_slow_copy_goes_on_after_the_answer() {
    let (slow, release) = Server::held(sized("slow"));
    let fast = Server::saying("fast");
    let proxy = duplicate(&[&slow, &fast], "", "");
    let body = "x".repeat(300_000);
    assert_eq!(ask(&proxy, post(&body)).expect(200).text(), "fast");
    slow.wait_requests(1);
    assert_eq!(slow.only_request().text(), body);
    release.send(()).expect("the server waits");
    // A proxy that stops hands what is not settled to the backlog, and may begin to deliver it.
    until(|| proxy.status().queues[0].servers[0].live == 0);
}

#[test]
fn all_and_quorum_wait_for_their_number() {
    for (rule, needed) in [("all", 3), ("quorum", 2), ("1", 1), ("3", 3)] {
        let (servers, releases): (Vec<Server>, Vec<SyncSender<()>>) =
            (0..3).map(|number| Server::held(sized(&number.to_string()))).unzip();
        let proxy =
            duplicate(&[&servers[0], &servers[1], &servers[2]], &format!(", acknowledge: {rule}"), "");
        let mut client = connect(&proxy);
        client.send(post("x"));
        for server in &servers {
            server.wait_requests(1);
        }
        for release in &releases[..needed - 1] {
            release.send(()).expect("the server waits");
        }
        assert!(client.is_silent(), "{rule} of three is {needed}");
        releases[needed - 1].send(()).expect("the server waits");
        assert_eq!(client.answer().expect(200).text(), (needed - 1).to_string(), "{rule}");
    }
}

#[test]
fn the_primary_speaks_for_the_others() {
    let (primary, release) = Server::held(sized("primary"));
    let other = Server::saying("other");
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web, dispatch: {{mode: duplicate, acknowledge: primary}}}}]
upstreams: {{web: {{servers: [\"{other}\", {{address: \"{primary}\", primary: true}}]}}}}
"
    ));
    let mut client = connect(&proxy);
    client.send(post("x"));
    other.wait_requests(1);
    assert!(client.is_silent());
    release.send(()).expect("the server waits");
    assert_eq!(client.answer().expect(200).text(), "primary");
}

#[test]
fn a_refusal_is_given_only_when_no_success_can_come() {
    let (refusing, good) =
        (Server::answering("HTTP/1.1 409 No\r\nContent-Length: 2\r\n\r\nno"), Server::saying("yes"));
    let proxy = duplicate(&[&refusing, &good], "", "");
    for _ in 0..5 {
        assert_eq!(ask(&proxy, post("x")).expect(200).text(), "yes");
    }
    let proxy = duplicate(&[&refusing], "", "");
    assert_eq!(ask(&proxy, post("x")).expect(409).text(), "no");
    // With `all` a refusal decides at once: all can't come any more.
    let proxy = duplicate(&[&refusing, &good], ", acknowledge: all", "");
    ask(&proxy, post("x")).expect(409);
}

#[test]
fn a_server_that_was_down_gets_what_it_missed_in_order() {
    let (flaky, down) = Server::down(503);
    let steady = Server::saying("a");
    let proxy = duplicate(&[&steady, &flaky], "", "");
    let mut client = connect(&proxy);
    client.send(post("0")).answer().expect(200);
    // From now on it has a backlog, and nothing overtakes that.
    until(|| proxy.status().queues[0].servers[1].backlog > 0);
    for number in 1..6 {
        client.send(post(&number.to_string())).answer().expect(200);
    }
    down.store(false, Ordering::SeqCst);
    until(|| proxy.status().queues[0].backlog_writes == 0);
    let mut order = bodies(&flaky);
    // What was tried in vain was tried again.
    order.dedup();
    assert_eq!(order, ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn an_unreachable_server_is_caught_up_with() {
    let steady = Server::saying("a");
    let dead = Server::refusing();
    let proxy = duplicate(&[&steady, &dead], "", "");
    ask(&proxy, post("x")).expect(200);
    until(|| proxy.status().queues[0].servers[1].backlog > 0);
    // Now that it has a backlog, nothing but the next write in order is sent to it.
    ask(&proxy, post("y")).expect(200);
    until(|| proxy.status().queues[0].servers[1].backlog >= 2);
    assert!(proxy.status().queues[0].servers[1].gate_closed);
    assert!(!proxy.status().queues[0].servers[0].gate_closed);
}

#[test]
fn when_the_rule_is_not_met_in_time_the_client_hears_not_yet() {
    let (flaky, down) = Server::down(503);
    let steady = Server::saying("a");
    let proxy = duplicate(&[&steady, &flaky], ", acknowledge: all, answer_timeout: 50ms", "");
    let answer = ask(&proxy, post("x")).expect(503);
    assert!(answer.has("Retry-After"));
    assert!(proxy.status().queues[0].backlog_writes > 0);
    down.store(false, Ordering::SeqCst);
    until(|| proxy.status().queues[0].backlog_writes == 0);
    assert_eq!(bodies(&flaky).last().map(String::as_str), Some("x"), "delivery goes on");
}

#[test]
fn the_catch_up_counts_for_a_client_who_waits() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&attempts);
    let flaky = Server::start(move |mut connection| {
        while connection.request().is_some() {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                connection.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
            } else {
                connection.send("HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX-Mine: 1\r\n\r\nlate");
            }
        }
    });
    let proxy = duplicate(&[&flaky], ", acknowledge: all", "");
    let answer = ask(&proxy, post("x")).expect(201);
    assert_eq!((answer.text().as_str(), answer.field("X-Mine")), ("late", Some("1")));
    assert_eq!(answer.field("X-Backend-Server"), Some(&*flaky.to_string()));
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[test]
fn without_a_catch_up_a_failure_is_a_failure() {
    let (flaky, down) = Server::down(503);
    let steady = Server::saying("a");
    let proxy = duplicate(&[&steady, &flaky], ", catch_up: \"off\"", "");
    ask(&proxy, post("x")).expect(200);
    flaky.wait_requests(1);
    down.store(false, Ordering::SeqCst);
    ask(&proxy, post("y")).expect(200);
    flaky.wait_requests(2);
    assert_eq!(bodies(&flaky), ["x", "y"]);
    let proxy = duplicate(&[&Server::refusing()], ", catch_up: \"off\"", "");
    ask(&proxy, post("x")).expect(503);
}

#[test]
fn a_write_whose_client_leaves_before_its_end_is_no_write() {
    let servers = [
        Server::start(|mut connection| {
            connection.until_end();
        }),
        Server::start(|mut connection| {
            connection.until_end();
        }),
    ];
    let proxy = duplicate(&[&servers[0], &servers[1]], "", "");
    let mut client = connect(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhalf of it");
    until(|| servers.iter().all(|server| server.connections() > 0));
    client.reset();
    for server in &servers {
        server.wait_ended(1);
    }
    until(|| proxy.status().queues[0].abandoned_total > 0);
    assert_eq!(proxy.status().queues[0].backlog_writes, 0);
}

#[test]
fn a_write_whose_client_leaves_after_its_end_arrives() {
    let (slow, release) = Server::held(sized("a"));
    let dead = Server::refusing();
    let proxy = duplicate(&[&slow, &dead], "", "");
    let mut client = connect(&proxy);
    client.send(post("whole"));
    slow.wait_requests(1);
    client.reset();
    release.send(()).expect("the server waits");
    until(|| {
        let servers = &proxy.status().queues[0].servers;
        servers[0].live == 0 && servers[1].backlog > 0
    });
    assert_eq!(proxy.status().queues[0].servers[0].backlog, 0);
}

#[test]
fn a_large_body_reaches_all_also_through_the_backlog() {
    let (flaky, down) = Server::down(503);
    let steady = Server::saying("a");
    let proxy = duplicate(&[&steady, &flaky], "", "");
    let body: String = (0..400_000).map(|number| char::from(b'a' + (number % 26) as u8)).collect();
    ask(&proxy, post(&body)).expect(200);
    until(|| proxy.status().queues[0].servers[1].backlog > 0);
    down.store(false, Ordering::SeqCst);
    until(|| !flaky.requests().is_empty() && proxy.status().queues[0].backlog_writes == 0);
    assert_eq!(steady.only_request().text(), body);
    assert_eq!(flaky.last_request().text(), body);
}

#[test]
fn a_drain_waits_for_copies_that_go_on() {
    let (slow, release) = Server::held(sized("slow"));
    let fast = Server::saying("fast");
    let mut proxy = duplicate(&[&slow, &fast], "", "");
    ask(&proxy, post("x")).expect(200);
    slow.wait_requests(1);
    proxy.begin_drain();
    release.send(()).expect("the server waits");
    assert_eq!(proxy.drained(), 0);
    slow.wait_ended(1);
}

/// A server that ends connections without reading as long as it is down.
fn deaf() -> (Server, Arc<AtomicBool>) {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let server = Server::start(move |mut connection| {
        if is_down.load(Ordering::SeqCst) {
            return connection.reset();
        }
        while connection.request().is_some() {
            connection.send(sized("up"));
        }
    });
    (server, down)
}

/// When no copy reads a body, nobody did: the request hung, and every later one behind it.
#[test]
fn a_body_is_read_also_when_no_server_reads_it() {
    for bytes in [1, 1 << 20] {
        let ((first, first_down), (second, second_down)) = (deaf(), deaf());
        let proxy = duplicate(&[&first, &second], ", answer_timeout: 500ms", "");
        let body = "x".repeat(bytes);
        ask(&proxy, post(&body)).expect(503);
        // Both have a backlog now, so that this one has no copy at all.
        ask(&proxy, post(&body)).expect(503);
        first_down.store(false, Ordering::SeqCst);
        second_down.store(false, Ordering::SeqCst);
        until(|| proxy.status().queues[0].backlog_writes == 0);
        ask(&proxy, post(&body)).expect(200);
        for server in [&first, &second] {
            server.wait_requests(3);
            assert!(server.requests().iter().all(|request| request.text().len() == bytes));
        }
    }
}

#[test]
fn a_server_that_answers_before_it_has_read_the_body_holds_nobody_up() {
    let early = Server::start(|mut connection| {
        // Where the time of an answer is over before it is asked, nothing comes.
        if connection.try_request_head().is_ok() {
            let _ =
                connection.try_send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let good = Server::saying("good");
    let proxy = duplicate(&[&early, &good], "", "");
    let body = "x".repeat(1 << 20);
    assert_eq!(ask(&proxy, post(&body)).expect(200).text(), "good");
    assert_eq!(good.only_request().text().len(), body.len());
    let proxy = duplicate(&[&early], ", answer_timeout: 5s", "");
    ask(&proxy, post(&body)).expect(503);
}

#[test]
fn in_strict_order_a_server_gets_one_write_at_a_time() {
    let (slow, release) = Server::held(sized("a"));
    let proxy = duplicate(&[&slow], ", order: strict", "");
    let mut clients: Vec<_> = (0..3).map(|_| connect(&proxy)).collect();
    clients[0].send(post("0"));
    slow.wait_requests(1);
    clients[1].send(post("1"));
    clients[2].send(post("2"));
    until(|| proxy.status().queues[0].servers[0].backlog >= 2);
    assert_eq!(slow.requests().len(), 1);
    for number in 0..3 {
        slow.wait_requests(number + 1);
        release.send(()).expect("the server waits");
    }
    for client in &mut clients {
        client.answer().expect(200);
    }
    let seen = bodies(&slow);
    assert_eq!(seen[0], "0");
    assert_eq!(seen.len(), 3);
}

#[test]
fn what_waits_does_not_use_up_the_memory_of_requests() {
    let (down, is_down) = Server::down(503);
    let steady = Server::saying("a");
    let proxy = proxy::start(&format!(
        "replay: {{total: 1MiB}}
services: [{{host: \"*\", upstream: [\"{steady}\", \"{down}\"], dispatch: duplicate}}]
"
    ));
    let mut client = connect(&proxy);
    let body = "x".repeat(100_000);
    for _ in 0..30 {
        client.send(post(&body)).answer().expect(200);
    }
    until(|| proxy.status().queues[0].servers[1].backlog >= 30);
    is_down.store(false, Ordering::SeqCst);
    until(|| proxy.status().queues[0].backlog_writes == 0);
}

/// The word means two things. Of a server: what waits for it. Of a queue: every write that some server has yet to get, once, also
/// while it is in progress; that is what the bound is held against.
#[test]
fn a_backlog_is_that_of_a_server_or_that_of_the_queue() {
    let (slow, release) = Server::held(sized("slow"));
    let ((one, one_down), (other, other_down)) = (Server::down(503), Server::down(503));
    let proxy = duplicate(&[&slow, &one, &other], ", backlog: 1", "");
    let counts = || {
        let queue = proxy.status().queues.remove(0);
        (
            queue.backlog_writes,
            queue.backlog_bytes > 0,
            queue.servers.iter().map(|server| (server.backlog, server.live)).collect::<Vec<_>>(),
        )
    };
    let mut client = connect(&proxy);
    client.send(post("x"));
    slow.wait_requests(1);
    until(|| counts().2[1..] == [(1, 0), (1, 0)]);
    assert_eq!(
        counts(),
        (1, true, vec![(0, 1), (1, 0), (1, 0)]),
        "two wait, one is in progress, and it is one write"
    );
    ask(&proxy, post("no room")).expect(503);
    release.send(()).expect("the server waits");
    client.answer().expect(200);
    assert_eq!(counts(), (1, true, vec![(0, 0), (1, 0), (1, 0)]));
    one_down.store(false, Ordering::SeqCst);
    until(|| counts().2[1].0 == 0);
    assert_eq!(counts(), (1, true, vec![(0, 0), (0, 0), (1, 0)]));
    other_down.store(false, Ordering::SeqCst);
    until(|| counts() == (0, false, vec![(0, 0); 3]));
}

/// There is no bound on the copies that a server gets at a time, so each of them has its time, also when nobody waits for it any more;
/// the first one that ends so closes the gate.
#[test]
fn a_server_that_never_answers_gets_no_more_copies_once_the_first_has_had_its_time() {
    let deaf = Server::start(|mut connection| {
        connection.request_head();
        connection.until_end();
    });
    let steady = Server::saying("a");
    let proxy = duplicate(&[&steady, &deaf], "", ", timeouts: {answer_head: 100ms, answer_body: 100ms}");
    let mut clients: Vec<_> = (0..5).map(|_| connect(&proxy)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        // With and without a body that goes on when the client has its answer.
        client.send(post(&"x".repeat(number * 1000))).answer().expect(200);
    }
    let server = || proxy.status().queues[0].servers[1].clone();
    until(|| server().live == 0);
    assert!(server().gate_closed);
    for number in 1..=20 {
        ask(&proxy, post("later")).expect(200);
        assert_eq!((server().live, server().backlog), (0, 5 + number));
    }
}

#[test]
fn a_full_backlog_refuses_or_drops() {
    let (down, _) = Server::down(503);
    for (full, last) in [("reject", 503), ("drop_oldest", 200)] {
        let steady = Server::saying("a");
        let proxy = duplicate(&[&steady, &down], &format!(", backlog: 2, full: {full}"), "");
        let mut client = connect(&proxy);
        for number in 0..2 {
            client.send(post(&number.to_string())).answer().expect(200);
            until(|| proxy.status().queues[0].servers[1].backlog > number);
        }
        client.send(post("2")).answer().expect(last);
    }
}
