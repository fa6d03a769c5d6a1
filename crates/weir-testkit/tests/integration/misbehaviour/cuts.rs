//! Answers that end at every byte (`semantics.md` §1.7, RFC 9112 §8): whoever has not got all of one knows it.

use weir_testkit::client::connect;
use weir_testkit::message::End;
use weir_testkit::server::Connection;

use super::{MODES, Pair, final_answer, is_failure};

const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n";
const HINTED: &str =
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nuntil the end";

/// Answers a target that is a number with so many bytes of this, and ends the connection; any other one with all of it.
fn cutting(whole: &'static str) -> impl Fn(Connection) + Clone + Send + Sync + 'static {
    move |mut connection| {
        // Losers are left in the middle.
        while let Some(request) = connection.whole_request() {
            let cut = request.target()[1..].parse::<usize>().ok();
            let sent = connection.try_send(&whole[..cut.unwrap_or(whole.len())]);
            if cut.is_some() || sent.is_err() {
                return;
            }
        }
    }
}

/// What a client gets of `whole` when it ends at each of these places, and that it is nothing that looks whole. `before` is asked
/// first on the same connection, so that the answer comes on one that was kept.
fn check(mode: &str, whole: &'static str, places: impl Iterator<Item = usize>, version: &str, before: &str) {
    let pair = Pair::new(cutting(whole));
    let proxy = pair.asked(mode, "");
    for cut in places {
        let shown = format!("{mode}, HTTP/{version}, behind {before:?}, cut at {cut}");
        let mut client = connect(&proxy);
        if !before.is_empty() {
            client.send(before);
            let answer = final_answer(&mut client).unwrap_or_else(|broken| panic!("{shown}: {broken}"));
            assert_eq!(answer.status(), 200, "{shown}: {answer}");
        }
        client.send(format!("GET /{cut} HTTP/{version}\r\nHost: a.test\r\n\r\n"));
        match final_answer(&mut client) {
            Ok(answer) => assert!(is_failure(&answer), "{shown}: it looks whole: {answer}"),
            Err(broken) => {
                assert!(broken.end.is_some(), "{shown}: {broken}");
                assert!(broken.got.starts_with(b"HTTP/1.1 200 OK\r\n"), "{shown}: no 502 either: {broken}");
                // Where only the end of the connection says that the answer ends, it must not be a regular one.
                let until_close = !broken.got.windows(8).any(|part| part.eq_ignore_ascii_case(b"-length:"));
                let ended_well = version == "1.1" || !until_close || broken.end == Some(End::Reset);
                assert!(ended_well, "{shown}: {broken}");
            }
        }
    }
    assert_eq!(proxy.status().panics_total, 0, "{mode}");
}

fn check_all(mode: &str) {
    for version in ["1.1", "1.0"] {
        check(mode, SIZED, 0..SIZED.len(), version, "");
        check(mode, CHUNKED, 0..CHUNKED.len(), version, "");
        check(mode, HINTED, 0..HINTED.len(), version, "");
        // Behind its head, such an answer has no other end than this one.
        let head = UNTIL_CLOSE.find("\r\n\r\n").unwrap() + 4;
        check(mode, UNTIL_CLOSE, 0..head, version, "");
    }
    let before = "GET /all HTTP/1.1\r\nHost: a.test\r\n\r\n";
    check(mode, SIZED, 0..SIZED.len(), "1.1", before);
    check(mode, CHUNKED, 0..CHUNKED.len(), "1.1", before);
}

#[test]
fn semantics_1_7_balance() {
    check_all(MODES[0]);
}

#[test]
fn semantics_1_7_race() {
    check_all(MODES[1]);
}

#[test]
fn semantics_1_7_hedge() {
    check_all(MODES[2]);
}

#[test]
fn semantics_1_7_majority() {
    check_all(MODES[3]);
}

#[test]
fn semantics_1_7_duplicate() {
    check_all(MODES[4]);
}
