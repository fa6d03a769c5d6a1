//! Large bodies: whole, unchanged, with back-pressure and in constant memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_testkit::client::connect;
use weir_testkit::proxy;
use weir_testkit::server::{Connection, Server};
use weir_testkit::socket::{End, Socket};

const MIB: u64 = 1 << 20;

/// A checksum of bytes as they pass (FNV-1a over words).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    hash: u64,
    bytes: u64,
}

impl Sum {
    fn new() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, bytes: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.bytes += bytes.len() as u64;
    }
}

/// Bytes that repeat after a length that is no power of two, so that a lost or doubled buffer shows.
fn pattern() -> Vec<u8> {
    (0..65_521_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Sends so many bytes of the pattern, sized or in chunks, and says their sum.
fn send(to: &mut Socket, bytes: u64, chunked: bool) -> Sum {
    let pattern = pattern();
    let mut sum = Sum::new();
    while sum.bytes < bytes {
        let piece = &pattern[..pattern.len().min((bytes - sum.bytes) as usize)];
        if chunked {
            to.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
        } else {
            to.send(piece);
        }
        sum.add(piece);
    }
    if chunked {
        to.send("0\r\n\r\n");
    }
    sum
}

/// Reads so many bytes and says their sum.
fn receive(from: &mut Socket, bytes: u64) -> Sum {
    let mut sum = Sum::new();
    while sum.bytes < bytes {
        let piece = from.read_exact((bytes - sum.bytes).min(32 * 1024) as usize);
        sum.add(&piece);
    }
    sum
}

fn framing(bytes: u64, chunked: bool) -> String {
    if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {bytes}") }
}

/// Reads a chunked body and says the sum of its content.
fn receive_chunked(from: &mut Socket) -> Sum {
    let mut sum = Sum::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(from.read_exact(1));
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim_end(), 16).unwrap();
        sum.add(&from.read_exact(size));
        assert_eq!(from.read_exact(2), b"\r\n");
        if size == 0 {
            return sum;
        }
    }
}

fn receive_framed(from: &mut Socket, bytes: u64, chunked: bool) -> Sum {
    if chunked { receive_chunked(from) } else { receive(from, bytes) }
}

/// Sends this much up and down, and compares the sums.
fn up_and_down(bytes: u64, chunked: bool) {
    let answer_with_sum = move |connection: &mut Connection| {
        connection.request_head();
        let up = receive_framed(connection, bytes, chunked);
        connection.send(format!(
            "HTTP/1.1 200 OK\r\nX-Up: {}\r\n{}\r\n\r\n",
            up.hash,
            framing(bytes, chunked)
        ));
        send(connection, bytes, chunked);
        assert!(connection.request().is_none());
    };
    let server = Server::start(move |mut connection| answer_with_sum(&mut connection));
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{}\r\n\r\n", framing(bytes, chunked)));
    let sent = send(&mut client, bytes, chunked);
    let head = client.answer_head().expect(200);
    assert_eq!(head.field("x-up"), Some(&*sent.hash.to_string()), "the server got something else");
    assert_eq!(receive_framed(&mut client, bytes, chunked), sent, "the client got something else");
    assert_eq!(proxy.idle_upstream(), 1);
    drop(proxy);
    server.wait_ended(1);
}

#[test]
fn ten_mebibytes_up_and_down_sized() {
    up_and_down(10 * MIB, false);
}

#[test]
fn ten_mebibytes_up_and_down_chunked() {
    up_and_down(10 * MIB, true);
}

#[test]
fn ten_mebibytes_both_ways_at_the_same_time() {
    let server = Server::start(|mut connection| {
        connection.request_head();
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 10 * MIB));
        let mut left = 10 * MIB as usize;
        while left > 0 {
            let piece = connection.read_exact(left.min(50_000));
            left -= piece.len();
            connection.send(piece);
        }
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut client = connect(&proxy);
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", 10 * MIB));
    let mut writer = client.another();
    let writing = std::thread::spawn(move || send(&mut writer, 10 * MIB, false));
    client.answer_head().expect(200);
    let got = receive(&mut client, 10 * MIB);
    assert_eq!(got, writing.join().unwrap());
    drop(proxy);
}

#[test]
fn a_close_delimited_answer_of_ten_mebibytes() {
    let server = Server::start(|mut connection| {
        connection.expect_request();
        connection.send("HTTP/1.1 200 OK\r\n\r\n");
        send(&mut connection, 10 * MIB, false);
    });
    let proxy = proxy::to(&server);
    let mut expected = Sum::new();
    let pattern = pattern();
    while expected.bytes < 10 * MIB {
        expected.add(&pattern[..pattern.len().min((10 * MIB - expected.bytes) as usize)]);
    }
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").answer_head().expect(200);
    assert_eq!(receive_chunked(&mut client), expected);
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").answer_head().expect(200);
    let mut got = Sum::new();
    assert_eq!(client.drain(|piece| got.add(piece)), End::Fin);
    assert_eq!(got, expected);
}

/// Waits until a count stands still.
fn settled(count: &AtomicU64, watch: &mut Socket) -> u64 {
    let mut last = count.load(Ordering::SeqCst);
    loop {
        // Nothing comes on this connection; its patience is the clock.
        for _ in 0..5 {
            assert!(watch.is_silent());
        }
        let now = count.load(Ordering::SeqCst);
        if now == last && now > 0 {
            return now;
        }
        last = now;
    }
}

#[test]
fn a_client_that_reads_slowly_slows_the_server_down() {
    const ALL: u64 = 96 * MIB;
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let server = Server::start(move |mut connection| {
        connection.expect_request();
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n"));
        let piece = vec![b'a'; 64 * 1024];
        for _ in 0..ALL / piece.len() as u64 {
            connection.send(&piece);
            counter.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    });
    let proxy = proxy::to(&server);
    let mut idle = connect(&proxy);
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    // The buffers of four sockets are full then, and one of the proxy's.
    let stuck = settled(&sent, &mut idle);
    assert!(stuck < ALL / 2, "{stuck} bytes went somewhere although nobody reads");
    client.answer_head().expect(200);
    let mut got = 0;
    while got < ALL {
        got += client.read_exact(64 * 1024).len() as u64;
    }
    assert_eq!(got, ALL);
}

#[test]
fn a_server_that_reads_slowly_slows_the_client_down() {
    const ALL: u64 = 96 * MIB;
    let (go, due) = std::sync::mpsc::sync_channel::<()>(1);
    let due = std::sync::Mutex::new(due);
    let server = Server::start(move |mut connection| {
        connection.request_head();
        due.lock().unwrap().recv().unwrap();
        let mut left = ALL as usize;
        while left > 0 {
            left -= connection.read_exact(left.min(32 * 1024)).len();
        }
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        connection.until_end();
    });
    let proxy = proxy::to(&server);
    let mut idle = connect(&proxy);
    let mut client = connect(&proxy);
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {ALL}\r\n\r\n"));
    let sent = Arc::new(AtomicU64::new(0));
    let (counter, mut writer) = (Arc::clone(&sent), client.another());
    let writing = std::thread::spawn(move || {
        let piece = vec![b'a'; 64 * 1024];
        for _ in 0..ALL / piece.len() as u64 {
            writer.send(&piece);
            counter.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    });
    let stuck = settled(&sent, &mut idle);
    assert!(stuck < ALL / 2, "{stuck} bytes went somewhere although nobody reads");
    go.send(()).unwrap();
    writing.join().unwrap();
    client.answer().expect(200);
    drop(proxy);
}

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "takes over a minute: `cargo xtask test --full`"]
fn a_gibibyte_up_and_down_in_bounded_memory() {
    const ALL: u64 = 1024 * MIB;
    let peak = Arc::new(AtomicU64::new(0));
    let (watching, stop) = (Arc::clone(&peak), Arc::new(AtomicU64::new(0)));
    let stopped = Arc::clone(&stop);
    let watcher = std::thread::spawn(move || {
        while stopped.load(Ordering::SeqCst) == 0 {
            watching.fetch_max(resident(), Ordering::SeqCst);
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
    });
    let before = resident();
    up_and_down(ALL, false);
    up_and_down(ALL, true);
    stop.store(1, Ordering::SeqCst);
    watcher.join().unwrap();
    // Other tests run beside this one, with bodies of their own.
    let grown = peak.load(Ordering::SeqCst).saturating_sub(before);
    assert!(grown < 128 * MIB, "the memory grew by {} MiB", grown / MIB);
}
