//! Active checks: who is found well, who is not, and what each mode does with those who are not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_core::health::{State, Word};
use weir_core::mirror::MirrorOutcome;
use weir_core::ports::members::MemberChange;
use weir_core::ports::{ServerStatus, Status};
use weir_testkit::certificate::{Authority, Files};
use weir_testkit::client::{ask, fetch};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::PATIENCE;
use weir_testkit::wait;
use weir_upstream::io::deadline::now;

const USUAL: MemberChange = MemberChange { weight: None, word: None, lease: None };

/// As quick as may be written, and without a panic unless a test is about that.
const QUICK: &str =
    "path: /healthz, interval: 20ms, unhealthy_interval: 10ms, timeout: 5s, unhealthy_after: 2, panic: 0%";

/// A server that can be made ill: then its checks get 503. To all other requests it says its name.
struct Patient {
    server: Server,
    is_ill: Arc<AtomicBool>,
}

impl Patient {
    fn new(name: &str) -> Self {
        let is_ill = Arc::new(AtomicBool::new(false));
        let (ill, name) = (Arc::clone(&is_ill), sized(name));
        let server = Server::start(move |mut connection| {
            while let Some(request) = connection.request() {
                let answer = match (request.start.contains("/healthz"), ill.load(Ordering::SeqCst)) {
                    (true, true) => b"HTTP/1.1 503 Ill\r\nContent-Length: 0\r\n\r\n".to_vec(),
                    _ => name.clone().into(),
                };
                if connection.try_send(&answer).is_err() {
                    return;
                }
            }
        });
        Self { server, is_ill }
    }

    fn fall_ill(&self) {
        self.is_ill.store(true, Ordering::SeqCst);
    }

    fn recover(&self) {
        self.is_ill.store(false, Ordering::SeqCst);
    }

    /// Requests that were no checks.
    fn asked(&self) -> usize {
        self.server.requests().iter().filter(|request| !request.start.contains("/healthz")).count()
    }
}

fn over(servers: &[&Patient], health: &str, route: &str, upstream: &str) -> Running {
    let servers: Vec<String> = servers.iter().map(|one| format!("\"{}\"", one.server)).collect();
    proxy::start(&format!(
        "workers: 2
services: [{{host: \"*\", upstream: web{route}}}]
upstreams: {{web: {{servers: [{}], health: {{{health}}}{upstream}}}}}
",
        servers.join(", ")
    ))
}

/// Waits until this is true of the process.
#[track_caller]
fn until(proxy: &Running, what: &str, is_true: impl Fn(&Status) -> bool) -> Status {
    let begun = now();
    loop {
        let status = proxy.status();
        if is_true(&status) {
            return status;
        }
        assert!(now() - begun < PATIENCE, "never {what}: {:?}", status.upstreams);
        std::thread::yield_now();
    }
}

/// Waits until the servers of the first upstream are in these states.
#[track_caller]
fn until_states(proxy: &Running, states: &[State]) -> Vec<ServerStatus> {
    let status = until(proxy, &format!("{states:?}"), |status| {
        status.upstreams[0].servers.iter().map(|server| server.state).eq(states.iter().copied())
    });
    status.upstreams[0].servers.clone()
}

fn answers(proxy: &Running, count: usize) -> BTreeSet<String> {
    (0..count).map(|_| fetch(proxy, "/").expect(200).text()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

use State::{Healthy, NotInitiated, Unreachable};

/// Whatever chooses a server, and however many are chosen, one that is UNREACHABLE is none of them.
#[test]
fn who_is_unreachable_gets_nothing_and_comes_back() {
    let mut ways: Vec<(String, String)> = ["round_robin", "random", "least_requests", "p2c"]
        .map(|strategy| (String::new(), format!(", balance: {strategy}")))
        .into();
    for mode in ["race", "hedge", "majority"] {
        ways.push((format!(", dispatch: {mode}"), String::new()));
    }
    for (route, upstream) in ways {
        let (a, b, c) = (Patient::new("x"), Patient::new("x"), Patient::new("x"));
        let proxy = over(&[&a, &b, &c], QUICK, &route, &upstream);
        until_states(&proxy, &[Healthy, Healthy, Healthy]);
        b.fall_ill();
        until_states(&proxy, &[Healthy, Unreachable, Healthy]);
        let before = b.asked();
        assert_eq!(answers(&proxy, 30), names(&["x"]));
        assert_eq!(b.asked(), before, "{route}{upstream}");
        assert!(a.asked() + c.asked() >= 30, "{route}{upstream}");
        b.recover();
        until_states(&proxy, &[Healthy, Healthy, Healthy]);
        let mut tries = 0;
        while b.asked() == before {
            answers(&proxy, 1);
            tries += 1;
            assert!(tries < 1000, "it gets nothing any more: {route}{upstream}");
        }
    }
}

#[test]
fn every_change_is_told_with_its_reason() {
    let a = Patient::new("a");
    let proxy = over(&[&a], QUICK, "", "");
    until_states(&proxy, &[Healthy]);
    a.fall_ill();
    let server = until_states(&proxy, &[Unreachable]).remove(0);
    let ways: Vec<_> =
        server.changes.iter().map(|change| (change.from, change.to, &*change.reason)).collect();
    let ill = "2 checks in a row failed: status 503, expected 2xx, 3xx";
    assert_eq!(ways, [(NotInitiated, Healthy, "a check passed"), (Healthy, Unreachable, ill)]);
    assert!(server.changes.is_sorted_by_key(|change| change.at));
    assert_eq!((server.since, server.changes_total), (server.changes[1].at, 2));
    let checks = server.checks.unwrap();
    assert!(checks.failures_in_a_row >= 2 && checks.last_success.is_some(), "{checks:?}");
    let [passed, refused, timeout, answer] = checks.by_outcome;
    assert!(passed >= 1 && answer >= 2 && refused + timeout == 0, "{checks:?}");
    // Its checks are none of its requests.
    assert_eq!((server.requests_total, server.requests_in_flight), (0, 0));
}

/// A majority is one of the configured servers, not of those that are left (`semantics.md` §3.6).
#[test]
fn a_majority_is_one_of_all_servers_also_of_those_that_are_gone() {
    let (a, b, c) = (Patient::new("x"), Patient::new("x"), Patient::new("x"));
    let proxy = over(&[&a, &b, &c], QUICK, ", dispatch: majority", "");
    c.fall_ill();
    until_states(&proxy, &[Healthy, Healthy, Unreachable]);
    fetch(&proxy, "/").expect(200);
    b.fall_ill();
    until_states(&proxy, &[Healthy, Unreachable, Unreachable]);
    let before = (b.asked(), c.asked());
    fetch(&proxy, "/").expect(502);
    assert_eq!((b.asked(), c.asked()), before);
}

const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx";

/// `semantics.md` §3.2: its copy goes straight to the queue, and is delivered when it is back.
#[test]
fn writes_wait_for_a_server_that_is_unreachable() {
    let (a, b) = (Patient::new("a"), Patient::new("b"));
    let proxy = over(&[&a, &b], QUICK, ", dispatch: {POST: {mode: duplicate}}", "");
    b.fall_ill();
    until_states(&proxy, &[Healthy, Unreachable]);
    for _ in 0..3 {
        ask(&proxy, POST).expect(200);
    }
    b.recover();
    until_states(&proxy, &[Healthy, Healthy]);
    let posts = || b.server.requests().iter().filter(|request| request.start.starts_with("POST")).count();
    until(&proxy, "delivered", |_| posts() == 3);
}

/// Where nothing is kept, a write that must reach all of them is not taken by fewer.
#[test]
fn without_a_queue_nothing_is_sent_to_who_is_unreachable() {
    let (a, b) = (Patient::new("a"), Patient::new("b"));
    let rule = |acknowledge| {
        format!(", dispatch: {{POST: {{mode: duplicate, catch_up: \"off\", acknowledge: {acknowledge}}}}}")
    };
    let all = over(&[&a, &b], QUICK, &rule("all"), "");
    let first = over(&[&a, &b], QUICK, &rule("first"), "");
    b.fall_ill();
    until_states(&all, &[Healthy, Unreachable]);
    until_states(&first, &[Healthy, Unreachable]);
    ask(&all, POST).expect(503);
    ask(&first, POST).expect(200);
    assert_eq!(b.asked(), 0);
}

/// `semantics.md` §4.4: at the start nobody waits for checks.
#[test]
fn while_no_server_is_known_to_be_well_all_get_requests() {
    let silent = || {
        Server::start(|mut connection| {
            while let Some(request) = connection.request() {
                if request.start.contains("/healthz") {
                    connection.until_end();
                    return;
                }
                connection.send(sized("x"));
            }
        })
    };
    let (a, b) = (silent(), silent());
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: {{servers: [\"{a}\", \"{b}\"], health: {{path: /healthz, timeout: 1h}}}}}}]"
    ));
    for _ in 0..4 {
        fetch(&proxy, "/").expect(200);
    }
    until_states(&proxy, &[NotInitiated, NotInitiated]);
    let asked =
        |server: &Server| server.requests().iter().filter(|one| one.start == "GET / HTTP/1.1").count();
    assert_eq!((asked(&a), asked(&b)), (2, 2));
}

#[test]
fn when_all_seem_to_be_gone_all_are_asked() {
    let (a, b) = (Patient::new("a"), Patient::new("b"));
    let proxy = over(&[&a, &b], &QUICK.replace("panic: 0%", "panic: 50%"), "", "");
    until_states(&proxy, &[Healthy, Healthy]);
    a.fall_ill();
    until_states(&proxy, &[Unreachable, Healthy]);
    assert_eq!(answers(&proxy, 6), names(&["b"]), "half is not less than half");
    b.fall_ill();
    until_states(&proxy, &[Unreachable, Unreachable]);
    assert!(proxy.status().upstreams[0].panic);
    assert_eq!(answers(&proxy, 6), names(&["a", "b"]));
    b.recover();
    until_states(&proxy, &[Unreachable, Healthy]);
    assert_eq!(answers(&proxy, 6), names(&["b"]));
}

#[test]
fn without_panic_requests_are_told_that_nobody_is_left() {
    let a = Patient::new("a");
    a.fall_ill();
    let proxy = over(&[&a], QUICK, "", "");
    until_states(&proxy, &[Unreachable]);
    fetch(&proxy, "/").expect(503);
    assert_eq!(a.asked(), 0);
}

/// Health belongs to a server of an upstream: what one asks is not what the other asks.
#[test]
fn one_address_in_two_upstreams_has_two_healths() {
    let a = Patient::new("a");
    let proxy = proxy::start(&format!(
        "services: [{{host: a.test, upstream: one}}, {{host: b.test, upstream: two}}]
upstreams:
  one: {{servers: [\"{0}\"], health: {{{QUICK}}}}}
  two: {{servers: [\"{0}\"], health: {{tcp: true, interval: 20ms}}}}
",
        a.server
    ));
    a.fall_ill();
    let states = |status: &Status| [0, 1].map(|index| status.upstreams[index].servers[0].state);
    until(&proxy, "told apart", |status| states(status) == [Unreachable, Healthy]);
}

#[test]
fn a_port_that_nobody_listens_at_is_refused() {
    // Bound, so that the port is nobody else's.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: {{servers: [\"{address}\"], health: {{tcp: true, interval: 20ms}}}}}}]"
    ));
    let server = until_states(&proxy, &[Unreachable]).remove(0);
    assert_eq!(&*server.changes[0].reason, "3 checks in a row failed: connection refused");
    socket.listen(16).unwrap();
    until_states(&proxy, &[Healthy]);
}

#[test]
fn a_check_speaks_tls_and_believes_whom_requests_believe() {
    let (root, stranger, files) = (Authority::new("Root"), Authority::new("Stranger"), Files::new());
    let server = Server::tls_saying(root.issue(&["127.0.0.1"]).server(), "well");
    let over = |authority: &Authority, name: &str| {
        let ca = files.write(name, &authority.pem);
        proxy::start(&format!(
            "services: [{{host: \"*\", upstream: web}}]
upstreams:
  web: {{servers: [\"https://{server}\"], tls: {{ca: {ca}}}, health: {{path: /z, body: well, interval: 20ms}}}}
"
        ))
    };
    let proxy = over(&root, "root.pem");
    until_states(&proxy, &[Healthy]);
    let proxy = over(&stranger, "stranger.pem");
    let told = until_states(&proxy, &[Unreachable]).remove(0);
    assert!(told.changes[0].reason.contains("failed: no TLS with it: "), "{:?}", told.changes);
}

#[test]
fn who_joins_is_checked_and_who_is_disabled_is_left_alone() {
    let (a, b) = (Patient::new("a"), Patient::new("b"));
    let proxy = over(&[&a], QUICK, "", "");
    until_states(&proxy, &[Healthy]);
    let put = |word| {
        let change = MemberChange { word, ..USUAL };
        proxy.members().put("web", &b.server.to_string(), change).unwrap().state
    };
    b.fall_ill();
    assert_eq!(put(None), NotInitiated);
    until_states(&proxy, &[Healthy, Unreachable]);
    assert_eq!(put(Some(Word::Disable)), State::Disabled);
    // The last check may still be under way; after it there is none.
    let checks = || b.server.requests().len();
    until(&proxy, "left alone", |_| {
        let before = checks();
        let seen = a.server.requests().len();
        wait::until(|| a.server.requests().len() >= seen + 10);
        checks() == before
    });
    b.recover();
    assert_eq!(put(Some(Word::InService)), NotInitiated, "what was known is known no more");
    until_states(&proxy, &[Healthy, Healthy]);
    // One that drains is checked on, and what is found out counts when it comes back.
    assert_eq!(put(Some(Word::Drain)), State::Draining);
    b.fall_ill();
    let before = checks();
    until(&proxy, "checked on", |_| checks() > before + 4);
    assert_eq!(put(Some(Word::InService)), Unreachable);
    proxy.members().leave("web", &b.server.to_string(), None).unwrap();
    until_states(&proxy, &[Healthy]);
}

#[test]
fn copies_for_a_mirror_that_is_gone_are_dropped_and_counted() {
    let (a, mirror) = (Patient::new("a"), Patient::new("m"));
    mirror.fall_ill();
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web, mirror: next}}]
upstreams:
  web: {{servers: [\"{}\"]}}
  next: {{servers: [\"{}\"], health: {{{QUICK}}}}}
",
        a.server, mirror.server
    ));
    until(&proxy, "UNREACHABLE", |status| status.upstreams[1].servers[0].state == Unreachable);
    assert_eq!(answers(&proxy, 5), names(&["a"]));
    let dropped = MirrorOutcome::DroppedUnreachable as usize;
    until(&proxy, "dropped", |status| status.mirrors[0].copies[dropped] == 5);
    assert_eq!(mirror.asked(), 0);
}
