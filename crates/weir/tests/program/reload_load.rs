//! A hundred reloads while requests come by the clock and WebSockets are open: nobody notices.
//!
//! With a build that is asked for in production, all of the load has to be there:
//! `WEIR_TEST_PROGRAM=target/release/weir cargo test -p weir --test program reload_load -- --nocapture`

use std::fs;
use std::net::SocketAddr;

use weir_testkit::wait::until;

use super::admin::Kept;
use super::load::{Offered, load_by_the_clock};
use super::mock::Mock;
use super::process::{Running, is_other_build};
use super::scratch::Scratch;
use super::websocket::{Chat, echo_server};

const RELOADS: usize = 100;

/// Requests in a second.
const RATE: u64 = 2000;

/// Answers between two reloads.
const BETWEEN: u64 = 40;

/// WebSockets that are open from the beginning to the end, on each of two routes.
const CHATS: usize = 4;

/// Whatever changes from one to the next: a route with WebSockets, the servers of requests, a listener's limits, the workers, timeouts.
fn config(round: usize, servers: [SocketAddr; 2], chat: SocketAddr) -> String {
    let [one, other] = servers;
    let web = if round.is_multiple_of(2) { format!("'{one}', '{other}'") } else { format!("'{other}'") };
    format!(
        "listen: ['127.0.0.1:0']
admin: '127.0.0.1:0'
access_log: off
workers: {}
drain: {{idle: 60s}}
timeouts: {{idle: {}s, upgraded_idle: {}m}}
services:
  - host: '*'
    routes:
      - {{path: /unchanged, upstream: chat}}
      - {{path: /changed, upstream: {}, backend_server: {}}}
      - {{path: /, upstream: web, answer_headers: {{set: {{X-Round: '{round}'}}}}}}
upstreams:
  chat: {{servers: ['{chat}']}}
  other-chat: {{servers: [{{address: '{chat}', weight: {}}}]}}
  web: {{servers: [{web}], balance: least_requests}}
",
        1 + round % 3,
        75 + round % 7,
        30 + round % 5,
        if round % 4 < 2 { "chat" } else { "other-chat" },
        round.is_multiple_of(2),
        1 + round % 5,
    )
}

/// What of the rate has to be reached. A debug build on a machine with two cores has the client, the proxy, two mocks and other tests on
/// them, and what it reaches says something of the machine only.
fn demanded(due: u64) -> u64 {
    if is_other_build() { due * 98 / 100 } else { 1 }
}

/// The whole of it is in `docs/operating.md`: nobody is refused or cut by a reload, on routes that change as little as on others.
#[test]
#[expect(clippy::print_stdout, reason = "it tells what the machine could do")]
fn a_hundred_reloads_at_two_thousand_requests_a_second_fail_no_request_and_cut_no_websocket() {
    let (mocks, chat) = ([Mock::anywhere(), Mock::anywhere()], echo_server());
    let servers = [mocks[0].address, mocks[1].address];
    let scratch = Scratch::new("reload-load");
    let file = scratch.file("weir.yaml", config(0, servers, chat));
    let mut proxy = Running::start(&["run", "-c", &file]);
    let (address, admin) = proxy.addresses();
    let mut chats: Vec<Chat> = (0..2 * CHATS)
        .map(|number| Chat::open(address, if number < CHATS { "/unchanged" } else { "/changed" }))
        .collect();
    let load = load_by_the_clock(address, RATE);
    let mut operator = Kept::open(admin);
    for round in 1..=RELOADS {
        // One more under each configuration, and a message of each under way while it is exchanged.
        chats.push(Chat::open(address, "/changed"));
        chats.iter_mut().for_each(Chat::say);
        fs::write(&file, config(round, servers, chat)).unwrap();
        let (head, told) = operator.ask("POST", "/api/v1/reload");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}{told}");
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert!(told["changes_total"].as_u64() >= Some(3), "{told:#}");
        chats.iter_mut().for_each(Chat::hear);
        chats.iter_mut().take(2 * CHATS).for_each(Chat::exchange);
        let before = load.answered();
        until(|| load.answered() >= before + BETWEEN);
        load.demand_success(&format!("reload {round}"));
    }
    let Offered { sent, due } = load.end_by_the_clock();
    let seconds = due as f64 / RATE as f64;
    println!(
        "{RELOADS} reloads in {seconds:.1} s, {sent} of {due} requests that were due: {:.0} in a second",
        sent as f64 / seconds
    );
    assert!(sent >= demanded(due), "only {sent} of {due} requests could be sent");
    // And nothing is left of configurations that nobody needs.
    until(|| operator.ask("GET", "/metrics").1.contains("\nweir_configurations_held 1\n"));
    chats.iter_mut().for_each(Chat::exchange);
    chats.into_iter().for_each(Chat::close);
}
