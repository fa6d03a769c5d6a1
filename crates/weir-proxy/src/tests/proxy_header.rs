//! Headers of the PROXY protocol: cut at every byte, too late, and too early an end.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_core::ports::Status;
use weir_core::proxy_header::ProxyHeaderOutcome as Outcome;
use weir_upstream::io::deadline::{now, pause};

use super::rig::{DEFAULTS, OK, Rig, WIDE, expect_passed, head, paused, rest, say, seconds};

const LINE: &[u8] = b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x02\xdc\x04\x01\xbb";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn counted(rig: &Rig, outcome: Outcome) -> u64 {
    let mut status = Status::default();
    rig.counters.add_to(&mut status);
    status.proxy_headers[outcome as usize]
}

/// Sends the header and a request in two pieces that are cut there; the server must be told of this client.
async fn check_cut(rig: &mut Rig, header: &[u8], at: usize, client: &str) {
    rig.proxy_headers = true;
    let mut server = rig.keep(0, WIDE);
    let (mut pipe, serving) = rig.client(WIDE);
    let bytes = [header, REQUEST].concat();
    pipe.write_all(&bytes[..at]).await.unwrap();
    pause(seconds(1)).await;
    pipe.write_all(&bytes[at..]).await.unwrap();
    let request = head(&mut server).await;
    assert!(request.contains(&format!("\r\nX-Forwarded-For: {client}\r\n")), "cut at {at}: {request}");
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "cut at {at}: {request}");
    say(&mut server, OK).await;
    assert!(rest(&mut pipe).await.ends_with("\r\n\r\nok"), "cut at {at}");
    serving.await.unwrap();
}

#[test]
fn a_header_may_be_cut_anywhere() {
    paused(DEFAULTS, async |mut rig: Rig| {
        for (header, client) in [(LINE, "2001:db8::7"), (BINARY, "192.0.2.7")] {
            for at in 0..=header.len() + REQUEST.len() {
                check_cut(&mut rig, header, at, client).await;
            }
        }
        rig.expect_idle();
        assert_eq!(counted(&rig, Outcome::Named), (LINE.len() + BINARY.len() + 2 * REQUEST.len() + 2) as u64);
    });
}

#[test]
fn a_header_that_names_nobody_leaves_the_peer() {
    paused(DEFAULTS, async |mut rig: Rig| {
        let local = &b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"[..];
        let unix = [b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8", &[b'x'; 216][..]].concat();
        for header in [local, &unix, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 1.2.3.4 5.6.7.8 9 10\r\n"] {
            check_cut(&mut rig, header, 5, "192.0.2.1").await;
        }
        assert_eq!(counted(&rig, Outcome::Unnamed), 4);
    });
}

/// Sends these bytes and expects the end of the connection without a word, after so many seconds.
fn check_refused(bytes: &'static [u8], half_close: bool, after: u64, outcome: Outcome) {
    paused(DEFAULTS, async |mut rig: Rig| {
        rig.proxy_headers = true;
        let (mut pipe, serving) = rig.client(WIDE);
        let begun = now();
        pipe.write_all(bytes).await.unwrap();
        if half_close {
            pipe.shutdown().await.unwrap();
        }
        let mut answer = Vec::new();
        pipe.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"", "{}", bytes.escape_ascii());
        expect_passed(begun, seconds(after));
        serving.await.unwrap();
        assert_eq!(counted(&rig, outcome), 1, "{}", bytes.escape_ascii());
        rig.expect_idle();
    });
}

#[test]
fn without_a_header_the_connection_is_closed() {
    check_refused(REQUEST, false, 0, Outcome::Malformed);
    check_refused(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0\0\0\0", false, 0, Outcome::Malformed);
    check_refused(
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\nGET / HTTP/1.1\r\n\r\n",
        false,
        0,
        Outcome::Malformed,
    );
    check_refused(b"PROXY TCP4 ", true, 0, Outcome::Malformed);
    check_refused(&BINARY[..20], true, 0, Outcome::Malformed);
    check_refused(b"", true, 0, Outcome::Nothing);
}

#[test]
fn a_header_has_fifteen_seconds() {
    check_refused(b"", false, 15, Outcome::TimedOut);
    check_refused(&LINE[..20], false, 15, Outcome::TimedOut);
    check_refused(&BINARY[..27], false, 15, Outcome::TimedOut);
}
