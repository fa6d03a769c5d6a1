//! Mode `hedge`: a second server is asked when the first is slow (`semantics.md` §3.5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::wait::{until, until_some};

fn hedge(servers: &[&Server], keys: &str, more: &str) -> Running {
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "workers: 1
services: [{{host: \"*\", upstream: web, backend_server: true, dispatch: {{mode: hedge{keys}}}}}]
upstreams: {{web: {{servers: [{}]{more}}}}}
",
        written.join(", ")
    ))
}

#[test]
fn a_slow_server_is_not_waited_for() {
    let (slow, fast) = (Server::silent(), Server::saying("fast"));
    let proxy = hedge(&[&slow, &fast], ", after: 10ms, budget: 100%", "");
    let mut client = connect(&proxy);
    for _ in 0..8 {
        let answer = client.send(get("/")).answer().expect(200);
        assert_eq!(answer.text(), "fast");
        assert_eq!(answer.field("X-Backend-Server"), Some(&*fast.to_string()));
    }
    assert_eq!(fast.requests().len(), 8);
    // The rotation begins with it every other time; on a loaded machine the fast one is slow too now and then.
    let asked = slow.requests().len();
    assert!((4..=8).contains(&asked), "{asked}");
    let done = proxy.status().dispatch;
    assert!((4..=8).contains(&done.hedges_total), "{}", done.hedges_total);
    assert_eq!(done.hedges_won_total, 4);
}

#[test]
fn a_fast_server_is_asked_alone() {
    let servers = [Server::saying("a"), Server::saying("b")];
    let proxy = hedge(&[&servers[0], &servers[1]], ", after: 10s, budget: 100%", "");
    let mut client = connect(&proxy);
    let order: String = (0..6).map(|_| client.send(get("/")).answer().expect(200).text()).collect();
    assert_eq!(order, "ababab");
    assert_eq!(servers.iter().map(|server| server.requests().len()).sum::<usize>(), 6);
}

#[test]
fn the_budget_is_never_exceeded() {
    let slow = [Server::silent(), Server::silent()];
    let proxy = hedge(
        &[&slow[0], &slow[1]],
        ", after: 1ms, budget: 0%",
        ", timeouts: {answer_head: 100ms}, retry: {attempts: 1}, eject: off",
    );
    let mut client = connect(&proxy);
    // Ten are saved up at the start, and nothing is added.
    for _ in 0..15 {
        client.send(get("/")).answer().expect(504);
    }
    let asked: usize = slow.iter().map(|server| server.requests().len()).sum();
    assert_eq!(asked, 25);
}

/// `semantics.md` §3.5: the budget is that of the route. Each method that hedged had one of its own.
#[test]
fn methods_of_a_route_share_its_budget() {
    let slow = [Server::silent(), Server::silent()];
    let proxy = proxy::start(&format!(
        "
upstreams:
  u: {{servers: [\"{}\", \"{}\"], timeouts: {{answer_head: 100ms}}, retry: {{attempts: 1}}, eject: off}}
services:
  - host: \"*\"
    upstream: u
    dispatch: {{GET: {{mode: hedge, after: 1ms, budget: 0%}}, OPTIONS: {{mode: hedge, after: 2ms, budget: 0%}}}}
",
        slow[0], slow[1]
    ));
    let mut client = connect(&proxy);
    let options = "OPTIONS / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned();
    for _ in 0..8 {
        client.send(get("/")).answer().expect(504);
        client.send(&options).answer().expect(504);
    }
    let asked: usize = slow.iter().map(|server| server.requests().len()).sum();
    assert_eq!(asked, 16 + 10, "ten are saved up at the start, once");
}

#[test]
fn what_must_not_be_done_twice_is_asked_once() {
    let (slow, fast) = (Server::silent(), Server::saying("fast"));
    let proxy = hedge(&[&slow, &fast], ", after: 1ms, budget: 100%", ", timeouts: {answer_head: 100ms}");
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi";
    ask(&proxy, post).expect(504);
    assert_eq!(fast.requests().len(), 0);
    ask(&proxy, post).expect(200);
    let keyed = "POST / HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: 1\r\nContent-Length: 2\r\n\r\nhi";
    ask(&proxy, keyed).expect(200);
    assert_eq!(fast.last_request().text(), "hi");
}

#[test]
fn a_failure_is_the_business_of_the_retry_policy() {
    let failing = Server::start(|mut connection| {
        connection.request();
        connection.reset();
    });
    let good = Server::saying("good");
    let proxy = hedge(&[&failing, &good], ", after: 10s", "");
    for _ in 0..4 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "good");
    }
    let proxy = hedge(&[&failing], ", after: 10s", ", retry: {attempts: 1}");
    fetch(&proxy, "/").expect(502);
    let busy = Server::answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let proxy = hedge(&[&busy, &good], ", after: 10s", ", retry: {attempts: 2, on: [503]}");
    for _ in 0..4 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "good");
    }
}

#[test]
fn a_server_that_can_not_be_reached_costs_nothing() {
    let good = Server::saying("good");
    let dead = Server::refusing();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: [\"{dead}\", \"{good}\"], dispatch: {{mode: hedge, after: 10s, budget: 0%}}}}]\n"
    ));
    for _ in 0..20 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "good");
    }
}

/// The delay follows what is measured: `at_most` is a day here as far as this test is concerned.
#[test]
fn the_delay_is_measured() {
    let sleepy = Arc::new(AtomicBool::new(false));
    let asleep = Arc::clone(&sleepy);
    let moody = Server::start(move |mut connection| {
        while connection.request().is_some() {
            if asleep.load(Ordering::SeqCst) {
                connection.until_end();
                return;
            }
            connection.send(sized("moody"));
        }
    });
    let steady = Server::saying("steady");
    let proxy = hedge(&[&moody, &steady], ", at_most: 1h, budget: 100%", "");
    let mut client = connect(&proxy);
    // Enough of them that both are known, for as long as it takes until that is published.
    let known = (0..100_000).any(|number| {
        client.send(get("/")).answer().expect(200);
        number % 100 == 99 && proxy.status().dispatch.hedging[0].percentile_seconds.is_some()
    });
    assert!(known, "nothing was ever measured");
    sleepy.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        assert_eq!(client.send(get("/")).answer().expect(200).text(), "steady");
    }
}

/// A body that may not be kept is sent once: the request goes on without a second copy, and is never refused for it.
#[test]
fn semantics_2_5_a_body_that_can_not_be_kept_goes_on_without_a_second_copy() {
    let (slow, fast) = (Server::silent(), Server::saying("fast"));
    let proxy = proxy::start(&format!(
        "replay: {{memory: 16KiB, disk: off}}
services: [{{host: \"*\", upstream: web, dispatch: {{mode: hedge, after: 20ms, budget: 100%}}}}]
upstreams: {{web: {{servers: [\"{fast}\", \"{slow}\"]}}}}
"
    ));
    let body = "x".repeat(300_000);
    for framing in [
        format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ] {
        let put = |number: usize| format!("PUT /{number} HTTP/1.1\r\nHost: a.test\r\n{framing}");
        connect(&proxy).send(put(0)).answer().expect(200);
        assert_eq!(fast.last_request().text(), body);
        // The next one goes to the slow one first; what it has begun can't be begun anew.
        let small = "PUT /1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi";
        connect(&proxy).send(small).answer().expect(200);
    }
    let lost: u64 = proxy.status().replay_impossible.iter().map(|(_, count)| count).sum();
    assert_eq!(lost, 2);
}

/// A client that took its time over a body made its server look slow: a second one was asked, and was no quicker. And what was
/// measured was the client.
#[test]
fn a_client_that_uploads_slowly_does_not_make_its_server_slow() {
    let head =
        |number: usize| format!("PUT /{number} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf ");
    let servers = [Server::saying("a"), Server::saying("b")];
    let proxy = hedge(&[&servers[0], &servers[1]], ", after: 1ms, budget: 100%", "");
    let mut client = connect(&proxy);
    client.send(head(0));
    until(|| servers.iter().any(|server| server.connections() > 0));
    assert!(client.is_silent());
    assert_eq!(servers.iter().map(Server::connections).sum::<usize>(), 1, "one, as long as the client sends");
    client.send("of it").answer().expect(200);

    let server = Server::saying("a");
    let proxy = hedge(&[&server], ", at_most: 1h", "");
    // Enough of them that something is said of it.
    let mut clients: Vec<_> = (0..25).map(|_| connect(&proxy)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(head(number));
    }
    assert!((0..20).all(|_| clients[0].is_silent()), "that is more than half a second");
    for client in &mut clients {
        client.send("of it").answer().expect(200);
    }
    let percentile = until_some(|| proxy.status().dispatch.hedging[0].percentile_seconds);
    assert!(percentile < 0.5, "{percentile} s, of which the client took most");
}
