//! `weir hedge`: a server that takes far too long is not waited for.

use nix::sys::signal::Signal;

use super::process::{Running, answer, ask};

#[test]
fn a_slow_server_is_not_waited_for() {
    let mut slow = Running::start(&["mock", "0", "--delay", "1000s"]);
    let mut quick = Running::start(&["mock", "0"]);
    let [slow_address, quick_address] =
        [&mut slow, &mut quick].map(|mock| mock.address("listening on http://").to_string());
    let (mut proxy, address) = Running::proxy(&[
        "hedge",
        "--listen",
        "127.0.0.1:0",
        "--after",
        "20ms",
        "--budget",
        "100%",
        &slow_address,
        &quick_address,
    ]);
    let line = proxy.line("every request goes to one of 2 servers");
    assert!(line.contains("does not answer within 20ms") && line.contains("100% of the requests"), "{line}");
    for _ in 0..4 {
        let answered = answer(ask(address, "a.example", "/"));
        assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
        assert!(answered.contains(&format!("X-Backend-Server: {quick_address}\r\n")), "{answered}");
    }
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
}
