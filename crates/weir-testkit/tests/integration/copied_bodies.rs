//! Bodies of every size in every mode that asks several servers: whole, unchanged, in bounded memory (`semantics.md` §2.5).

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use weir_testkit::client::connect;
use weir_testkit::proxy::{self, Running};
use weir_testkit::server::{Connection, Server};
use weir_testkit::socket::Socket;
use weir_testkit::wait::until;

use crate::state_directory::StateDirectory;

const MIB: u64 = 1 << 20;

const MODES: [&str; 4] =
    ["{mode: race}", "{mode: hedge}", "{mode: majority}", "{mode: duplicate, acknowledge: all}"];

const DURABLE: &str = "{mode: duplicate, acknowledge: all, catch_up: durable}";

/// What gets copies beside a mode; `OTHER` is an upstream for them.
const BESIDE: [&str; 3] = [
    "dispatch: balance, mirror: {upstream: OTHER}",
    "dispatch: balance, compare: {upstream: OTHER, methods: [PUT], body: exact}",
    "dispatch: {mode: duplicate, acknowledge: all}, mirror: {upstream: OTHER}, compare: {upstream: OTHER, methods: [PUT]}",
];

/// What servers have got, by a checksum and a length: how often.
type Got = Arc<Mutex<HashMap<(u64, u64), usize>>>;

fn add(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Bytes that repeat after a length that is no power of two, so that a lost or doubled buffer shows.
fn pattern() -> Vec<u8> {
    (0..65_521_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Reads a body of this length or in chunks, as its head says; `None` when it breaks off.
fn receive(connection: &mut Connection, chunked: bool, length: u64) -> (u64, u64) {
    let (mut sum, mut bytes) = (0, 0);
    if !chunked {
        while bytes < length {
            let piece = connection.read_exact((length - bytes).min(64 * 1024) as usize);
            sum = add(sum, &piece);
            bytes += piece.len() as u64;
        }
        return (sum, bytes);
    }
    loop {
        let mut line = String::new();
        while !line.ends_with("\r\n") {
            line.push(char::from(connection.read_exact(1)[0]));
        }
        let size = usize::from_str_radix(line.trim(), 16).expect("a chunk begins with its size");
        let piece = connection.read_exact(size);
        connection.read_exact(2);
        if size == 0 {
            return (sum, bytes);
        }
        sum = add(sum, &piece);
        bytes += size as u64;
    }
}

fn counting(got: &Got) -> Server {
    let got = Arc::clone(got);
    Server::start(move |mut connection| {
        // A copy that is cancelled in the middle is no failure of this server.
        let Ok(head) = std::panic::catch_unwind(AssertUnwindSafe(|| connection.request_head())) else {
            return;
        };
        let length =
            head.field("Content-Length").map_or(0, |text| text.parse().expect("a length is a number"));
        let chunked = head.has("Transfer-Encoding");
        let found = std::panic::catch_unwind(AssertUnwindSafe(|| receive(&mut connection, chunked, length)));
        let Ok(found) = found else { return };
        *got.lock().unwrap_or_else(PoisonError::into_inner).entry(found).or_default() += 1;
        // Nor is one whose answer nobody wants any more.
        let _ = connection.try_send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    })
}

fn send(to: &mut Socket, bytes: u64, chunked: bool) -> (u64, u64) {
    let framing =
        if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {bytes}") };
    to.send(format!("PUT / HTTP/1.1\r\nHost: a.test\r\n{framing}\r\n\r\n"));
    let pattern = pattern();
    let (mut sum, mut sent) = (0, 0);
    while sent < bytes {
        let piece = &pattern[..pattern.len().min((bytes - sent) as usize)];
        if chunked {
            to.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
        } else {
            to.send(piece);
        }
        sum = add(sum, piece);
        sent += piece.len() as u64;
    }
    if chunked {
        to.send("0\r\n\r\n");
    }
    (sum, sent)
}

fn over(mode: &str, servers: &[Server]) -> Running {
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    proxy::start(&format!(
        "services: [{{host: \"*\", upstream: [{}], dispatch: {mode}}}]\n",
        written.join(", ")
    ))
}

/// One request of this size through a mode: whoever has got it to its end has got all of it, and the winner has.
fn check(mode: &str, bytes: u64, chunked: bool) {
    let got = Got::default();
    let servers = [counting(&got), counting(&got), counting(&got)];
    let proxy = over(mode, &servers);
    let mut client = connect(&proxy);
    let sum = send(&mut client, bytes, chunked);
    assert_eq!(client.answer().expect(200).text(), "ok", "{mode}, {bytes} bytes");
    let got = got.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!got.is_empty() && got.keys().all(|found| *found == sum), "{mode}: {got:?} is not {sum:?}");
    if mode.contains("duplicate") {
        assert_eq!(got[&sum], 3);
    }
}

#[test]
fn every_size_in_every_mode() {
    for mode in MODES {
        for bytes in [0, 1, 4096, 16 * 1024 + 1, MIB] {
            check(mode, bytes, false);
            check(mode, bytes, true);
        }
    }
}

/// In a file nothing is kept before all of it has come; then it is as in the other modes.
#[test]
fn every_size_durably() {
    for bytes in [0, 1, 256 * 1024, 256 * 1024 + 1, MIB] {
        for chunked in [false, true] {
            check_durable(bytes, chunked);
        }
    }
}

/// The same through a durable queue.
fn check_durable(bytes: u64, chunked: bool) {
    let (got, state) = (Got::default(), StateDirectory::new());
    let servers = [counting(&got), counting(&got), counting(&got)];
    let written: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    let proxy = proxy::start(&format!(
        "state: \"{}\"
services: [{{host: \"*\", upstream: web, dispatch: {DURABLE}}}]
upstreams: {{web: {{servers: [{}]}}}}
",
        state,
        written.join(", ")
    ));
    let mut client = connect(&proxy);
    let sum = send(&mut client, bytes, chunked);
    client.answer().expect(200);
    let got = got.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*got, HashMap::from([(sum, 3)]), "{bytes} bytes");
}

/// Whoever gets copies beside a mode gets all of the body too. `replay` is written, since large bodies beside `balance` go without
/// a copy otherwise.
#[test]
fn every_size_beside_a_mode() {
    for keys in BESIDE {
        for bytes in [0, 1, 4096, 16 * 1024 + 1, MIB] {
            for chunked in [false, true] {
                let (got, copied) = (Got::default(), Got::default());
                let (server, other) = (counting(&got), counting(&copied));
                let keys = keys.replace("OTHER", &format!("[\"{other}\"]"));
                let proxy = proxy::start(&format!(
                    "replay: {{disk: 8MiB}}\nservices: [{{host: \"*\", upstream: [\"{server}\"], {keys}}}]\n"
                ));
                let mut client = connect(&proxy);
                let sum = send(&mut client, bytes, chunked);
                assert_eq!(client.answer().expect(200).text(), "ok", "{keys}, {bytes} bytes");
                let copies = keys.matches(&other.to_string()).count();
                let lock = |got: &Got| got.lock().unwrap_or_else(PoisonError::into_inner).clone();
                until(|| lock(&copied).values().sum::<usize>() >= copies);
                assert_eq!(lock(&got), HashMap::from([(sum, 1)]), "{keys}, {bytes} bytes");
                assert_eq!(lock(&copied), HashMap::from([(sum, copies)]), "{keys}, {bytes} bytes");
            }
        }
    }
}

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is among it");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("it is a number") * 1024
}

#[test]
#[ignore = "takes over a minute: `cargo xtask test --full`"]
fn two_hundred_mebibytes_in_every_mode_in_bounded_memory() {
    let peak = Arc::new(AtomicU64::new(0));
    let (watching, over) = (Arc::clone(&peak), Arc::new(AtomicU64::new(0)));
    let stopped = Arc::clone(&over);
    let watcher = std::thread::spawn(move || {
        while stopped.load(Ordering::SeqCst) == 0 {
            watching.fetch_max(resident(), Ordering::SeqCst);
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    let before = resident();
    for mode in MODES {
        check(mode, 200 * MIB, false);
        check(mode, 200 * MIB, true);
    }
    check_durable(200 * MIB, false);
    check_durable(200 * MIB, true);
    over.store(1, Ordering::SeqCst);
    watcher.join().expect("it only looks");
    // Other tests run beside this one, with bodies of their own.
    let grown = peak.load(Ordering::SeqCst).saturating_sub(before);
    assert!(grown < 160 * MIB, "the memory grew by {} MiB", grown / MIB);
}

/// A client that goes away in any phase costs nobody anything: what was begun ends, and the next request is served.
#[test]
fn clients_that_go_away_in_every_phase() {
    for mode in MODES {
        let got = Got::default();
        let servers = [counting(&got), counting(&got), counting(&got)];
        let proxy = over(mode, &servers);
        let whole = "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20\r\n\r\n01234567890123456789";
        for length in [1, 20, whole.len() - 20, whole.len() - 19, whole.len() - 1, whole.len()] {
            for reset in [true, false] {
                let mut client = connect(&proxy);
                client.send(&whole[..length]);
                if reset {
                    client.reset();
                } else {
                    client.half_close();
                    drop(client);
                }
            }
        }
        let mut client = connect(&proxy);
        assert_eq!(client.send(whole).answer().expect(200).text(), "ok", "{mode}");
        drop(client);
        // Copies that linger hold their body for a moment more.
        until(|| {
            let status = proxy.status();
            proxy.connections() == 0 && status.requests_in_flight == 0 && status.replay_bytes == 0
        });
    }
}

/// Servers that never answer end by the time that the head of an answer may take, in every mode.
#[test]
fn servers_that_never_answer_end_by_their_deadline() {
    for (mode, status) in
        [("race", 504), ("hedge", 504), ("majority", 502), ("{mode: duplicate, answer_timeout: 50ms}", 503)]
    {
        let servers = [Server::silent(), Server::silent()];
        let proxy = proxy::start(&format!(
            "services: [{{host: \"*\", upstream: web, dispatch: {mode}}}]
upstreams: {{web: {{servers: [\"{}\", \"{}\"], retry: {{attempts: 1}}, timeouts: {{answer_head: 100ms}}}}}}
",
            servers[0], servers[1]
        ));
        let request = "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi";
        connect(&proxy).send(request).answer().expect(status);
    }
}

#[test]
fn old_clients_and_head_requests_get_what_they_know() {
    for mode in MODES {
        let chunked = || {
            Server::start(|mut connection| {
                while let Some(request) = connection.request() {
                    let body = if request.start.starts_with("HEAD") { "" } else { "2\r\nok\r\n0\r\n\r\n" };
                    connection.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
                }
            })
        };
        let servers = [chunked(), chunked(), chunked()];
        let proxy = over(mode, &servers);
        let mut old = connect(&proxy);
        let (bytes, _) =
            old.send("PUT / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi").read_to_end();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.ends_with("\r\n\r\nok") && !text.to_lowercase().contains("chunked"), "{mode}: {text}");
        let mut client = connect(&proxy);
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
        client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_to_head().expect(200);
    }
}
