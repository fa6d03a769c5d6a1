//! `weir demo`, `weir balance` and `weir mock`: what a newcomer starts.

use nix::sys::signal::Signal;

use super::process::{Running, answer, ask, finished};

#[test]
fn the_demo_splits_its_burst_evenly() {
    let (stdout, stderr) = finished(&["demo", "--once", "--listen", "127.0.0.1:0"], 0);
    let counts: Vec<&str> = stdout.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(counts, ["requests", "100", "100", "100", "300"], "{stdout}\n{stderr}");
    let (stdout, _) = finished(&["demo", "--once", "--listen", "127.0.0.1:0", "-n", "1"], 0);
    let mut counts: Vec<&str> =
        stdout.lines().filter_map(|line| line.split_whitespace().nth(1)).skip(1).collect();
    counts.sort_unstable();
    assert_eq!(counts, ["0", "0", "1", "1"], "{stdout}");
}

#[test]
fn the_demo_keeps_serving_until_it_is_stopped() {
    let mut demo = Running::start(&["demo", "--listen", "127.0.0.1:0", "-n", "7"]);
    let address = demo.address("Weir listens on http://");
    demo.line("Ctrl-C");
    let answered = answer(ask(address, "demo.example", "/x"));
    assert!(
        answered.starts_with("HTTP/1.1 200 ") && answered.contains("X-Backend-Server: 127.0.0.1:"),
        "{answered}"
    );
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn balance_spreads_requests_over_mocks() {
    let mut mocks = Running::start(&["mock", "0", "0", "--status", "203"]);
    let servers = [(); 2].map(|()| mocks.address("listening on http://").to_string());
    let (proxy, address) = Running::proxy(&[
        "balance",
        "--listen",
        "127.0.0.1:0",
        "-s",
        "round_robin",
        &servers[0],
        &servers[1],
    ]);
    let mut answered: Vec<String> = (0..4)
        .map(|_| {
            let answer = answer(ask(address, "any.example", "/"));
            assert!(answer.starts_with("HTTP/1.1 203 "), "{answer}");
            let named = answer.lines().find_map(|line| line.strip_prefix("X-Backend-Server: "));
            named.unwrap_or_else(|| panic!("{answer}")).to_owned()
        })
        .collect();
    answered.sort_unstable();
    let mut expected = [&servers[..], &servers[..]].concat();
    expected.sort_unstable();
    assert_eq!(answered, expected);
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
    mocks.signal(Signal::SIGTERM);
    assert_eq!(mocks.end().0, Some(0));
}
