//! Servers and what is known of them, from one configuration to the next.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use weir_core::health::{State, Word};
use weir_core::ports::members::MemberChange;
use weir_core::ports::{ServerStatus, Status};
use weir_testkit::client::{connect, fetch, get};
use weir_testkit::dns::NameServer;
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::wait::until;

use super::reload;

fn config(top: &str, servers: &[&Server], more: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|server| format!("'{server}'")).collect();
    format!(
        "{top}\nservices: [{{host: '*', upstream: web}}]\nupstreams: {{web: {{servers: [{}]{more}}}}}\n",
        servers.join(", ")
    )
}

fn server<'s>(status: &'s Status, server: &Server) -> &'s ServerStatus {
    let all = &status.upstreams[0].servers;
    all.iter().find(|it| it.address == server.to_string()).unwrap_or_else(|| panic!("{all:#?}"))
}

/// Each reload counted servers anew, forgot that one was down, and gave requests to one that an operator had taken out.
#[test]
fn an_upstream_that_is_unchanged_keeps_connections_counters_words_and_health() {
    let (a, b, c) = (Server::saying("a"), Server::saying("b"), Server::refusing());
    let health = "health: {tcp: true, interval: 20ms, timeout: 10s}";
    let text = |top: &str| {
        format!(
            "{top}\nservices: [{{host: '*', upstream: web}}]\nupstreams: {{web: {{servers: ['{a}', '{b}', '{c}'], {health}}}}}\n"
        )
    };
    let proxy = proxy::start(&text(""));
    let state_of_c = |state| proxy.status().upstreams[0].servers[2].state == state;
    until(|| state_of_c(State::Unreachable));
    proxy
        .members()
        .put("web", &b.to_string(), MemberChange { word: Some(Word::Drain), ..MemberChange::default() })
        .unwrap();
    let mut client = connect(&proxy);
    assert_eq!(client.send(get("/")).answer().expect(200).text(), "a");
    let before = proxy.status();
    // Everything else changes.
    reload(&proxy, &text("timeouts: {idle: 7s}\nlimits: {fields: 50}"));
    let after = proxy.status();
    assert_eq!(after.upstreams[0].servers[2].state, State::Unreachable);
    assert_eq!(after.upstreams[0].servers[2].changes_total, before.upstreams[0].servers[2].changes_total);
    assert_eq!(server(&after, &b).state, State::Draining);
    assert_eq!(server(&after, &a).requests_total, 1);
    for _ in 0..5 {
        assert_eq!(client.send(get("/")).answer().expect(200).text(), "a");
    }
    assert_eq!(server(&proxy.status(), &a).requests_total, 6);
    assert_eq!(server(&proxy.status(), &a).connections_total, 1, "the one that there was is used");
}

#[test]
fn a_server_that_stays_keeps_its_connections_when_others_come_and_go() {
    let (a, b, c) = (Server::saying("a"), Server::saying("b"), Server::saying("c"));
    let proxy = proxy::start(&config("", &[&a, &b], ""));
    let all = |count: usize| {
        let mut all: Vec<String> = (0..count).map(|_| fetch(&proxy, "/").expect(200).text()).collect();
        all.sort();
        all.concat()
    };
    assert_eq!(all(4), "aabb");
    assert_eq!(reload(&proxy, &config("", &[&a, &c], "")), ["upstream web changed"]);
    assert_eq!(all(4), "aacc");
    assert_eq!((a.connections(), b.connections(), c.connections()), (1, 1, 1));
    assert_eq!(server(&proxy.status(), &a).requests_total, 4);
    // It is balanced otherwise, and watched otherwise: what was counted goes on.
    reload(&proxy, &config("", &[&a, &c], ", balance: random, eject: off"));
    all(1);
    let status = proxy.status();
    assert_eq!(server(&status, &a).requests_total + server(&status, &c).requests_total, 7);
}

/// Whoever added a server, drained one or sent one away while it ran found the file's servers back after a reload that was
/// about something else.
#[test]
fn what_was_changed_while_it_ran_outlives_a_change_of_the_file() {
    let (a, b, c, d) = (Server::saying("a"), Server::saying("b"), Server::saying("c"), Server::saying("d"));
    let proxy = proxy::start(&config("", &[&a, &b, &c], ""));
    let members = proxy.members();
    members.put("web", &d.to_string(), MemberChange::default()).unwrap();
    members.put("web", &a.to_string(), MemberChange { weight: Some(3), ..MemberChange::default() }).unwrap();
    members.leave("web", &b.to_string(), None).unwrap();
    reload(&proxy, &config("", &[&a, &b, &c], ", balance: least_requests"));
    let status = proxy.status();
    let names: Vec<_> =
        status.upstreams[0].servers.iter().map(|it| (it.address.clone(), it.weight)).collect();
    assert_eq!(names, [(a.to_string(), 3), (c.to_string(), 1), (d.to_string(), 1)]);
    let differences = &status.upstreams[0].differences;
    assert_eq!(differences.len(), 3, "they can still be written into the file: {differences:?}");
}

/// A request under way ends with the server with which it began, also when the file does not have it any more.
#[test]
fn a_request_ends_at_a_server_that_the_file_has_no_more() {
    let (slow, go) = Server::held("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
    let quick = Server::saying("quick");
    let proxy = proxy::start(&config("", &[&slow], ""));
    let mut client = connect(&proxy);
    client.send(get("/"));
    slow.wait_requests(1);
    reload(&proxy, &config("", &[&quick], ""));
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "quick");
    go.send(()).unwrap();
    assert_eq!(client.answer().expect(200).text(), "slow");
    assert_eq!(client.send(get("/")).answer().expect(200).text(), "quick");
}

#[test]
fn requests_in_flight_count_under_the_next_limits_too() {
    let (slow, go) = Server::held("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
    let limits =
        |requests: u32| format!(", limits: {{per_server: {{requests: {requests}}}, queue: 0}}, eject: off");
    let proxy = proxy::start(&config("", &[&slow], &limits(2)));
    let mut first = connect(&proxy);
    first.send(get("/"));
    slow.wait_requests(1);
    reload(&proxy, &config("", &[&slow], &limits(1)));
    assert_eq!(server(&proxy.status(), &slow).requests_in_flight, 1);
    connect(&proxy).send(get("/")).answer().expect(503);
    go.send(()).unwrap();
    first.answer().expect(200);
    until(|| server(&proxy.status(), &slow).requests_in_flight == 0);
    let mut again = connect(&proxy);
    again.send(get("/"));
    slow.wait_requests(2);
    connect(&proxy).send(get("/")).answer().expect(503);
    go.send(()).unwrap();
    again.answer().expect(200);
}

/// The first requests after a reload found nobody, because names were asked for only when it was in use.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what holds within two seconds is held against the time that it took"
)]
fn a_name_that_comes_with_a_reload_is_known_when_it_is_in_use() {
    let server = Server::saying("found");
    let names = NameServer::start(&[Ipv4Addr::LOCALHOST]);
    let port = server.to_string().rsplit_once(':').unwrap().1.to_owned();
    let proxy = proxy::start("services: [{host: '*', respond: {body: first}}]\n");
    let begun = Instant::now();
    reload(
        &proxy,
        &format!(
            "resolver: ['{}']\nservices: [{{host: '*', upstream: web}}]\n\
             upstreams: {{web: {{servers: [{{address: 'app.test:{port}', resolve: true}}]}}}}\n",
            names.address()
        ),
    );
    // Nobody waits for longer than that for a name server that is slow.
    if begun.elapsed() < Duration::from_secs(2) {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "found");
    }
    until(|| proxy.status().upstreams[0].servers.len() == 1);
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "found");
}
