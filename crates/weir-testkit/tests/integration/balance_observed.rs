//! `peak_ewma` and `load`: servers that fail or say they are busy get less. What slow ones get is simulated beside the rule.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_testkit::client::{connect, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};

fn over(servers: &[&Server], balance: &str, retry: &str) -> Running {
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{}], balance: {balance}, retry: {retry}}}}}
",
        written.join(", ")
    ))
}

fn answer(status: u16, text: &str, fields: &str) -> String {
    sized(text).replacen("200 OK", &format!("{status} X"), 1).replacen("\r\n", &format!("\r\n{fields}"), 1)
}

/// How many of 200 requests each server got.
fn got(servers: &[&Server], proxy: &Running) -> Vec<usize> {
    let before: Vec<usize> = servers.iter().map(|server| server.requests().len()).collect();
    let mut client = connect(proxy);
    for _ in 0..200 {
        client.send(get("/")).answer();
    }
    servers.iter().zip(before).map(|(server, before)| server.requests().len() - before).collect()
}

#[test]
fn a_server_that_fails_fast_gets_nearly_nothing() {
    for (failing, retry) in [
        (Server::answering(answer(503, "sorry", "")), "{attempts: 1}"),
        (Server::answering(answer(500, "", "")), "{attempts: 2, on: [500]}"),
        // It takes the request and breaks the connection.
        (
            Server::start(|mut connection| {
                connection.request();
            }),
            "{attempts: 1}",
        ),
    ] {
        let good = [Server::saying("a"), Server::saying("b")];
        let servers = [&good[0], &failing, &good[1]];
        let proxy = over(&servers, "peak_ewma", retry);
        let got = got(&servers, &proxy);
        assert!(got[1] < 30, "{got:?}");
        assert!(got[0] > 40 && got[2] > 40, "{got:?}");
    }
}

#[test]
fn a_server_that_refuses_connections_is_asked_less_often() {
    let good = Server::saying("a");
    let refusing = Server::refusing();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [\"{refusing}\", \"{good}\"], balance: peak_ewma}}}}
"
    ));
    let mut client = connect(&proxy);
    for _ in 0..200 {
        client.send(get("/")).answer().expect(200);
    }
    let tried = proxy.status().upstreams[0].servers[0].connect_failures_total;
    assert!(tried < 40, "{tried}");
}

#[test]
fn a_busy_server_gets_less_and_its_report_goes_to_nobody() {
    let busy = Server::answering(answer(200, "busy", "X-Load: cpu=0.95, mem=0.2\r\n"));
    let idle = Server::answering(answer(200, "idle", "X-Load: cpu=0.05\r\n"));
    let servers = [&busy, &idle];
    let proxy = over(&servers, "load", "{attempts: 1}");
    let got = got(&servers, &proxy);
    assert!(got[0] < 50 && got[0] > 0, "{got:?}");
    assert!(!connect(&proxy).send(get("/")).answer().has("x-load"));
    let telling = over(&servers, "{mode: load, reports_pass: true}", "{attempts: 1}");
    assert!(connect(&telling).send(get("/")).answer().has("x-load"));
    let others = over(&servers, "p2c", "{attempts: 1}");
    assert!(connect(&others).send(get("/")).answer().has("x-load"), "the field of somebody else");
}

#[test]
fn nonsense_says_nothing_and_a_report_that_changes_is_followed() {
    let nonsense = Server::answering(answer(200, "a", "X-Load: cpu=95%\r\n"));
    let silent = Server::saying("b");
    let servers = [&nonsense, &silent];
    let share = got(&servers, &over(&servers, "load", "{attempts: 1}"));
    assert!(share.iter().all(|got| (50..150).contains(got)), "{share:?}");

    let is_busy = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&is_busy);
    let changing = Server::start(move |mut connection| {
        while connection.request().is_some() {
            let load = if seen.load(Ordering::Relaxed) { "0.95" } else { "0.05" };
            connection.send(answer(200, "c", &format!("X-Load: cpu={load}\r\n")));
        }
    });
    let idle = Server::answering(answer(200, "d", "X-Load: cpu=0.05\r\n"));
    let servers = [&changing, &idle];
    let proxy = over(&servers, "{mode: load, forget: 100ms}", "{attempts: 1}");
    let before = got(&servers, &proxy);
    assert!(before[0] < 60, "{before:?}");
    is_busy.store(false, Ordering::Relaxed);
    // What it said is forgotten after a tenth of a second, and smoothed until then.
    let mut share = vec![0, 0];
    for _ in 0..200 {
        share = got(&servers, &proxy);
        if share[0] > 70 {
            break;
        }
    }
    assert!(share[0] > 70, "{share:?}");
}
