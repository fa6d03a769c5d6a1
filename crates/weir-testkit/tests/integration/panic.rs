//! `panic` where nobody checks servers: below it, those are asked again that requests have taken out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use weir_core::ports::UpstreamStatus;
use weir_testkit::client::fetch;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::Server;
use weir_testkit::wait::until_seen;

/// Two servers that answer everything with 503 until they are told otherwise, and a proxy that takes out whoever does so once.
fn both_fail(panic: &str) -> ([(Server, Arc<AtomicBool>); 2], Running) {
    let down = [Server::down(503), Server::down(503)];
    let proxy = proxy::start(&format!(
        "workers: 2
services: [{{host: \"*\", upstream: web}}]
upstreams:
  web:
    servers: [\"{}\", \"{}\"]
    retry: {{attempts: 1}}
    eject: {{consecutive: 1, at_most: 100%, time: 1h, time_max: 1h}}
    panic: {panic}
",
        down[0].0, down[1].0
    ));
    (down, proxy)
}

/// Asks until this is so.
#[track_caller]
fn ask_until(proxy: &Running, is_so: impl Fn(&UpstreamStatus) -> bool) {
    let look = || {
        fetch(proxy, "/");
        proxy.status().upstreams[0].clone()
    };
    until_seen(look, is_so);
}

fn out(upstream: &UpstreamStatus) -> usize {
    upstream.servers.iter().filter(|server| server.ejection.is_out).count()
}

/// It could only be written beside checks.
#[test]
fn when_too_few_are_left_ejection_is_ignored() {
    let ([first, second], proxy) = both_fail("60%");
    second.1.store(false, SeqCst);
    ask_until(&proxy, |upstream| upstream.panic);
    assert_eq!(out(&proxy.status().upstreams[0]), 1, "half is left, and that is too little");
    first.1.store(false, SeqCst);
    let before = first.0.requests().len();
    for _ in 0..6 {
        assert_eq!(fetch(&proxy, "/").expect(200).text(), "late");
    }
    assert_eq!(first.0.requests().len(), before + 3, "the one that is out has its share");
}

#[test]
fn without_panic_nobody_is_asked_who_is_out() {
    let ([first, second], proxy) = both_fail("0%");
    ask_until(&proxy, |upstream| out(upstream) == 2);
    assert!(!proxy.status().upstreams[0].panic);
    let asked = || first.0.requests().len() + second.0.requests().len();
    let before = asked();
    for _ in 0..4 {
        fetch(&proxy, "/").expect(503);
    }
    assert_eq!(asked(), before);
}
