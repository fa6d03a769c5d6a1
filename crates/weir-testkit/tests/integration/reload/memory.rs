//! What open connections keep of the configurations under which they began.

use weir_testkit::client::{connect, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::wait::{until, until_seen};

use super::{Chat, echoing};

fn config(round: usize, chat: &Server, more: &str) -> String {
    format!(
        "workers: 2
timeouts: {{idle: {}s}}
services:
  - host: '*'
    routes:
      - {{path: /chat, name: talk, upstream: chat{more}}}
      - {{path: /, respond: {{body: '{round}'}}}}
upstreams: {{chat: {{servers: ['{chat}'], limits: {{requests: 500}}}}}}
",
        30 + round,
    )
}

fn held(proxy: &Running) -> u64 {
    proxy.status().configuration.held
}

/// A WebSocket that was open for a week kept every route, table and text of the configuration of a week ago, and with a hundred
/// reloads and one WebSocket under each that were a hundred configurations.
#[test]
fn a_hundred_reloads_with_a_websocket_under_each_leave_one_configuration_in_memory() {
    let server = echoing("chat");
    let proxy = proxy::start(&config(0, &server, ""));
    let mut chats = Vec::new();
    for round in 1..=100 {
        chats.push(Chat::open(proxy.address()));
        proxy.publish(&config(round, &server, if round % 2 == 0 { "" } else { ", backend_server: true" }));
        if round.is_multiple_of(10) {
            // The server gives up who says nothing for ten seconds, which a hundred reloads take on a machine that is busy.
            chats.iter_mut().for_each(Chat::lives);
        }
    }
    until_seen(|| held(&proxy), |held| *held == 1);
    chats.iter_mut().for_each(Chat::lives);
    let status = proxy.status();
    assert_eq!((status.requests_in_flight, status.upstreams[0].servers[0].requests_in_flight), (100, 100));
    assert_eq!(status.upstreams[0].servers[0].connections_open, 100);
    drop(chats);
    // What was kept is what is given back: places, counters, names.
    until(|| proxy.status().requests_in_flight == 0);
    let status = proxy.status();
    let server = &status.upstreams[0].servers[0];
    assert_eq!((server.requests_in_flight, server.requests_total, server.connections_open), (0, 100, 0));
    let route = status.routes.iter().find(|route| route.route == "talk").unwrap();
    assert_eq!(route.requests.iter().map(|count| count.count).sum::<u64>(), 100, "{route:?}");
}

/// Places at a route and at its upstream are given back by the rules under which they were taken.
#[test]
fn a_websocket_of_long_ago_gives_its_places_back() {
    let server = echoing("chat");
    let limited = ", admit: {concurrency: {total: 2, queue: 0}}";
    let proxy = proxy::start(&config(0, &server, limited));
    let chats = [Chat::open(proxy.address()), Chat::open(proxy.address())];
    for round in 1..=3 {
        proxy.publish(&config(round, &server, limited));
    }
    until_seen(|| held(&proxy), |held| *held == 1);
    connect(&proxy).send(get("/chat")).answer().expect(503);
    let [first, mut second] = chats;
    drop(first);
    until(|| proxy.status().requests_in_flight == 1);
    let mut third = Chat::open(proxy.address());
    connect(&proxy).send(get("/chat")).answer().expect(503);
    second.lives();
    third.lives();
}

/// A request that runs is another matter: all that decides about it is that of its own configuration.
#[test]
fn a_request_keeps_its_configuration_until_it_ends() {
    let server = Server::silent();
    let proxy = proxy::start(&config(0, &server, ""));
    let mut client = connect(&proxy);
    client.send(get("/chat"));
    server.wait_requests(1);
    proxy.publish(&config(1, &server, ""));
    proxy.publish(&config(2, &server, ""));
    assert_eq!(held(&proxy), 2, "that of the request, and the one in force");
    proxy.cut(|_| true);
    until_seen(|| held(&proxy), |held| *held == 1);
}
