//! `weir duplicate`: the inventory and the command line of the first system, before servers that are there and not there.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};

use nix::sys::signal::Signal;
use weir_testkit::port::ReservedPort;
use weir_testkit::wait::{until, until_seen, until_some};

use super::mock::Mock;
use super::process::{Running, answer, ask, received, send};
use super::scratch::Scratch;

/// What a test writes while servers fail.
const WRITES: usize = 15;
/// What it writes when one of them is dead.
const LATE_WRITES: usize = 5;

/// A duplication over the servers of this inventory.
struct Duplication {
    _proxy: Running,
    address: SocketAddr,
    metrics: SocketAddr,
    introduction: String,
    _scratch: Scratch,
}

impl Duplication {
    fn start(inventory: &str) -> Self {
        let scratch = Scratch::new("duplicate");
        let file = scratch.file("inventory.conf", inventory);
        let mut proxy = Running::start(&["duplicate", "-i", &file, "-p", "0", "-m", "0"]);
        let address = here(proxy.address(" INFO listening address="));
        let metrics = here(proxy.address("metrics listening address="));
        let introduction = proxy.line("POST, PUT, PATCH and DELETE go to every one of");
        Self { _proxy: proxy, address, metrics, introduction, _scratch: scratch }
    }
}

/// It listens on all addresses; this machine is one of them.
fn here(address: SocketAddr) -> SocketAddr {
    assert!(address.ip().is_unspecified(), "{address}");
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

/// Mocks, and an inventory of them.
fn mocks(count: usize) -> (Running, String) {
    let mut mocks = Running::start(&[&["mock"], &["0"; 8][..count]].concat());
    let lines: Vec<String> =
        (0..count).map(|_| format!("{}\n", mocks.address("listening on http://"))).collect();
    (mocks, lines.concat())
}

#[test]
fn what_only_reads_goes_to_one_server_in_turn() {
    let (_mocks, inventory) = mocks(2);
    let proxy = Duplication::start(&format!("# ours\n\n{inventory}"));
    let line = &proxy.introduction;
    assert!(
        line.contains("every one of 2 servers") && line.contains("GET, HEAD, OPTIONS and the rest"),
        "{line}"
    );
    let mut named: Vec<String> = (0..4)
        .map(|_| {
            let answered = answer(ask(proxy.address, "kept.example", "/echo"));
            assert!(answered.contains("kept.example"), "the client's Host is kept: {answered}");
            let named = answered.lines().find_map(|line| line.strip_prefix("X-Backend-Server: "));
            format!("{}\n", named.unwrap_or_else(|| panic!("{answered}")))
        })
        .collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 2);
    assert!(named.iter().all(|server| inventory.contains(server)), "{named:?}");
}

#[test]
fn every_server_gets_what_writes() {
    let servers = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let inventory = servers.each_ref().map(|server| format!("{}\n", server.local_addr().unwrap()));
    let proxy = Duplication::start(&inventory.concat());
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let client = send(proxy.address, method, "/orders?x=1", "one order");
        let [mut first, mut second] = servers.each_ref().map(|server| {
            let (stream, _) = server.accept().unwrap();
            let request = received(&stream, "one order".len());
            assert!(request.starts_with(&format!("{method} /orders?x=1 HTTP/1.1\r\n")), "{request}");
            assert!(request.ends_with("\r\n\r\none order"), "{request}");
            stream
        });
        first
            .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nConnection: close\r\n\r\nnew")
            .unwrap();
        let answered = answer(client);
        assert!(answered.starts_with("HTTP/1.1 201 ") && answered.ends_with("\r\n\r\nnew"), "{answered}");
        // It may have gone already.
        let _ = second.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

/// The original's promise: whoever is slow or down gets the write all the same, and the client does not wait for it.
#[test]
fn a_server_that_is_slow_or_down_gets_the_write_later() {
    let [quick, slow, down] = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = [&quick, &slow, &down].map(|server| server.local_addr().unwrap());
    drop(down);
    let proxy = Duplication::start(&addresses.map(|address| format!("{address}\n")).concat());
    let client = send(proxy.address, "POST", "/orders", "one order");
    let [mut first, mut second] = [&quick, &slow].map(|server| server.accept().unwrap().0);
    let key = |request: &str| {
        let key = request.lines().find_map(|line| line.strip_prefix("Idempotency-Key: "));
        key.unwrap_or_else(|| panic!("{request}")).to_owned()
    };
    let asked = received(&first, 9);
    first.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nConnection: close\r\n\r\nnew").unwrap();
    assert!(answer(client).ends_with("\r\n\r\nnew"), "the client waits for the first only");

    let late = received(&second, 9);
    assert!(late.starts_with("POST /orders ") && late.ends_with("\r\n\r\none order"), "{late}");
    second.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    let (mut second, _) = slow.accept().unwrap();
    let again = received(&second, 9);
    assert!(again.ends_with("\r\n\r\none order"), "what failed is tried again: {again}");
    second.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();

    let up = TcpListener::bind(addresses[2]).unwrap();
    let (third, _) = up.accept().unwrap();
    let caught_up = received(&third, 9);
    assert!(caught_up.ends_with("\r\n\r\none order"), "{caught_up}");
    assert_eq!(
        [key(&late), key(&again), key(&caught_up)],
        [(); 3].map(|()| key(&asked)),
        "one write has one key"
    );
    let page = answer(ask(proxy.metrics, "localhost", "/metrics"));
    let line = "http_requests_total{method=\"post\",source=\"proxy\"} 4";
    assert!(page.lines().any(|known| known == line), "repeats are counted too:\n{page}");
}

/// Writes, each of which must be acknowledged. Which ones are told as they come.
fn write_all(address: SocketAddr, numbers: Range<usize>, told: &SyncSender<usize>) {
    for number in numbers {
        let answered = answer(send(address, "POST", &format!("/orders/{number}"), "one order"));
        assert!(answered.starts_with("HTTP/1.1 200 "), "{number}: {answered}");
        // The test may have failed already.
        let _ = told.send(number);
    }
}

/// The original's demonstration, with servers that are processes: no client that writes hears of one that fails half of what it
/// gets, of one that lags, and of one that is killed; when that one is back, nothing waits for it any more.
#[test]
fn no_client_hears_of_mocks_that_fail_lag_and_die() {
    let ports = [(); 3].map(|()| ReservedPort::new());
    let [mortal, failing, lagging] = ports.each_ref().map(ReservedPort::address);
    let killed = Mock::start(mortal, &[]);
    let fails = Mock::start(failing, &["--errors", "50%"]);
    let _lags = Mock::start(lagging, &["--delay", "5ms"]);
    let proxy = Duplication::start(&format!("{mortal}\n{failing}\n{lagging}\n"));
    let (told, acknowledged) = sync_channel(WRITES + LATE_WRITES);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            write_all(proxy.address, 0..WRITES, &told);
        });
        assert!(acknowledged.iter().any(|number| number == WRITES / 3));
        killed.running.signal(Signal::SIGKILL);
    });
    until(|| TcpStream::connect(mortal).is_err());
    write_all(proxy.address, WRITES..WRITES + LATE_WRITES, &told);
    // Both that are left are read from. One of them may say 500, which is its own answer.
    let read_from = |server: SocketAddr| {
        let answered = answer(ask(proxy.address, "a.example", "/"));
        answered.starts_with("HTTP/1.1 200 ") && answered.contains(&format!("X-Backend-Server: {server}"))
    };
    until(|| read_from(failing));
    until(|| read_from(lagging));

    let values = |page: &str, series: &str| -> Vec<u64> {
        let lines = page.lines().filter(|line| line.starts_with(series));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
    };
    let backlog = |page: &str| values(page, "weir_queue_backlog_writes{");
    let page = || answer(ask(proxy.metrics, "localhost", "/metrics"));
    // At least those wait for it that came when it was dead.
    until_seen(
        || backlog(&page()),
        |backlog| backlog.len() == 3 && (LATE_WRITES..=WRITES + LATE_WRITES).contains(&(backlog[0] as usize)),
    );
    let _back = Mock::start(mortal, &[]);
    // What waits for one that fails half of it waits for dice, which may take long.
    fails.behave("{}");
    let page = until_some(|| {
        let page = page();
        let is_all = values(&page, "weir_queue_held_writes{") == [0] && backlog(&page) == [0, 0, 0];
        is_all.then_some(page)
    });
    assert_eq!(values(&page, "weir_queue_accepted_total{"), [(WRITES + LATE_WRITES) as u64]);
    assert_eq!(values(&page, "weir_queue_dead_writes{"), [0, 0, 0], "nothing was given up");
    until(|| read_from(mortal));
}

// semantics.md §1.10
#[test]
fn a_read_is_503_when_its_server_cannot_be_reached() {
    let proxy = Duplication::start("127.0.0.1:1\n");
    for method in ["GET", "OPTIONS"] {
        let answered = answer(send(proxy.address, method, "/", ""));
        assert!(answered.starts_with("HTTP/1.1 503 "), "{answered}");
        assert!(answered.contains("error=connection_refused"), "{answered}");
        assert!(answered.contains("\r\nRetry-After: 1\r\n"), "{answered}");
    }
}

#[test]
fn metrics_have_a_listener_of_their_own_with_the_names_of_the_original() {
    let (_mocks, inventory) = mocks(2);
    let proxy = Duplication::start(&inventory);
    for _ in 0..3 {
        answer(ask(proxy.address, "a.example", "/"));
    }
    answer(send(proxy.address, "PROPFIND", "/", ""));
    answer(ask(proxy.address, "a.example", "/status/404"));
    for path in ["/metrics", "/"] {
        let page = answer(ask(proxy.metrics, "as-the-scraper-knows-it:9000", path));
        for line in [
            "http_requests_total{method=\"get\",source=\"client\"} 4",
            "http_requests_total{method=\"get\",source=\"proxy\"} 4",
            "http_requests_total{method=\"other\",source=\"client\"} 1",
            "http_responses_total{code=\"200\",source=\"client\"} 4",
            "http_responses_total{code=\"404\",source=\"client\"} 1",
            "http_responses_total{code=\"404\",source=\"proxy\"} 1",
            "weir_requests_total 5",
        ] {
            assert!(page.lines().any(|known| known == line), "{line} in\n{page}");
        }
    }
    for path in ["/api/v1/status", "/healthz"] {
        let answered = answer(ask(proxy.metrics, "localhost", path));
        assert!(answered.starts_with("HTTP/1.1 404 "), "{answered}");
    }
}
