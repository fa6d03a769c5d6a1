//! `weir duplicate` with the words of its original, before servers that fail, lag, die and come back.

use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;

use nix::sys::signal::Signal;

use super::process::{Running, answer, ask, send};
use super::scratch::Scratch;

const CLIENTS: usize = 3;
const WRITES_OF_EACH: usize = 10;

/// A mock with these options at this port; what it listens on.
fn mock(port: &str, options: &[&str]) -> (Running, SocketAddr) {
    let mut mock = Running::start(&[&["mock", port], options].concat());
    let address = mock.address("listening on http://");
    (mock, address)
}

/// The address of this machine at a port on which all addresses are listened on.
fn here(address: SocketAddr) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

/// A duplication that is started with these words: where its clients go, and where its metrics are.
fn duplicate(words: &[&str]) -> (Running, SocketAddr, SocketAddr) {
    let mut proxy = Running::start(&[&["duplicate"], words].concat());
    let address = here(proxy.address(" INFO listening address="));
    let metrics = here(proxy.address("metrics listening address="));
    (proxy, address, metrics)
}

/// The values on the metrics page whose name and labels begin like this.
fn values(page: &str, series: &str) -> Vec<u64> {
    let lines = page.lines().filter(|line| line.starts_with(series));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

/// The original's promise, with the original's faults in the servers: no client hears of a server that dies, and when it is there
/// again it gets what it has missed.
#[test]
fn every_server_gets_every_write_although_one_fails_one_lags_and_one_dies() {
    let scratch = Scratch::new("catches-up");
    let (plain, plain_address) = mock("0", &[]);
    let (_failing, failing_address) = mock("0", &["--errors", "50%"]);
    let (_slow, slow_address) = mock("0", &["--delay", "0..200ms"]);
    let servers = [plain_address, failing_address, slow_address];
    let file = scratch.file("inventory.conf", servers.map(|server| format!("{server}\n")).concat());
    let (_proxy, address, metrics) =
        duplicate(&["--inventory-path", &file, "--port", "0", "--metrics-port", "0"]);

    let (told, answers) = sync_channel(CLIENTS * WRITES_OF_EACH);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let told = told.clone();
            scope.spawn(move || {
                for write in 0..WRITES_OF_EACH {
                    let body = format!("write {write} of client {client}");
                    // The test may have failed already.
                    let _ = told.send(answer(send(address, "POST", "/orders", &body)));
                }
            });
        }
        drop(told);
        // It dies while there are writes on their way.
        let all: Vec<String> = answers
            .iter()
            .enumerate()
            .map(|(number, answer)| {
                if number == CLIENTS * WRITES_OF_EACH / 3 {
                    plain.signal(Signal::SIGKILL);
                }
                answer
            })
            .collect();
        assert_eq!(all.len(), CLIENTS * WRITES_OF_EACH);
        for answer in all {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    });
    assert_eq!(plain.end().0, None, "it was killed");
    let page = || answer(ask(metrics, "localhost", "/metrics"));
    let dead = page();
    let backlog = |page: &str| values(page, "weir_queue_backlog_writes{");
    assert!(backlog(&dead).iter().sum::<u64>() > 0, "nothing waits for a server that is gone:\n{dead}");

    let (_again, again) = mock(&plain_address.port().to_string(), &[]);
    assert_eq!(again, plain_address);
    let page = loop {
        let page = page();
        if values(&page, "weir_queue_held_writes{") == [0] && backlog(&page) == [0, 0, 0] {
            break page;
        }
        std::thread::yield_now();
    };
    // A server that has taken a write is not sent it again, so as many have been taken as there are writes and servers only when
    // every server has taken every write.
    let writes = (CLIENTS * WRITES_OF_EACH) as u64;
    assert_eq!(values(&page, "weir_queue_accepted_total{"), [writes]);
    assert_eq!(values(&page, "weir_queue_dead_writes{"), [0, 0, 0]);
    assert_eq!(values(&page, "http_responses_total{code=\"200\",source=\"client\"}"), [3 * writes], "{page}");
    let sent = values(&page, "weir_upstream_requests_total{");
    assert!(sent.len() == 3 && sent.iter().all(|sent| *sent >= writes), "{page}");
}

#[test]
fn options_may_be_written_in_every_way() {
    let scratch = Scratch::new("options");
    let (_mock, server) = mock("0", &[]);
    let file = scratch.file("inventory.conf", format!("{server}\n"));
    let (joined, short) = (format!("--inventory-path={file}"), format!("-i{file}"));
    for words in [
        [joined.as_str(), "--port=0", "--metrics-port=0"].as_slice(),
        &["--inv", &file, "--po", "0", "--metrics", "0"],
        &["--metrics-p=0", "--p=0", &format!("--i={file}")],
        &[&short, "-p0", "-m0"],
        &["-m=0", "-p=0", &format!("-i={file}")],
    ] {
        let (mut proxy, address, metrics) = duplicate(words);
        proxy.line("every one of 1 servers");
        let answered = answer(send(address, "POST", "/", "x"));
        assert!(answered.starts_with("HTTP/1.1 200 "), "{words:?}: {answered}");
        let page = answer(ask(metrics, "localhost", "/metrics"));
        assert_eq!(values(&page, "weir_queue_accepted_total{"), [1], "{words:?}");
    }
}
