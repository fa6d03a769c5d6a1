//! Mode `duplicate` with `catch_up: durable`: a write is in a file before anybody gets it (`semantics.md` §3.3).

use std::sync::atomic::Ordering;

use weir_core::ports::members::MemberChange;
use weir_testkit::client::{ask, connect};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::wait;

use crate::state_directory::StateDirectory;

/// A `state` directory for one test.
struct State(StateDirectory);

impl State {
    fn yaml(&self, servers: &[&Server], keys: &str) -> String {
        let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
        format!(
            "state: \"{}\"
services: [{{host: \"*\", upstream: web, dispatch: {{mode: duplicate, catch_up: durable{keys}}}}}]
upstreams: {{web: {{servers: [{}]}}}}
",
            self.0,
            servers.join(", ")
        )
    }

    fn proxy(&self, servers: &[&Server], keys: &str) -> Running {
        proxy::start(&self.yaml(servers, keys))
    }
}

fn post(text: &str) -> String {
    format!("POST /orders HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

fn bodies(server: &Server) -> Vec<String> {
    server.requests().iter().map(Message::text).collect()
}

fn until(proxy: &Running, holds: impl Fn(&weir_core::ports::queue::QueueStatus) -> bool) {
    wait::until(|| holds(&proxy.status().queues[0]));
}

#[test]
fn semantics_3_3_nothing_is_sent_before_the_write_is_whole() {
    let state = State(StateDirectory::new());
    let servers = [Server::saying("a"), Server::saying("b")];
    let proxy = state.proxy(&[&servers[0], &servers[1]], ", acknowledge: all");
    let mut slow = connect(&proxy);
    slow.send("POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf ");
    // Another one overtakes it: what the servers see is only that.
    ask(&proxy, post("whole")).expect(200);
    for server in &servers {
        assert_eq!(bodies(server), ["whole"]);
    }
    assert_eq!(proxy.status().queues[0].accepted_total, 1);
    slow.send("of it").answer().expect(200);
    for server in &servers {
        assert_eq!(bodies(server), ["whole", "half of it"]);
    }
    until(&proxy, |queue| queue.accepted_total == 2 && queue.backlog_writes == 0);
}

#[test]
fn sized_chunked_large_and_invited_bodies_arrive_whole() {
    let state = State(StateDirectory::new());
    let servers = [Server::saying("a"), Server::saying("b")];
    let proxy = state.proxy(&[&servers[0], &servers[1]], ", acknowledge: all");
    let mut client = connect(&proxy);
    client.send(post("")).answer().expect(200);
    client.send(post("x")).answer().expect(200);
    let chunked = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    client.send(chunked).answer().expect(200);
    let large: String = (0..3_000_000_u32).map(|number| char::from(b'a' + (number % 23) as u8)).collect();
    client.send(post(&large)).answer().expect(200);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n");
    client.answer().expect(100);
    client.send("invited").answer().expect(200);
    for server in &servers {
        assert!(bodies(server) == ["", "x", "abcdefg", large.as_str(), "invited"]);
        assert!(server.requests().iter().all(|request| request.has("Idempotency-Key")));
        assert!(!server.last_request().has("Expect"));
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_has_written_nothing() {
    let state = State(StateDirectory::new());
    let server = Server::saying("a");
    let proxy = state.proxy(&[&server], "");
    for size in [1, 400_000] {
        let mut client = connect(&proxy);
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 900000\r\n\r\n{}",
            "x".repeat(size)
        ));
        wait::until(|| proxy.status().requests_in_flight > 0);
        client.reset();
        wait::until(|| proxy.connections() == 0);
    }
    let queue = &proxy.status().queues[0];
    assert_eq!((queue.accepted_total, queue.backlog_writes, queue.backlog_bytes), (0, 0, 0));
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn semantics_3_3_what_waits_outlives_the_process_in_order() {
    let state = State(StateDirectory::new());
    let steady = Server::saying("a");
    let (flaky, down) = Server::down(503);
    let large = "y".repeat(700_000);
    let texts = ["0", "1", large.as_str(), "3"];
    let proxy = state.proxy(&[&steady, &flaky], "");
    assert!(proxy.status().queues[0].durable);
    for text in texts {
        ask(&proxy, post(text)).expect(200);
    }
    until(&proxy, |queue| queue.servers[1].backlog == 4);
    drop(proxy);
    let before = flaky.requests().len();
    down.store(false, Ordering::SeqCst);
    let proxy = state.proxy(&[&steady, &flaky], "");
    until(&proxy, |queue| queue.backlog_writes == 0);
    assert!(bodies(&flaky)[before..] == texts);
    // What the other one had it does not get again: the file was written to its end.
    assert_eq!(steady.requests().len(), 4);
    // Numbers go on.
    ask(&proxy, post("5")).expect(200);
}

#[test]
fn a_dead_letter_outlives_the_process() {
    let state = State(StateDirectory::new());
    let steady = Server::saying("a");
    let refusing = Server::answering("HTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n");
    let proxy = state.proxy(&[&steady, &refusing], "");
    ask(&proxy, post("x")).expect(200);
    until(&proxy, |queue| queue.servers[1].dead == 1);
    drop(proxy);
    let proxy = state.proxy(&[&steady, &refusing], "");
    let servers = &proxy.status().queues[0].servers;
    assert_eq!((servers[0].dead, servers[1].dead, servers[1].backlog), (0, 1, 0));
}

#[test]
fn a_full_backlog_refuses_and_nobody_gets_anything() {
    let state = State(StateDirectory::new());
    let steady = Server::saying("a");
    let (flaky, _down) = Server::down(503);
    let proxy = state.proxy(&[&steady, &flaky], ", backlog: 1");
    ask(&proxy, post("first")).expect(200);
    until(&proxy, |queue| queue.servers[1].backlog == 1);
    let refused = ask(&proxy, post("second")).expect(503);
    assert!(refused.has("Retry-After"));
    assert_eq!(bodies(&steady), ["first"]);
    assert_eq!(proxy.status().queues[0].full_total, 1);
    // More room is there as soon as the configuration says so.
    proxy.publish(&state.yaml(&[&steady, &flaky], ", backlog: 2"));
    ask(&proxy, post("third")).expect(200);
    assert_eq!(bodies(&steady), ["first", "third"]);
}

#[test]
fn a_backlog_is_bounded_in_bytes_too() {
    let state = State(StateDirectory::new());
    let steady = Server::saying("a");
    let (flaky, _down) = Server::down(503);
    let proxy = state.proxy(&[&steady, &flaky], ", backlog_bytes: 1MiB");
    ask(&proxy, post(&"x".repeat(700_000))).expect(200);
    until(&proxy, |queue| queue.servers[1].backlog == 1);
    ask(&proxy, post(&"x".repeat(700_000))).expect(503);
    ask(&proxy, post("small")).expect(200);
}

#[test]
fn a_server_that_left_the_configuration_is_an_orphan() {
    let state = State(StateDirectory::new());
    let steady = Server::saying("a");
    let (flaky, _down) = Server::down(503);
    let proxy = state.proxy(&[&steady, &flaky], "");
    ask(&proxy, post("x")).expect(200);
    until(&proxy, |queue| queue.servers[1].backlog == 1);
    drop(proxy);
    let proxy = state.proxy(&[&steady], "");
    ask(&proxy, post("y")).expect(200);
    let queue = &proxy.status().queues[0];
    let orphan = queue.servers.iter().find(|server| !server.configured).expect("it is listed");
    assert_eq!((&*orphan.name, orphan.backlog), (&*flaky.to_string(), 1));
}

/// A configuration whose queue can't be opened was put in use all the same: writes were acknowledged and waited nowhere.
#[test]
fn a_configuration_whose_queue_can_not_be_opened_changes_nothing() {
    let state = State(StateDirectory::new());
    let (steady, other) = (Server::saying("a"), Server::saying("b"));
    let (flaky, _down) = Server::down(503);
    let proxy = state.proxy(&[&steady, &flaky], ", backlog: 1");
    ask(&proxy, post("first")).expect(200);
    until(&proxy, |queue| queue.servers[1].backlog == 1);
    let directory = state.0.path().join("queue");
    std::fs::write(directory.join("bad.sqlite"), b"no database at all").unwrap();
    let duplicate = "dispatch: {mode: duplicate, catch_up: durable, backlog: 9}";
    let yaml = format!(
        "state: \"{}\"
services:
  - {{host: \"new.test\", upstream: good, {duplicate}}}
  - {{host: \"bad.test\", upstream: bad, {duplicate}}}
  - {{host: \"*\", upstream: web, {duplicate}}}
upstreams: {{good: {{servers: [\"{other}\"]}}, bad: {{servers: [\"{other}\"]}}, web: {{servers: [\"{steady}\"]}}}}
",
        state.0
    );
    for _ in 0..2 {
        let error = proxy.try_publish(&yaml).expect_err("a queue is damaged");
        assert!(error.to_string().contains("`bad`"), "{error}");
        assert!(
            error.to_string().starts_with("the queue of the upstream `bad` can't be opened: "),
            "{error}"
        );
    }
    // Everything is as it was: the bound, the servers, who has which file.
    ask(&proxy, post("second")).expect(503);
    assert_eq!(bodies(&steady), ["first"]);
    let status = proxy.status();
    assert_eq!((status.queues.len(), status.queues[0].limits.backlog_writes_max), (1, 1));
    drop(weir_store::Queue::open(&directory, "good", weir_core::queue::QueueLimits::default()).unwrap());
    // And when the cause is gone, it goes.
    std::fs::remove_file(directory.join("bad.sqlite")).unwrap();
    proxy.publish(&yaml);
    ask(&proxy, post("third")).expect(200);
    assert_eq!(bodies(&steady), ["first", "third"]);
    assert_eq!(proxy.status().queues.len(), 3);
}

/// What waits in memory is not moved into a file, so a route that promises a file can't be put in use without a restart: it was,
/// and promised what it did not keep.
#[test]
fn a_queue_in_memory_does_not_become_durable_while_it_runs() {
    let state = State(StateDirectory::new());
    let server = Server::saying("a");
    let durable = state.yaml(&[&server], "");
    let in_memory = durable.replace("durable", "memory");
    let proxy = proxy::start(&in_memory);
    let error = proxy.try_publish(&durable).expect_err("it is in memory").to_string();
    assert!(error.contains("hint: `catch_up: durable` needs a restart"), "{error}");
    ask(&proxy, post("x")).expect(200);
    assert!(!proxy.status().queues[0].durable);
    // The other way more is kept than was asked for.
    let proxy = proxy::start(&durable);
    proxy.publish(&in_memory);
    ask(&proxy, post("y")).expect(200);
    assert!(proxy.status().queues[0].durable);
}

/// `semantics.md` §3.3: a full disk is 503, with nothing acknowledged and nothing sent; what was acknowledged before is delivered, and
/// when there is room again, writes are taken again.
#[test]
fn semantics_3_3_on_a_full_disk_nothing_is_acknowledged_and_nothing_lost() {
    let state = State(StateDirectory::new());
    let steady = Server::saying("a");
    let (flaky, down) = Server::down(503);
    let proxy = proxy::start_with_small_disk(&state.yaml(&[&steady, &flaky], ", acknowledge: 1"), 400);
    let (kept, large) = ("k".repeat(600_000), "l".repeat(1_200_000));
    ask(&proxy, post(&kept)).expect(200);
    until(&proxy, |queue| queue.servers[1].backlog == 1);
    for refusals in 1..=3 {
        let refused = ask(&proxy, post(&large)).expect(503);
        assert!(refused.has("Retry-After"));
        let queue = &proxy.status().queues[0];
        assert_eq!((queue.accepted_total, queue.backlog_writes), (1, 1));
        assert_eq!(queue.write_errors_total, refusals);
    }
    assert_eq!(steady.requests().len(), 1, "what is refused goes to nobody");
    // What still fits is taken.
    ask(&proxy, post("small")).expect(200);
    down.store(false, Ordering::SeqCst);
    until(&proxy, |queue| queue.backlog_writes == 0);
    ask(&proxy, post(&large)).expect(200);
    until(&proxy, |queue| queue.backlog_writes == 0);
    let texts = [kept.as_str(), "small", large.as_str()];
    assert!(bodies(&steady) == texts);
    let mut order = bodies(&flaky);
    order.dedup();
    assert!(order == texts);
    drop(proxy);
    let queue = &state.proxy(&[&steady, &flaky], "").status().queues[0];
    assert_eq!((queue.backlog_writes, queue.backlog_bytes), (0, 0));
}

/// Its servers were those of the moment when its head came: one that joined while the body came never got it.
#[test]
fn a_server_that_joins_while_a_write_comes_gets_it() {
    let (state, first, second) = (State(StateDirectory::new()), Server::saying("a"), Server::saying("b"));
    let proxy = state.proxy(&[&first], "");
    let mut client = connect(&proxy);
    client.send("POST /orders HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nha");
    wait::until(|| proxy.status().requests_in_flight > 0);
    proxy.members().put("web", &second.to_string(), MemberChange::default()).unwrap();
    client.send("lf").answer().expect(200);
    second.wait_requests(1);
    assert_eq!(bodies(&second), ["half"]);
}

#[test]
fn a_write_for_nobody_is_refused_before_it_is_written() {
    let (state, server) = (State(StateDirectory::new()), Server::saying("a"));
    let proxy = state.proxy(&[&server], "");
    proxy.members().leave("web", &server.to_string(), None).unwrap();
    ask(&proxy, post("x")).expect(503);
    assert_eq!(proxy.status().queues[0].accepted_total, 0);
}
