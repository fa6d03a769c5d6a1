//! What is tried again, and what never (`semantics.md` §2.2, as far as mode `balance` needs it).

use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};

fn with_default_retry(server: &Server, top: &str) -> Running {
    proxy::start(&format!("{top}\nservices: [{{host: \"*\", upstream: [\"{server}\"]}}]\n"))
}

/// Resets the first connection after the request, answers on the others.
fn resetting_first() -> Server {
    Server::start(|mut connection| {
        while connection.request().is_some() {
            if connection.number == 0 {
                return connection.reset();
            }
            connection.send(sized("ok"));
        }
    })
}

#[test]
fn semantics_2_2_an_idempotent_request_is_repeated_once_on_reset() {
    let server = resetting_first();
    fetch(&with_default_retry(&server, ""), "/").expect(200);
    assert_eq!(server.connections(), 2);
    let server = Server::start(|mut connection| {
        connection.request();
        connection.reset();
    });
    fetch(&with_default_retry(&server, ""), "/").expect(502);
    assert_eq!(server.connections(), 2, "two attempts in total");
}

#[test]
fn semantics_2_2_anything_else_is_not_repeated() {
    for (method, fields, body) in [
        ("POST", "", ""),
        ("PATCH", "", ""),
        ("POST", "Content-Length: 2\r\n", "hi"),
        ("POST", "Content-Length: 0\r\n", ""),
    ] {
        let server = resetting_first();
        let request = format!("{method} / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n{body}");
        ask(&with_default_retry(&server, ""), request).expect(502);
        assert_eq!(server.connections(), 1, "{method}");
    }
    let server = resetting_first();
    let keyed = "POST / HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: 1\r\n\r\n";
    ask(&with_default_retry(&server, ""), keyed).expect(200);
}

#[test]
fn a_delete_with_an_empty_body_is_repeated() {
    let server = resetting_first();
    let request = "DELETE / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n";
    ask(&with_default_retry(&server, ""), request).expect(200);
}

#[test]
fn garbage_and_answers_are_not_repeated() {
    let server = Server::closing("garbage\r\n\r\n");
    fetch(&with_default_retry(&server, ""), "/").expect(502);
    assert_eq!(server.connections(), 1);
    let server = Server::answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    fetch(&with_default_retry(&server, ""), "/").expect(503);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_broken_body_is_not_repeated() {
    let server = Server::closing("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    let proxy = with_default_retry(&server, "");
    let outcome = connect(&proxy).send(get("/")).try_answer();
    assert!(outcome.is_err() || outcome.is_ok_and(|answer| answer.status() == 502));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_kept_connection_that_the_server_closed_costs_nothing() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send(sized("ok"));
    });
    let proxy = with_default_retry(&server, "");
    let mut client = connect(&proxy);
    for number in 1..=10 {
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi").answer().expect(200);
        server.wait_ended(number);
    }
}

#[test]
fn semantics_2_2_what_must_not_be_repeated_takes_no_connection_that_was_idle_for_long() {
    let server = Server::saying("ok");
    let proxy = with_default_retry(&server, "timeouts: {reuse_unsafe: 20ms}");
    let mut client = connect(&proxy);
    client.send(get("/")).answer().expect(200);
    assert!(client.is_silent());
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi").answer().expect(200);
    assert_eq!(server.connections(), 2);
    assert!(client.is_silent());
    client.send(get("/")).answer().expect(200);
    assert_eq!(server.connections(), 2, "what may be repeated takes it");
}

#[test]
fn semantics_2_3_idle_connections_end_by_our_time_or_by_the_servers() {
    for (top, keep_alive, connections) in [
        ("", "", 1),
        ("timeouts: {upstream_idle: 20ms}", "", 2),
        ("", "Keep-Alive: timeout=0\r\n", 2),
        ("", "Keep-Alive: timeout=5, max=100\r\n", 1),
        ("timeouts: {upstream_idle: 20ms}", "Keep-Alive: timeout=60\r\n", 2),
    ] {
        let server = Server::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{keep_alive}\r\n"));
        let proxy = with_default_retry(&server, top);
        let mut client = connect(&proxy);
        client.send(get("/")).answer().expect(200);
        assert!(client.is_silent());
        client.send(get("/")).answer().expect(200);
        assert_eq!(server.connections(), connections, "{top} {keep_alive}");
    }
}

/// Two servers in this order, with a retry policy.
fn over_two(first: &Server, second: &dyn std::fmt::Display, retry: &str) -> Running {
    proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [\"{first}\", \"{second}\"], retry: {retry}}}}}
"
    ))
}

#[test]
fn statuses_and_timeouts_are_repeated_where_the_policy_says_so() {
    let busy = Server::answering("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    let good = Server::saying("good");
    let proxy = over_two(&busy, &good, "{attempts: 2, on: [503]}");
    for _ in 0..4 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "good");
    }
    // What must not be repeated keeps its answer, and so does the last attempt.
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!([ask(&proxy, post).status(), ask(&proxy, post).status()], [503, 200]);
    let busy_too = Server::answering("HTTP/1.1 503 Busy\r\nContent-Length: 8\r\n\r\nbusy too");
    let proxy = over_two(&busy, &busy_too, "{attempts: 2, on: [503]}");
    assert_eq!(fetch(&proxy, "/").expect(503).text(), "busy too");
    let mute = Server::start(|mut connection| {
        connection.until_end();
    });
    let proxy = over_two(&mute, &good, "{attempts: 2, on: [timeout], per_try: 50ms}");
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "good");
}

#[test]
fn an_answer_that_is_thrown_away_with_nobody_left_to_ask_keeps_its_status() {
    let busy = Server::answering("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    let proxy = over_two(&busy, &Server::refusing(), "{attempts: 2, on: [503]}");
    let answer = fetch(&proxy, "/").expect(503);
    assert!(!answer.to_string().contains("127.0.0.1"), "{answer}");
}

#[test]
fn a_repeat_is_told_the_next_servers_own_host() {
    let resetting = Server::start(|mut connection| {
        connection.request();
        connection.reset();
    });
    let good = Server::saying("good");
    let proxy = over_two(&resetting, &good, "{attempts: 2}");
    ask(&proxy, "GET / HTTP/1.0\r\n\r\n").expect(200);
    assert_eq!(resetting.only_request().field("host"), Some(&*resetting.to_string()));
    assert_eq!(good.only_request().field("host"), Some(&*good.to_string()));
}
