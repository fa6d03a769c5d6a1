//! Servers that join or recover and get their share little by little, through the whole proxy. That it grows with time is shown
//! beside the keeper of upstreams, on a clock that tests turn.

use std::sync::atomic::Ordering::SeqCst;

use weir_core::health::Word;
use weir_core::ports::ServerStatus;
use weir_core::ports::members::MemberChange;
use weir_testkit::client::fetch;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::wait::until_seen;

const USUAL: MemberChange = MemberChange { weight: None, word: None, lease: None };

fn over(servers: &[&Server], keys: &str) -> Running {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "workers: 2
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [{}], retry: {{attempts: 1}}, {keys}}}}}
",
        servers.join(", ")
    ))
}

/// Waits until this is true of the last server.
#[track_caller]
fn until(proxy: &Running, is_so: impl Fn(&ServerStatus) -> bool) {
    until_seen(|| proxy.status().upstreams[0].servers.clone(), |servers| servers.last().is_some_and(&is_so));
}

/// How many of so many requests the server with this name gets.
fn share_of(proxy: &Running, name: &str, requests: usize) -> usize {
    (0..requests).filter(|_| fetch(proxy, "/").expect(200).text() == name).count()
}

/// The first step lasts for twelve minutes, so all that is seen here is in it.
#[test]
fn a_server_that_joins_has_a_tenth_of_its_share() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&[&a], "slow_start: 1h");
    assert_eq!(share_of(&proxy, "a", 4), 4, "at the start all have their full share");
    proxy.members().put("web", &b.to_string(), USUAL).unwrap();
    assert_eq!(share_of(&proxy, "b", 11), 1);
    assert_eq!(share_of(&proxy, "b", 22), 2);
    // A heavier one a tenth of more.
    proxy.members().put("web", &b.to_string(), MemberChange { weight: Some(10), ..USUAL }).unwrap();
    assert_eq!(share_of(&proxy, "b", 20), 10);
}

#[test]
fn a_server_that_was_ejected_begins_with_a_tenth_too() {
    let (b, down) = Server::down(503);
    let a = Server::saying("a");
    let eject = "eject: {consecutive: 1, time: 100ms, trials: 1}";
    let proxy = over(&[&a, &b], &format!("slow_start: 1h, {eject}"));
    let ask_until = |is_so: &dyn Fn(&ServerStatus) -> bool| {
        until(&proxy, |server| {
            fetch(&proxy, "/");
            is_so(server)
        });
    };
    ask_until(&|server| server.ejection.is_out);
    down.store(false, SeqCst);
    ask_until(&|server| !server.ejection.is_out && server.ejection.breaker == 0);
    until(&proxy, |server| server.share_permille == 90);
    assert_eq!(share_of(&proxy, "late", 11), 1);
}

#[test]
fn a_server_that_an_operator_takes_back_begins_with_a_tenth_too() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&[&a, &b], "slow_start: 1h");
    assert_eq!(share_of(&proxy, "b", 4), 2);
    for (word, expected) in [(Word::Disable, 0), (Word::InService, 1)] {
        let change = MemberChange { word: Some(word), ..USUAL };
        proxy.members().put("web", &b.to_string(), change).unwrap();
        assert_eq!(share_of(&proxy, "b", 11), expected);
    }
}

#[test]
fn in_the_end_it_has_its_whole_share() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&[&a], "slow_start: 300ms");
    proxy.members().put("web", &b.to_string(), USUAL).unwrap();
    until(&proxy, |server| server.share_permille == 500);
    assert_eq!(share_of(&proxy, "b", 10), 5);
}
