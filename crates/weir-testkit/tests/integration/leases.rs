//! Servers that register themselves: what a lease is good for, and what becomes of what waits for one whose lease has ended.

use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_core::health::{State, Word};
use weir_core::ports::members::{ComesBack, DifferenceKind, MemberChange, MemberError};
use weir_core::ports::queue::QueueServerStatus;
use weir_testkit::client::{ask, fetch};
use weir_testkit::message::Message;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::wait::until;

const USUAL: MemberChange = MemberChange { weight: None, word: None, lease: None };

fn over(servers: &str, route: &str) -> Running {
    proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web{route}}}]
upstreams: {{web: {{servers: [{servers}], retry: {{attempts: 1}}, eject: off}}}}
"
    ))
}

fn register(proxy: &Running, server: &Server, seconds: u64) -> Result<bool, MemberError> {
    let lease = MemberChange { lease: Some(Duration::from_secs(seconds)), ..USUAL };
    proxy.members().put("web", &server.to_string(), lease).map(|changed| changed.is_new)
}

/// It would have left when nobody renewed it, although the file says that it is there.
#[test]
fn what_the_file_names_has_no_lease() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&format!("\"{a}\", \"{b}\""), "");
    let is_refused = |outcome| match outcome {
        Err(MemberError::Conflict(why)) => why.contains("the configuration names"),
        _ => false,
    };
    assert!(is_refused(register(&proxy, &a, 10)));
    proxy.members().leave("web", &a.to_string(), None).unwrap();
    assert!(is_refused(register(&proxy, &a, 10)), "also when it has left");
    assert_eq!(proxy.status().upstreams[0].servers.len(), 1);
}

/// One that somebody added and that registers itself leaves with its lease; an operator's word is kept by renewals.
#[test]
fn a_lease_is_taken_by_one_that_was_added_and_keeps_what_people_say() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&format!("\"{a}\""), "");
    proxy.members().put("web", &b.to_string(), MemberChange { weight: Some(2), ..USUAL }).unwrap();
    assert_eq!(register(&proxy, &b, 100), Ok(false));
    let change = MemberChange { word: Some(Word::Disable), ..USUAL };
    proxy.members().put("web", &b.to_string(), change).unwrap();
    assert_eq!(register(&proxy, &b, 100), Ok(false));
    let server = proxy.status().upstreams[0].servers[1].clone();
    assert_eq!((server.origin, server.state, server.weight), ("lease", State::Disabled, 2));
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
    let differences = proxy.status().upstreams[0].differences.clone();
    let kinds: Vec<_> = differences.into_iter().map(|one| one.kind).collect();
    let added = DifferenceKind::Added { weight: 2, is_leased: true };
    assert_eq!(kinds, [added, DifferenceKind::TakenOut(Word::Disable)]);
}

#[test]
fn whoever_lets_a_registered_server_leave_is_told_that_it_comes_back() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&format!("\"{a}\""), "");
    register(&proxy, &b, 100).unwrap();
    let left = proxy.members().leave("web", &b.to_string(), None).unwrap();
    assert_eq!((left.comes_back, left.is_last), (Some(ComesBack::Registers), false));
    assert_eq!(register(&proxy, &b, 100), Ok(true), "its next word");
    let left = proxy.members().leave("web", &a.to_string(), None).unwrap();
    assert_eq!(left.comes_back, None);
}

fn waiting(proxy: &Running, server: &Server) -> Option<QueueServerStatus> {
    let queue = proxy.status().queues.remove(0);
    queue.servers.into_iter().find(|known| *known.name == *server.to_string())
}

/// `semantics.md` §3.3 for one whose lease has ended: what it missed stays, as that of any server that is removed, and it gets it
/// in its order when it registers again.
#[test]
fn what_waits_for_one_whose_lease_ends_is_an_orphan_until_it_registers_again() {
    let (a, (b, is_down)) = (Server::saying("a"), Server::down(503));
    let proxy = over(&format!("\"{a}\""), ", dispatch: {POST: {mode: duplicate}}");
    register(&proxy, &b, 1000).unwrap();
    let post = |text: &str| {
        ask(&proxy, format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\n{text}"))
            .expect(200);
    };
    post("1");
    until(|| waiting(&proxy, &b).is_some_and(|known| known.backlog == 1));
    // It may have left by now, on a slow machine; then it does not get the others.
    register(&proxy, &b, 1).unwrap();
    post("2");
    post("3");
    until(|| waiting(&proxy, &b).is_some_and(|known| !known.configured && !known.in_flight));
    let missed = waiting(&proxy, &b).map(|known| known.backlog).unwrap_or_default();
    assert!((1..=3).contains(&missed), "{missed}");
    post("4");
    assert_eq!(waiting(&proxy, &b).map(|known| known.backlog), Some(missed), "it is no member");
    let before = b.requests().len();
    is_down.store(false, Ordering::SeqCst);
    register(&proxy, &b, 1000).unwrap();
    until(|| waiting(&proxy, &b).is_some_and(|known| known.backlog == 0));
    let got: Vec<String> = b.requests().split_off(before).iter().map(Message::text).collect();
    assert_eq!(got.concat(), "123"[..missed], "in their order, and not what came when it was away");
}
