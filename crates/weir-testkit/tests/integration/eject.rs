//! Servers that fail their requests are taken out, tried and taken back.

#![allow(
    clippy::disallowed_methods,
    reason = "what the control thread does is waited for, by the clock of the wall"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use weir_core::ports::ServerStatus;
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::PATIENCE;

/// A proxy over these servers, whose requests are never repeated.
fn over(servers: &[String], keys: &str) -> Running {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "workers: 2
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{}], retry: {{attempts: 1}}{keys}}}}}
",
        servers.join(", ")
    ))
}

fn names(servers: &[&Server]) -> Vec<String> {
    servers.iter().map(ToString::to_string).collect()
}

fn servers(proxy: &Running) -> Vec<ServerStatus> {
    proxy.status().upstreams[0].servers.clone()
}

fn first(proxy: &Running) -> ServerStatus {
    servers(proxy).remove(0)
}

/// Asks until this is so, and returns the answers.
fn ask_until(proxy: &Running, is_so: impl Fn(&ServerStatus) -> bool) -> Vec<Message> {
    let (begun, mut answers) = (Instant::now(), Vec::new());
    while !is_so(&first(proxy)) {
        answers.push(fetch(proxy, "/"));
        let status = first(proxy);
        assert!(begun.elapsed() < PATIENCE, "{status:?}");
    }
    answers
}

fn last_reason(server: &ServerStatus) -> &str {
    server.changes.last().map_or("", |change| &change.reason)
}

#[test]
fn a_failing_server_among_five_is_out_after_its_first_failures_and_comes_back() {
    let (failing, down) = Server::down(503);
    let good: Vec<_> = (0..4).map(|_| Server::saying("ok")).collect();
    let mut all = names(&[&failing]);
    all.extend(good.iter().map(ToString::to_string));
    let proxy = over(&all, ", eject: {time: 200ms}");
    let answers = ask_until(&proxy, |server| server.ejection.is_out);
    let failed = answers.iter().filter(|answer| answer.status() == 503).count();
    // The control thread may take as long as some more requests do.
    assert!((5..20).contains(&failed), "{failed}");
    let status = first(&proxy);
    assert_eq!(last_reason(&status), "ejected for 200ms: 5 failures in a row, the last: status 503");
    assert_eq!((status.ejection.total, status.share_permille), ([1, 0, 0], 0));
    // Trials fail, and each time it is out for longer.
    let answers = ask_until(&proxy, |server| server.ejection.total == [1, 0, 2] && server.ejection.is_out);
    let failed = answers.iter().filter(|answer| answer.status() == 503).count();
    assert!(failed <= 2 * 3, "{failed} requests tried it");
    assert_eq!(first(&proxy).ejection.recent, 3);
    assert!(last_reason(&first(&proxy)).starts_with("ejected for 600ms: a trial failed: status 503"));
    down.store(false, SeqCst);
    let answers = ask_until(&proxy, |server| server.ejection.breaker == 0 && !server.ejection.is_out);
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let late = (0..10).filter(|_| fetch(&proxy, "/").expect(200).text() == "late").count();
    assert_eq!(late, 2, "it has its share again");
    ask_until(&proxy, |server| last_reason(server) == "requests to it succeed again");
}

#[test]
fn every_way_to_fail_counts_and_is_told() {
    let resetting = Server::start(|mut connection| {
        connection.request();
        connection.reset();
    });
    let garbage = Server::answering("nonsense\r\n\r\n");
    let silent = Server::silent();
    let gateway = Server::answering("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n");
    let breaking = Server::closing("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
    let refusing = Server::refusing().to_string();
    let late = ", timeouts: {answer_head: 100ms}";
    for (server, keys, expected) in [
        (resetting.to_string(), "", "5 failures in a row, the last: connection reset"),
        (garbage.to_string(), "", "5 failures in a row, the last: an answer that is no HTTP"),
        (silent.to_string(), late, "5 failures in a row, the last: no answer in time"),
        (gateway.to_string(), "", "5 failures in a row, the last: status 502"),
        (refusing, "", "5 failures in a row, the last: no connection"),
        (
            breaking.to_string(),
            ", eject: {consecutive: off, share: 50%, least: 4}",
            "4 of 4 requests failed, the last: connection reset",
        ),
    ] {
        let good = Server::saying("ok");
        let proxy = over(&[server.clone(), good.to_string()], keys);
        let begun = Instant::now();
        while !first(&proxy).ejection.is_out {
            // What comes may be no whole answer.
            let mut client = connect(&proxy);
            client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
            client.drain(|_| {});
            assert!(begun.elapsed() < PATIENCE, "{server} {expected}");
        }
        assert_eq!(last_reason(&first(&proxy)), format!("ejected for 10s: {expected}"));
        for _ in 0..6 {
            let answer = fetch(&proxy, "/");
            // On a busy machine the good server may be late too; then it is not the other one that was asked.
            assert!(answer.text() == "ok" || (keys == late && answer.status() == 504), "{server} {answer}");
        }
    }
}

#[test]
fn what_says_nothing_against_a_server_does_not_count() {
    let busy = "HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let buggy = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    // It closes connections that the proxy keeps.
    let closing = Server::closing(sized("ok"));
    for (server, keys) in [
        (Server::answering(busy), ""),
        (Server::answering(buggy), ""),
        (closing, ""),
        (Server::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), ", eject: off"),
        (
            Server::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
            ", eject: {on: [reset, timeout]}",
        ),
    ] {
        let good = Server::saying("ok");
        let proxy = over(&names(&[&server, &good]), keys);
        for _ in 0..40 {
            fetch(&proxy, "/");
        }
        let status = first(&proxy);
        assert_eq!((status.ejection.total, status.ejection.is_out), ([0, 0, 0], false), "{keys}");
        // How many it got depends on when it closes; it gets its share still.
        let (before, begun) = (server.requests().len(), Instant::now());
        while server.requests().len() == before {
            fetch(&proxy, "/");
            assert!(begun.elapsed() < PATIENCE, "{keys}");
        }
    }
}

#[test]
fn at_most_half_of_the_servers_are_out_and_the_last_one_never() {
    let down: Vec<_> = (0..5).map(|_| Server::down(503)).collect();
    let all: Vec<String> = down.iter().map(|(server, _)| server.to_string()).collect();
    for (count, allowed) in [(1, 0), (2, 1), (5, 2)] {
        let proxy = over(&all[..count], "");
        for _ in 0..20 * count {
            assert_eq!(fetch(&proxy, "/").status(), 503);
            let out = servers(&proxy).iter().filter(|server| server.ejection.is_out).count();
            assert!(out <= allowed, "{out} of {count}");
        }
        let begun = Instant::now();
        let out = || servers(&proxy).iter().filter(|server| server.ejection.is_out).count();
        while out() < allowed {
            fetch(&proxy, "/");
            assert!(begun.elapsed() < PATIENCE, "{} of {count}", out());
        }
    }
}

/// A request that may fail is worth more than one that does.
#[test]
fn when_all_are_out_all_are_asked() {
    let (a, b) = (Server::down(503), Server::down(503));
    let proxy = over(&names(&[&a.0, &b.0]), ", eject: {at_most: 100%, time: 1h}");
    let begun = Instant::now();
    while !proxy.status().upstreams[0].panic {
        fetch(&proxy, "/");
        assert!(begun.elapsed() < PATIENCE);
    }
    assert!(servers(&proxy).iter().all(|server| server.ejection.is_out));
    a.1.store(false, SeqCst);
    b.1.store(false, SeqCst);
    for _ in 0..10 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "late");
    }
}

#[test]
fn a_few_requests_at_a_time_try_a_server_that_was_out() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let (release, released) = std::sync::mpsc::sync_channel::<()>(100);
    let released = std::sync::Mutex::new(released);
    let server = Server::start(move |mut connection| {
        while connection.request().is_some() {
            if is_down.load(SeqCst) {
                connection.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
            } else if released.lock().unwrap().recv().is_ok() {
                connection.send(sized("tried"));
            }
        }
    });
    let good = Server::saying("ok");
    let proxy = over(&names(&[&server, &good]), ", eject: {time: 100ms, trials: 2}");
    ask_until(&proxy, |server| server.ejection.is_out);
    down.store(false, SeqCst);
    let begun = Instant::now();
    while first(&proxy).ejection.breaker != 1 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    let (before, answered) = (server.requests().len(), good.requests().len());
    let mut clients: Vec<_> = (0..12)
        .map(|_| {
            let mut client = connect(&proxy);
            client.send(get("/"));
            client
        })
        .collect();
    good.wait_requests(answered + 10);
    server.wait_requests(before + 2);
    assert_eq!(first(&proxy).ejection.breaker, 1);
    release.send(()).unwrap();
    release.send(()).unwrap();
    let texts: Vec<_> = clients.iter_mut().map(|client| client.answer().expect(200).text()).collect();
    assert_eq!(texts.iter().filter(|text| *text == "tried").count(), 2);
    assert_eq!(server.requests().len(), before + 2);
    let begun = Instant::now();
    while first(&proxy).ejection.breaker != 0 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

/// What is found out in one mode is known in all of them.
#[test]
fn requests_of_every_mode_are_heard() {
    for (dispatch, request) in [
        ("{mode: race}", "GET"),
        ("{mode: majority}", "GET"),
        ("{mode: hedge, after: 1ms, at_most: 1ms, budget: 100%}", "GET"),
        ("{mode: duplicate, acknowledge: all, answer_timeout: 1s}", "POST"),
    ] {
        let (failing, _down) = Server::down(503);
        let (a, b) = (Server::saying("ok"), Server::saying("ok"));
        let proxy = proxy::start(&format!(
            "services: [{{host: \"*\", upstream: web, dispatch: {dispatch}}}]
upstreams: {{web: {{servers: [\"{failing}\", \"{a}\", \"{b}\"]}}}}
"
        ));
        let begun = Instant::now();
        while !first(&proxy).ejection.is_out {
            ask(&proxy, format!("{request} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n"));
            assert!(begun.elapsed() < PATIENCE, "{dispatch} {:?}", first(&proxy));
        }
        assert!(last_reason(&first(&proxy)).contains("status 503"), "{dispatch}");
    }
}

/// Copies that nobody waits for tell of their servers too.
#[test]
fn copies_for_a_mirror_are_heard() {
    let (failing, _down) = Server::down(503);
    let (good, mirror) = (Server::saying("ok"), Server::saying("ok"));
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web, mirror: [{{upstream: copies}}]}}]
upstreams: {{copies: {{servers: [\"{failing}\", \"{mirror}\"]}}, web: [\"{good}\"]}}
"
    ));
    ask_until(&proxy, |server| server.ejection.is_out);
}

/// It was killed and back before any check had failed: it was out for an hour, although each check passed.
#[test]
fn one_that_was_away_for_a_moment_is_back_as_soon_as_checks_find_it() {
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let server = Server::start(move |mut connection| {
        while connection.request().is_some() {
            if away.load(SeqCst) {
                return connection.reset();
            }
            connection.send(sized("back"));
        }
    });
    let good = Server::saying("ok");
    let keys = ", eject: {time: 1h, consecutive: 1}, health: {tcp: true, interval: 50ms}";
    let proxy = over(&names(&[&server, &good]), keys);
    let mut client = connect(&proxy);
    // Whoever is asked first, one of two requests meets it. It is well again before it is known to be out.
    while is_away.load(SeqCst) {
        client.send(get("/"));
        is_away.store(client.answer().status() == 200, SeqCst);
    }
    let answers = ask_until(&proxy, |server| last_reason(server) == "requests to it succeed again");
    assert!(answers.iter().all(|answer| answer.status() == 200), "nobody else has met it");
    assert!(first(&proxy).ejection.total[0] == 1, "{:?}", first(&proxy));
}
