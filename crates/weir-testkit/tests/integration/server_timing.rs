//! `Server-Timing`: where the time of an answer went, for those who want to know.

use std::time::Instant;

use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::message::Message;
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};

/// The parts that an answer tells, with their milliseconds.
#[track_caller]
fn timing(answer: &Message) -> Vec<(String, f64)> {
    let fields = answer.all("server-timing");
    let ours = fields.last().unwrap_or_else(|| panic!("{answer}"));
    ours.split(", ")
        .map(|part| {
            let (name, time) = part.split_once(";dur=").unwrap_or_else(|| panic!("{ours}"));
            (name.to_owned(), time.parse().unwrap())
        })
        .collect()
}

fn names(answer: &Message) -> Vec<String> {
    timing(answer).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn nothing_is_told_unless_somebody_wants_it() {
    let server = Server::saying("ok");
    assert!(!fetch(&proxy::to(&server), "/").expect(200).has("server-timing"));
    let proxy = proxy::start(&format!(
        "server_timing: true\nservices: [{{host: \"*\", routes: [{{path: /no, server_timing: false, upstream: [\"{server}\"]}}, \
         {{upstream: [\"{server}\"]}}]}}]\n"
    ));
    assert!(!fetch(&proxy, "/no").expect(200).has("server-timing"));
    assert_eq!(names(&fetch(&proxy, "/").expect(200)), ["queue", "connect", "upstream", "total"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what the proxy says is held against the clock of the client")]
fn parts_are_measured_and_no_longer_than_the_whole() {
    let server = Server::saying("ok");
    let proxy = proxy::with(&server, "server_timing: true");
    let begun = Instant::now();
    let mut client = connect(&proxy);
    let parts: Vec<_> = (0..2)
        .map(|_| {
            client.send(get("/"));
            timing(&client.answer().expect(200))
        })
        .collect();
    let elapsed = begun.elapsed().as_secs_f64() * 1000.0;
    for part in &parts {
        let of = |name: &str| part.iter().find(|(known, _)| known == name).unwrap().1;
        let total = of("total");
        assert!(of("upstream") > 0.0 && total <= elapsed, "{part:?} in {elapsed}");
        assert!(of("queue") + of("connect") + of("upstream") <= total + 0.003, "{part:?}");
        assert!(of("queue") == 0.0, "{part:?}");
    }
    assert!(parts[0].iter().any(|(name, time)| name == "connect" && *time > 0.0), "{parts:?}");
}

#[test]
fn a_wait_for_a_turn_is_told_as_one() {
    let (server, release) = Server::held(sized("ok"));
    let proxy = proxy::start(&format!(
        "server_timing: true\nservices: [{{host: \"*\", upstream: [\"{server}\"], admit: {{concurrency: {{total: 1, queue: 1}}}}}}]\n"
    ));
    let (mut first, mut second) = (connect(&proxy), connect(&proxy));
    first.send(get("/"));
    server.wait_requests(1);
    second.send(get("/"));
    weir_testkit::wait::until(|| proxy.status().requests_waiting == 1);
    release.send(()).unwrap();
    first.answer().expect(200);
    release.send(()).unwrap();
    let parts = timing(&second.answer().expect(200));
    assert!(parts[0].0 == "queue" && parts[0].1 > 0.0, "{parts:?}");
}

#[test]
fn what_a_server_tells_stays_and_what_did_not_happen_is_not_told() {
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nServer-Timing: db;dur=53\r\nContent-Length: 0\r\n\r\n");
    let answer = fetch(&proxy::with(&server, "server_timing: true"), "/").expect(200);
    assert_eq!(answer.all("server-timing")[0], "db;dur=53");
    assert_eq!(answer.all("server-timing").len(), 2);
    let local = proxy::start("server_timing: true\nservices: [{host: \"*\", respond: {body: ok}}]\n");
    assert_eq!(names(&fetch(&local, "/").expect(200)), ["queue", "total"]);
    let nobody = proxy::start(&format!(
        "server_timing: true\nservices: [{{host: \"*\", upstream: [\"{}\"]}}]\n",
        Server::refusing()
    ));
    assert_eq!(names(&fetch(&nobody, "/").expect(502)), ["queue", "connect", "total"]);
}

#[test]
fn modes_that_ask_several_servers_tell_of_the_one_that_counts() {
    let servers = [Server::saying("a"), Server::saying("a")];
    let [a, b] = &servers;
    let proxy = proxy::start(&format!(
        "server_timing: true\nservices: [{{host: \"*\", upstream: [\"{a}\", \"{b}\"], dispatch: race}}]\n"
    ));
    let answer = ask(&proxy, get("/")).expect(200);
    assert_eq!(names(&answer), ["queue", "connect", "upstream", "total"]);
    assert!(timing(&answer)[1].1 > 0.0, "{answer}");
}
