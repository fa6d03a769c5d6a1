//! Servers that join, leave and are taken out while the proxy runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use weir_core::health::{State, Word};
use weir_core::ports::members::{DifferenceKind, MemberChange, MemberError};
use weir_testkit::client::{ask, connect, fetch, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::wait::until;

const USUAL: MemberChange = MemberChange { weight: None, word: None, lease: None };

fn over(servers: &[&Server], route: &str) -> Running {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "workers: 2
services: [{{host: \"*\", upstream: web{route}}}]
upstreams: {{web: {{servers: [{}], retry: {{attempts: 1}}}}}}
",
        servers.join(", ")
    ))
}

fn put(proxy: &Running, server: &Server, change: MemberChange) -> Result<bool, MemberError> {
    proxy.members().put("web", &server.to_string(), change).map(|changed| changed.is_new)
}

fn leave(proxy: &Running, server: &Server, drain: Option<Duration>) -> Result<bool, MemberError> {
    proxy.members().leave("web", &server.to_string(), drain).map(|leaving| leaving.is_last)
}

fn answers(proxy: &Running, count: usize) -> String {
    let mut all: Vec<String> = (0..count).map(|_| fetch(proxy, "/").expect(200).text()).collect();
    all.sort();
    all.concat()
}

#[test]
fn a_server_that_joins_gets_its_share_at_once_and_one_that_leaves_nothing_more() {
    let (a, b, c) = (Server::saying("a"), Server::saying("b"), Server::saying("c"));
    let proxy = over(&[&a, &b], "");
    assert_eq!(answers(&proxy, 6), "aaabbb");
    assert_eq!(put(&proxy, &c, USUAL), Ok(true));
    assert_eq!(answers(&proxy, 6), "aabbcc");
    assert_eq!(put(&proxy, &c, USUAL), Ok(false), "the same again changes nothing");
    assert_eq!(put(&proxy, &c, MemberChange { weight: Some(2), ..USUAL }), Ok(false));
    assert_eq!(answers(&proxy, 8), "aabbcccc");
    assert_eq!(leave(&proxy, &a, None), Ok(false));
    assert_eq!(answers(&proxy, 6), "bbcccc");
    assert_eq!(leave(&proxy, &a, None), Err(MemberError::NoServer));
}

#[test]
fn what_an_operator_takes_out_comes_back_when_he_says_so() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&[&a, &b], "");
    for word in [Word::Disable, Word::Drain] {
        put(&proxy, &a, MemberChange { word: Some(word), ..USUAL }).unwrap();
        assert_eq!(answers(&proxy, 4), "bbbb", "{word:?}");
        put(&proxy, &a, MemberChange { word: Some(Word::InService), ..USUAL }).unwrap();
        assert_eq!(answers(&proxy, 4), "aabb", "{word:?}");
    }
    let server = proxy.status().upstreams[0].servers[0].clone();
    assert_eq!((server.state, server.changes.len()), (State::Healthy, 4));
}

#[test]
fn the_last_server_may_leave_and_requests_are_told() {
    let a = Server::saying("a");
    let proxy = over(&[&a], "");
    assert_eq!(leave(&proxy, &a, None), Ok(true));
    fetch(&proxy, "/").expect(503);
    put(&proxy, &a, USUAL).unwrap();
    assert_eq!(fetch(&proxy, "/").expect(200).text(), "a");
}

#[test]
fn what_makes_no_sense_changes_nothing_and_says_why() {
    let a = Server::saying("a");
    let proxy = over(&[&a], "");
    let bad =
        |upstream: &str, server: &str, change| proxy.members().put(upstream, server, change).unwrap_err();
    assert_eq!(bad("x", "a:1", USUAL), MemberError::NoUpstream { known: vec!["web".to_owned()] });
    for server in ["", "nonsense", "a:99999", "ftp://a:1", "a b:1", "https://10.0.0.1:443"] {
        assert!(matches!(bad("web", server, USUAL), MemberError::Bad(_)), "{server}");
    }
    let heavy = |weight| MemberChange { weight: Some(weight), ..USUAL };
    assert!(matches!(bad("web", "a:1", heavy(1001)), MemberError::Bad(_)));
    let leased = |seconds| MemberChange { lease: Some(Duration::from_secs(seconds)), ..USUAL };
    assert!(matches!(bad("web", "a:1", leased(0)), MemberError::Bad(_)));
    assert!(matches!(bad("web", "a:1", leased(100_000)), MemberError::Bad(_)));
    assert_eq!(answers(&proxy, 2), "aa");
}

#[test]
fn a_server_that_drains_ends_its_request_and_then_leaves() {
    let gate = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&gate);
    let slow = Server::start(move |mut connection| {
        while connection.request().is_some() {
            until(|| opened.load(Ordering::Relaxed));
            connection.send(sized("slow"));
        }
    });
    let quick = Server::saying("quick");
    let proxy = over(&[&slow, &quick], "");
    let mut client = connect(&proxy);
    client.send(get("/"));
    slow.wait_requests(1);
    assert_eq!(leave(&proxy, &slow, Some(Duration::from_secs(60))), Ok(false));
    assert_eq!(answers(&proxy, 3), "quickquickquick");
    let leaving = proxy.status().upstreams[0].servers[1].clone();
    assert_eq!((leaving.address, leaving.state), (slow.to_string(), State::Draining));
    gate.store(true, Ordering::Relaxed);
    assert_eq!(client.answer().expect(200).text(), "slow");
    until(|| proxy.status().upstreams[0].servers.len() != 2);
}

#[test]
fn a_lease_that_is_not_renewed_ends() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&[&a], "");
    put(&proxy, &b, MemberChange { lease: Some(Duration::from_secs(3)), ..USUAL }).unwrap();
    assert_eq!(answers(&proxy, 2), "ab");
    until(|| proxy.status().upstreams[0].servers.len() != 2);
    assert_eq!(answers(&proxy, 2), "aa");
}

#[test]
fn what_was_changed_beside_the_file_is_told() {
    let (a, b, c) = (Server::saying("a"), Server::saying("b"), Server::saying("c"));
    let proxy = over(&[&a, &b], "");
    assert_eq!(proxy.status().upstreams[0].differences, []);
    put(&proxy, &a, MemberChange { weight: Some(3), word: Some(Word::Disable), lease: None }).unwrap();
    leave(&proxy, &b, None).unwrap();
    put(&proxy, &c, USUAL).unwrap();
    let differences = proxy.status().upstreams[0].differences.clone();
    let found: Vec<_> = differences.into_iter().map(|one| (one.server, one.kind)).collect();
    let expected = [
        (a.to_string(), DifferenceKind::Weight { written: 1, now: 3 }),
        (a.to_string(), DifferenceKind::TakenOut(Word::Disable)),
        (c.to_string(), DifferenceKind::Added { weight: 1, is_leased: false }),
        (b.to_string(), DifferenceKind::Left { weight: 1 }),
    ];
    assert_eq!(found, expected);
    put(&proxy, &a, MemberChange { weight: Some(1), word: Some(Word::InService), lease: None }).unwrap();
    put(&proxy, &b, USUAL).unwrap();
    leave(&proxy, &c, None).unwrap();
    assert_eq!(proxy.status().upstreams[0].differences, []);
}

/// A write that was accepted while a server joins reaches it or waits for it.
#[test]
fn a_server_that_joins_a_duplicate_gets_every_write_from_then_on() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&[&a], ", dispatch: {POST: {mode: duplicate, acknowledge: all}}");
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";
    ask(&proxy, post).expect(200);
    put(&proxy, &b, USUAL).unwrap();
    for _ in 0..3 {
        ask(&proxy, post).expect(200);
    }
    assert_eq!((a.requests().len(), b.requests().len()), (4, 3));
    leave(&proxy, &b, None).unwrap();
    ask(&proxy, post).expect(200);
    assert_eq!((a.requests().len(), b.requests().len()), (5, 3));
}

/// A disabled server of a duplicate is not forgotten: what it missed waits for it (`semantics.md` §3.2).
#[test]
fn writes_wait_for_a_server_that_was_taken_out() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&[&a, &b], ", dispatch: {POST: {mode: duplicate}}");
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";
    put(&proxy, &b, MemberChange { word: Some(Word::Disable), ..USUAL }).unwrap();
    for _ in 0..3 {
        ask(&proxy, post).expect(200);
    }
    assert_eq!(b.requests().len(), 0);
    put(&proxy, &b, MemberChange { word: Some(Word::InService), ..USUAL }).unwrap();
    b.wait_requests(3);
}

/// A graceful leave was worse than a kill: everybody waited for the word of a server that gets nothing new.
#[test]
fn nobody_waits_for_the_acknowledgement_of_a_server_that_leaves() {
    let (a, silent) = (Server::saying("a"), Server::silent());
    let proxy = over(&[&a, &silent], ", dispatch: {POST: {mode: duplicate, acknowledge: all}}");
    let mut client = connect(&proxy);
    client.send(get("/"));
    let mut other = connect(&proxy);
    other.send(get("/"));
    silent.wait_requests(1);
    assert_eq!(leave(&proxy, &silent, Some(Duration::from_secs(60))), Ok(false));
    let post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";
    ask(&proxy, post).expect(200);
    assert_eq!(proxy.status().queues[0].servers.iter().map(|server| server.backlog).sum::<usize>(), 0);
}

#[test]
fn a_server_is_the_same_however_it_is_written() {
    let a = Server::saying("a");
    let proxy = over(&[&a], "");
    let changed = proxy.members().put("web", &format!("http://{a}"), USUAL).unwrap();
    assert!(!changed.is_new);
    assert_eq!(proxy.status().upstreams[0].servers.len(), 1);
}

/// DELETE and GET knew only the spelling with which a server had come.
#[test]
fn whoever_is_meant_is_found_in_every_spelling() {
    let a = Server::saying("a");
    let proxy = over(&[&a], "");
    for (joins, others) in [
        ("x.test:80", ["http://x.test", "http://X.Test/", "X.TEST:80"]),
        ("http://x.test", ["x.test:80", "http://x.test:80", "x.test:080"]),
        ("[::1]:81", ["[0:0:0:0:0:0:0:1]:81", "http://[::1]:81", "http://[0::1]:81/"]),
        (
            "http://10.0.0.1/base/",
            ["http://10.0.0.1:80/base", "http://10.0.0.1/base", "http://10.0.0.1:80/base/"],
        ),
    ] {
        for other in others {
            let members = proxy.members();
            assert!(members.put("web", joins, USUAL).unwrap().is_new, "{joins}");
            assert_eq!(members.name_of("web", other).as_deref(), Ok(joins));
            assert!(!members.put("web", other, MemberChange { weight: Some(2), ..USUAL }).unwrap().is_new);
            assert!(members.leave("web", other, None).unwrap().is_gone, "{other}");
            assert_eq!(proxy.status().upstreams[0].servers.len(), 1);
            assert_eq!(members.leave("web", other, None), Err(MemberError::NoServer));
        }
    }
    let unknown = ["https://x.test:80", "http://x.test/other", "x.test:81", "", "nonsense"];
    assert!(unknown.iter().all(|name| proxy.members().name_of("web", name) == Err(MemberError::NoServer)));
}

/// It came back as a stranger of weight 1, and stood among the differences for ever.
#[test]
fn a_server_of_the_file_comes_back_as_what_the_file_says() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [\"{a}\", {{address: \"{b}\", weight: 3}}]}}}}
"
    ));
    leave(&proxy, &b, None).unwrap();
    assert_eq!(answers(&proxy, 2), "aa");
    // Written otherwise, it is the same server all the same.
    assert!(proxy.members().put("web", &format!("http://{b}/"), USUAL).unwrap().is_new);
    assert_eq!(answers(&proxy, 8), "aabbbbbb");
    let server = proxy.status().upstreams[0].servers[1].clone();
    assert_eq!((server.address, server.weight, server.origin), (b.to_string(), 3, "file"));
    assert_eq!(proxy.status().upstreams[0].differences, []);
    leave(&proxy, &b, None).unwrap();
    put(&proxy, &b, MemberChange { weight: Some(2), ..USUAL }).unwrap();
    let differences = proxy.status().upstreams[0].differences.clone();
    assert_eq!(differences[0].kind, DifferenceKind::Weight { written: 3, now: 2 });
    assert_eq!(differences.len(), 1);
}

/// `weight: 0` is what it is in the file, and one that weighs nothing is nobody who is left.
#[test]
fn a_server_without_weight_gets_nothing_that_is_balanced_and_is_none_that_is_left() {
    let (a, b) = (Server::saying("a"), Server::saying("b"));
    let proxy = over(&[&a, &b], ", dispatch: {POST: {mode: duplicate, acknowledge: all}}");
    let change =
        |server: &Server, change| proxy.members().put("web", &server.to_string(), change).unwrap().is_last;
    let weighs = |weight| MemberChange { weight: Some(weight), ..USUAL };
    assert!(!change(&a, weighs(0)));
    assert_eq!(answers(&proxy, 3), "bbb");
    let before = a.requests().len();
    ask(&proxy, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx").expect(200);
    assert_eq!(a.requests().len(), before + 1, "writes that every server gets, it gets too");
    assert_eq!(leave(&proxy, &b, None), Ok(true), "who stays weighs nothing");
    fetch(&proxy, "/").expect(503);
    assert!(!change(&b, USUAL));
    for word in [Word::Disable, Word::Drain] {
        assert!(change(&b, MemberChange { word: Some(word), ..USUAL }), "{word:?}");
        fetch(&proxy, "/").expect(503);
        assert!(!change(&b, MemberChange { word: Some(Word::InService), ..USUAL }));
    }
    assert!(change(&b, weighs(0)));
    fetch(&proxy, "/").expect(503);
    assert!(!change(&a, weighs(1)));
    assert_eq!(answers(&proxy, 2), "aa");
}
