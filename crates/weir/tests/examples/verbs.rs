//! What the examples of the verbs promise: servers that fail, hang, are killed and come back.

use weir_core::compare::CompareOutcome;
use weir_core::dispatch::Mode;
use weir_core::mirror::MirrorOutcome;
use weir_core::ports::queue::Selection;
use weir_tools::mock::MockOptions;

use super::site::{Site, until};

/// The servers answer after these times and with these errors, as `--delay` and `--errors` say it.
fn behaving(delay: &str, errors: &str) -> MockOptions {
    MockOptions {
        debug: true,
        delay: delay.parse().unwrap(),
        errors: errors.parse().unwrap(),
        ..MockOptions::default()
    }
}

pub(super) async fn race(site: &mut Site) {
    for (path, asked) in [("/", 3), ("/paid/x", 1), ("/paidx", 3)] {
        let before = site.copies(Mode::Race);
        let answer = site.get("any.test", path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("x-backend-server").map(|server| server.contains(':')), Some(true));
        assert_eq!(site.copies(Mode::Race) - before, asked, "{path}");
    }
    // The first answer that is not 5xx, however quick the others are: X-Backend-Server says whose it was.
    for well in [9001, 9002, 9003] {
        for port in [9001, 9002, 9003] {
            site.restart(port, if port == well { behaving("30ms", "0%") } else { behaving("0ms", "100%") })
                .await;
        }
        let answer = site.get("any.test", "/").await;
        assert_eq!((answer.status, site.port(&answer), site.winner(&answer)), (200, well, well));
        // One server after the other, until one does not fail.
        let answer = site.get("any.test", "/paid/").await;
        assert_eq!((answer.status, site.winner(&answer)), (200, well));
    }
    // A server that is not there loses, too.
    site.kill(9001).await;
    site.kill(9003).await;
    site.restart(9002, behaving("0ms", "0%")).await;
    assert_eq!(site.winner(&site.get("any.test", "/").await), 9002);
    site.restart(9002, behaving("0ms", "100%")).await;
    assert_eq!(site.get("any.test", "/").await.status, 500, "nobody has a better one");
}

pub(super) async fn hedge(site: &mut Site) {
    for method in ["GET", "POST", "GET"] {
        assert_eq!(site.ask(method, "any.test", "/", "").await.status, 200);
    }
    assert_eq!(site.dispatch().requests_by_mode[Mode::Hedge as usize], 3);
    // One that would take an hour: whoever is sent to it is answered by another one, at 200 ms at the latest.
    site.restart(9001, behaving("1h", "0%")).await;
    let before = site.sent(9001);
    let mut requests = 0;
    while site.sent(9001) == before || site.dispatch().hedges_won_total == 0 {
        let answer = site.get("any.test", "/").await;
        assert_eq!(answer.status, 200);
        assert_ne!(site.winner(&answer), 9001);
        requests += 1;
        assert!(requests < 100, "nobody is sent to the server that hangs, or nobody else is asked");
    }
    // 5 % of the requests, and the ten that are there at the start.
    assert!(site.dispatch().hedges_total <= 10 + (3 + requests) / 20);
}

pub(super) async fn majority(site: &mut Site) {
    let answer = site.get("any.test", "/bytes/20").await;
    assert_eq!((answer.status, answer.body.len()), (200, 20));
    assert_eq!(site.copies(Mode::Majority), 3);
    let answer = site.get("any.test", "/").await;
    assert_eq!(answer.status, 502, "each names its own port");
    assert_eq!(site.ask("POST", "any.test", "/", "").await.status, 200, "goes to one");
    // What two of them say, whatever the third one says or does not say.
    let plain = MockOptions { debug: false, ..behaving("0ms", "0%") };
    site.restart(9001, MockOptions { errors: "100%".parse().unwrap(), ..plain }).await;
    assert_eq!(site.get("any.test", "/bytes/20").await.status, 200);
    site.kill(9001).await;
    assert_eq!(site.get("any.test", "/bytes/20").await.status, 200);
    site.kill(9002).await;
    assert_eq!(site.get("any.test", "/bytes/20").await.status, 502, "one of three is no majority");
    site.restart(9001, plain).await;
    assert_eq!(site.get("any.test", "/bytes/20").await.status, 200);
}

pub(super) async fn duplicate(site: &mut Site) {
    assert_eq!(site.ask("POST", "any.test", "/orders", "").await.status, 200);
    let sent = |site: &Site| [9001, 9002, 9003].map(|port| site.sent(port));
    // Two of them are enough for the client; the third has it at some moment.
    until(|| sent(site) == [1, 1, 1]).await;
    assert_eq!(site.get("any.test", "/orders").await.status, 200);
    assert_eq!(sent(site).iter().sum::<u64>(), 4, "reading goes to one");
    // One that is gone is missed by nobody, and has everything when it is back.
    site.kill(9003).await;
    for _ in 0..3 {
        assert_eq!(site.ask("POST", "any.test", "/orders", "").await.status, 200);
    }
    until(|| site.backlog(9003) == 3).await;
    site.restart(9003, behaving("0ms", "0%")).await;
    until(|| site.held() == 0).await;
    assert_eq!(site.delivered(9003), 4);
    // Two that are gone are too many for an acknowledgement, and the write waits for them.
    site.kill(9001).await;
    site.kill(9002).await;
    assert_eq!(site.ask("POST", "any.test", "/orders", "").await.status, 503, "not yet");
    for port in [9001, 9002] {
        site.restart(port, behaving("0ms", "0%")).await;
    }
    until(|| site.held() == 0).await;
    assert_eq!([9001, 9002, 9003].map(|port| site.delivered(port)), [5; 3]);
}

pub(super) async fn durable(site: &mut Site) {
    assert_eq!(site.ask("POST", "any.test", "/orders", "").await.status, 200);
    assert!(site.queue().durable);
    assert_eq!((site.queue().accepted_total, &*site.queue().name), (1, "orders"));
    until(|| site.held() == 0).await;
    // Nobody is at this port any more; the other one has it, and one write waits, also after a restart of Weir.
    site.kill(9002).await;
    assert_eq!(site.ask("POST", "any.test", "/orders", "").await.status, 200);
    until(|| site.backlog(9002) == 1).await;
    assert_eq!((site.backlog(9001), site.delivered(9001)), (0, 2));
    site.restart_proxy().await;
    assert_eq!((site.backlog(9001), site.backlog(9002)), (0, 1), "it was in the file");
    site.restart(9002, behaving("0ms", "0%")).await;
    let retried =
        site.proxy().queue_source().queue("orders").unwrap().retry(Selection::default()).await.unwrap();
    assert_eq!(retried.refusals, []);
    until(|| site.held() == 0).await;
    assert_eq!((site.delivered(9001), site.delivered(9002)), (0, 1), "since the restart");
    assert_eq!(site.queue().dead_writes(), 0, "nobody refused it");
}

pub(super) async fn mirror(site: &mut Site) {
    let copies = site.record(9002).await;
    let sent = || site.status().mirrors[0].copies[MirrorOutcome::Sent as usize];
    for (path, count) in [("/", 1), ("/payments/1", 1), ("/a?b=c", 2)] {
        let answer = site.ask("POST", "any.test", path, "X-Own: field\r\n").await;
        assert_eq!((answer.status, site.port(&answer)), (200, 9001), "{path}");
        until(|| sent() == count).await;
    }
    let copies = copies.lock().unwrap().clone();
    assert_eq!(copies.len(), 2, "payments have no copy");
    for (copy, path) in copies.iter().zip(["/", "/a?b=c"]) {
        assert!(copy.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{copy}");
        for field in ["Host: any.test", "X-Own: field", "X-Weir-Mirror: 1"] {
            assert!(copy.contains(&format!("\r\n{field}\r\n")), "{copy}");
        }
    }
    // Nobody waits for it: neither when it hangs nor when it is gone.
    site.restart(9002, behaving("1h", "0%")).await;
    assert_eq!(site.port(&site.get("any.test", "/").await), 9001);
    site.kill(9002).await;
    assert_eq!(site.port(&site.get("any.test", "/").await), 9001);
}

pub(super) async fn compare(site: &mut Site) {
    let source = site.proxy().status_source();
    let outcomes = || source.status().comparisons[0].outcomes;
    let count = |outcome: CompareOutcome| outcomes()[outcome as usize];
    let answer = site.get("any.test", "/a?b=c").await;
    assert_eq!((answer.status, site.port(&answer)), (200, 9001));
    until(|| outcomes().iter().sum::<u64>() == 1).await;
    let found = source.comparisons();
    assert_eq!(count(CompareOutcome::Same), 1, "{found:?}");
    // What the one on 9002 answers otherwise is told, and its client gets the answer of the other one.
    site.restart(9002, behaving("0ms", "100%")).await;
    let answer = site.get("any.test", "/d").await;
    assert_eq!((answer.status, site.port(&answer)), (200, 9001));
    until(|| outcomes().iter().sum::<u64>() == 2).await;
    assert_eq!(count(CompareOutcome::Different), 1);
    let found = source.comparisons();
    assert_eq!(found[0].examples.len(), 1);
    assert!(found[0].examples[0].request.contains("/d"), "{found:?}");
}
