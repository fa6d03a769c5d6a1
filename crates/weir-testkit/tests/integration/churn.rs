//! Servers come and go under load, and nothing is lost, however servers are chosen.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use weir_core::ports::members::MemberChange;
use weir_testkit::certificate::Files;
use weir_testkit::client::{connect, get};
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::Socket;
use weir_testkit::wait::until;

const USUAL: MemberChange = MemberChange { weight: None, word: None, lease: None };

fn over(server: &Server, keys: &str) -> Running {
    proxy::start(&format!(
        "workers: 2
services: [{{host: \"*\", upstream: web}}]
upstreams: {{web: {{servers: [\"{server}\"], retry: {{attempts: 1}}, {keys}}}}}
"
    ))
}

/// Clients that never stop: those with an even number keep the cookie that they are given. Each asks for other paths.
fn ask_until(mut client: Socket, number: usize, stop: &AtomicBool, answered: &AtomicUsize) {
    let mut cookie = String::new();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let target = format!("GET /{number}/{count} HTTP/1.1\r\nHost: a.test\r\n{cookie}\r\n");
        let answer = client.send(target).answer().expect(200);
        assert_eq!(answer.text(), "x");
        if let Some(given) = answer.field("set-cookie").filter(|_| number.is_multiple_of(2)) {
            let given = given.split(';').next().unwrap_or_default();
            cookie = format!("Cookie: {given}\r\n");
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Every request of clients that never stop is answered while two servers come and go so many times each.
fn check(keys: &str, rounds: usize) {
    let (a, b, c) = (Server::saying("x"), Server::saying("x"), Server::saying("x"));
    let proxy = over(&a, keys);
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (client, stop, answered) = (connect(&proxy), &stop, &answered);
            scope.spawn(move || ask_until(client, number, stop, answered));
        }
        let members = proxy.members();
        for round in 0..rounds {
            for server in [&b, &c] {
                members.put("web", &server.to_string(), USUAL).unwrap();
            }
            let before = answered.load(Ordering::Relaxed);
            until(|| answered.load(Ordering::Relaxed) >= before + 2);
            // Some rounds until both have had their part of the load, the others as fast as may be.
            if round % 10 == 0 {
                b.wait_requests(round / 10 + 1);
                c.wait_requests(round / 10 + 1);
            }
            let drain = (round % 2 == 0).then_some(Duration::from_millis(1));
            for server in [&b, &c] {
                members.leave("web", &server.to_string(), drain).unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(b.requests().len() >= rounds / 10 && c.requests().len() >= rounds / 10, "they took part");
}

#[test]
fn turns() {
    check("balance: round_robin", 500);
}

#[test]
fn owners_of_keys() {
    check("balance: {mode: hash, on: path}", 100);
}

#[test]
fn expected_times() {
    check("balance: peak_ewma", 100);
}

#[test]
fn cookies() {
    let files = Files::new();
    let secret = files.write("secret", "a-secret-that-is-long-enough");
    check(&format!("balance: {{mode: sticky, secret: \"file:{secret}\"}}"), 100);
}

/// Who joins gets nothing before a check has passed.
#[test]
fn with_checks() {
    check("balance: round_robin, health: {tcp: true, interval: 20ms, unhealthy_interval: 10ms}", 100);
}

/// A request knows the servers that there were when it began. One that has left since, or leaves, is none to repeat it with.
#[test]
fn a_repeat_goes_to_nobody_who_has_left_meanwhile() {
    let (gone, release) = {
        let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
        let released = std::sync::Mutex::new(released);
        let server = Server::start(move |mut connection| {
            if connection.request().is_some() && released.lock().is_ok_and(|released| released.recv().is_ok())
            {
                connection.reset();
            }
        });
        (server, release)
    };
    let (leaving, stays) = (Server::saying("leaving"), Server::answering(sized("stays")));
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: web}}]
upstreams:
  web:
    servers: [{{address: \"{gone}\", weight: 1000}}, \"{leaving}\", \"{stays}\"]
    retry: {{attempts: 2}}
    eject: off
"
    ));
    for round in 1..=8 {
        let mut client = connect(&proxy);
        client.send(get("/"));
        gone.wait_requests(round);
        let drain = (round % 2 == 0).then_some(Duration::from_secs(60));
        proxy.members().leave("web", &leaving.to_string(), drain).unwrap();
        release.send(()).unwrap();
        assert_eq!(client.answer().expect(200).text(), "stays", "{round}");
        proxy.members().put("web", &leaving.to_string(), USUAL).unwrap();
    }
    assert_eq!(leaving.requests().len(), 0);
}
