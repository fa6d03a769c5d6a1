//! What the examples of upstreams promise: how servers are chosen, tried again, changed at run time and found.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use weir_core::health::Word;
use weir_core::ports::members::MemberChange;

use super::site::{Site, request, until};

/// Requests of which the last byte is missing: they are in progress, because a mock answers when it has them whole.
pub(crate) async fn hold(site: &Site, count: usize, path: &str) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        let head = request("POST", "any.test", path, "Content-Length: 1\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        held.push(stream);
    }
    held
}

pub(crate) async fn balance(site: &Site) {
    let in_flight = || {
        let upstreams = site.status().upstreams;
        let servers = upstreams.into_iter().flat_map(|upstream| upstream.servers);
        servers.map(|server| server.requests_in_flight).sum::<u64>()
    };
    let held = Cell::new(0);
    let ports = async |path: &str, fields: &str, count: usize| {
        let mut ports = Vec::new();
        for _ in 0..count {
            // A client may have its answer a moment before the request counts as done.
            until(|| in_flight() == held.get()).await;
            let answer = site.ask("GET", "any.test", path, fields).await;
            assert_eq!(answer.status, 200, "{path}");
            ports.push(site.port(&answer));
        }
        ports
    };
    let mut turns = ports("/turns/", "", 8).await;
    turns.sort_unstable();
    assert_eq!(turns, [9001, 9001, 9001, 9001, 9002, 9002, 9003, 9003], "by weight");

    let _held = hold(site, 1, "/busy").await;
    let busy = || {
        let upstreams = site.status().upstreams;
        let least = upstreams.into_iter().find(|upstream| upstream.name == "least").unwrap();
        least.servers.iter().position(|server| server.requests_in_flight > 0)
    };
    until(|| busy().is_some()).await;
    let busy = 9001 + busy().unwrap() as u16;
    held.set(1);
    assert!(!ports("/", "", 9).await.contains(&busy), "it has something to do");

    let mut owners = BTreeSet::new();
    for tenant in 0..50 {
        let own = ports("/tenants/", &format!("X-Tenant: {tenant}\r\n"), 3).await;
        assert!(own.iter().all(|port| *port == own[0]), "{own:?}");
        owners.insert(own[0]);
    }
    // That one server owns fifty tenants happens once in 10^23 runs.
    assert!(owners.len() > 1, "{owners:?}");

    let first = site.get("any.test", "/cart/").await;
    let cookie = first.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let again = ports("/cart/", &format!("Cookie: {cookie}\r\n"), 4).await;
    assert!(again.iter().all(|port| *port == site.port(&first)), "{again:?}");

    for path in ["/random/", "/two/", "/quick/", "/room/"] {
        ports(path, "", 4).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the budget of the example is earned by the clock of the wall")]
pub(crate) async fn retry(site: &Site) {
    let upstream = || site.status().upstreams[0].clone();
    let asked = || upstream().servers.iter().map(|server| server.requests_total).sum::<u64>();
    let begun = tokio::time::Instant::now();
    for (method, fields, expected) in [("GET", "", 3), ("POST", "", 1), ("POST", "Idempotency-Key: 7\r\n", 3)]
    {
        let before = asked();
        assert_eq!(site.ask(method, "any.test", "/status/503", fields).await.status, 503);
        assert_eq!(asked() - before, expected, "{method} {fields}");
    }
    let mut requests = 3;
    while upstream().retries_unpaid == 0 {
        assert_eq!(site.get("any.test", "/status/503").await.status, 503);
        requests += 1;
    }
    let paid = upstream().retries.iter().sum::<u64>();
    let earned = 10 + requests / 10 + begun.elapsed().as_secs() + 2;
    assert!((4..=earned).contains(&paid), "{paid} repeats of {requests} requests");
}

pub(crate) async fn members(site: &mut Site) {
    let joining = site.another().await;
    let (web, control) = ("web", site.proxy().member_control());
    let site = &*site;
    let usual = MemberChange { weight: None, word: None, lease: None };
    let put = |change| control.put(web, &joining, change).unwrap();
    let shares = async || {
        let mut own = 0;
        for _ in 0..8 {
            let answer = site.get("any.test", "/").await;
            assert_eq!(answer.status, 200);
            own += usize::from(joining.ends_with(&format!(":{}", answer.got()["port"])));
        }
        own
    };
    assert!(put(MemberChange { weight: Some(3), ..usual }).is_new);
    assert_eq!(shares().await, 6, "three of four");
    put(MemberChange { word: Some(Word::Disable), ..usual });
    assert_eq!(shares().await, 0);
    put(MemberChange { word: Some(Word::InService), ..usual });
    assert_eq!(shares().await, 6);
    control.leave(web, &joining, Some(Duration::from_secs(30))).unwrap();
    assert_eq!(shares().await, 0);
    let servers = || site.status().upstreams[0].servers.len();
    until(|| servers() == 1).await;
    put(MemberChange { lease: Some(Duration::from_secs(1)), ..usual });
    until(|| servers() == 1).await;
    assert_eq!(shares().await, 0);
}

/// What the listener for policy groups does is tried from outside the program; here is what requests see.
pub(crate) async fn policy(site: &mut Site) {
    assert_eq!(site.get("any.test", "/").await.status, 503, "nobody has registered");
    let joining = site.another().await;
    let control = site.proxy().member_control();
    control.put("policy:200", &joining, MemberChange { weight: None, word: None, lease: None }).unwrap();
    assert_eq!(site.get("any.test", "/").await.status, 200);
    assert_eq!(site.status().upstreams[0].balance, "least_requests");
}

pub(crate) async fn resolve(site: &Site) {
    let found = || {
        let servers = site.status().upstreams[0].servers.clone();
        servers.iter().map(|server| (server.address.clone(), server.requests_total)).collect::<Vec<_>>()
    };
    let names = site.names();
    // On a machine that has no time for the name server that is a moment after the start.
    until(|| found().len() == 2).await;
    for _ in 0..4 {
        assert_eq!(site.port(&site.get("any.test", "/").await), 9001);
    }
    let at = |address: Ipv4Addr| format!("{address}:{}", site.real_port(9001));
    let there = Ipv4Addr::new(127, 0, 0, 2);
    assert_eq!(found(), [(at(Ipv4Addr::LOCALHOST), 2), (at(there), 2)], "in turn");
    names.say(&[there]);
    until(|| found() == [(at(there), 2)]).await;
    names.say(&[Ipv4Addr::LOCALHOST, there]);
    until(|| found().len() == 2).await;
    names.fail();
    let before = names.asked();
    until(|| names.asked() > before + 1).await;
    assert_eq!(found().len(), 2, "those that were found stay");
    assert_eq!(site.get("any.test", "/").await.status, 200);
}
