//! Servers that send one byte a second: what has a time as a whole ends at it, and what only has to move may take its time.

use tokio::io::{AsyncReadExt, DuplexStream};
use weir_upstream::io::deadline::{now, pause};

use super::rig::{DEFAULTS, GET, Rig, WIDE, expect_passed, head, paused, rest, say, seconds};

/// Says this, one byte a second, for as long as somebody listens.
async fn drip(server: &mut DuplexStream, text: &str) {
    use tokio::io::AsyncWriteExt;
    for byte in text.as_bytes() {
        if server.write_all(&[*byte]).await.is_err() {
            return;
        }
        pause(seconds(1)).await;
    }
    rest(server).await;
}

/// What a client gets to its end, or to the end of the connection, and after how many seconds, when a server drips this.
fn check(config: &str, text: String, expected: u64, is_right: fn(&str) -> bool) {
    paused(config, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, &GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        head(&mut server).await;
        let begun = now();
        let dripping = tokio::task::spawn_local(async move { drip(&mut server, &text).await });
        let answer = rest(&mut client).await;
        expect_passed(begun, seconds(expected));
        assert!(is_right(&answer), "{answer}");
        // Whoever still drips is not listened to any more. A second later it knows.
        drop(client);
        if !answer.starts_with("HTTP/1.1 200 ") {
            assert!(rig.worker.pools.is_empty());
        }
        drop(rig);
        dripping.await.unwrap();
    });
}

// `timeouts.answer_head`: the head as a whole, however it moves.
#[test]
fn a_head_that_drips_is_504() {
    let is_504 = |answer: &str| answer.starts_with("HTTP/1.1 504 ");
    check(DEFAULTS, format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(100)), 60, is_504);
    // Interim answers decide nothing (`semantics.md` §1.5): they give no more time.
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n".repeat(3);
    check(DEFAULTS, hints, 60, |answer| {
        let (hints, rest) = answer.split_once("\r\n\r\n").unwrap();
        hints.starts_with("HTTP/1.1 103 ") && rest.starts_with("HTTP/1.1 504 ")
    });
}

// `timeouts.answer_body`: without a byte. Each byte goes on as it comes.
#[test]
fn a_body_that_drips_may_take_its_time() {
    let sized = |head: &str, body: usize| format!("{head}Content-Length: {body}\r\n\r\n{}", "x".repeat(body));
    let text = sized("HTTP/1.1 200 OK\r\n", 200);
    let last = text.len() as u64 - 1;
    check(DEFAULTS, text, last, |answer| answer.ends_with(&"x".repeat(200)));
    // Both the size and the extension of a chunk drip too.
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let text = format!("{head}0000014;{}\r\n{}\r\n0\r\nT: u\r\n\r\n", "e".repeat(100), "x".repeat(20));
    let last = text.len() as u64 - 1;
    check(DEFAULTS, text, last, |answer| answer.ends_with("1\r\nx\r\n0\r\nT: u\r\n\r\n"));
}

// `timeouts.request`: the whole, however it moves. What is cut does not look whole (`semantics.md` §1.7).
#[test]
fn a_request_with_a_time_is_cut_while_its_answer_drips() {
    let config = format!("timeouts: {{request: 90s}}\n{DEFAULTS}");
    for fields in ["Content-Length: 200", "Transfer-Encoding: chunked", "Server: x"] {
        let body = if fields.starts_with("T") { "1\r\nx\r\n".repeat(100) } else { "x".repeat(200) };
        check(&config, format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}"), 90, |answer| {
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            answer.starts_with("HTTP/1.1 200 ") && !body.is_empty() && !answer.ends_with("0\r\n\r\n")
        });
    }
}

/// The bytes of a chunk's framing are bounded, so that an extension which never ends does.
#[test]
fn an_extension_that_drips_for_too_long_breaks_the_answer() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, GET).await;
        head(&mut server).await;
        let begun = now();
        say(&mut server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;").await;
        let dripping = tokio::task::spawn_local(async move { drip(&mut server, &"e".repeat(10_000)).await });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let took = (now() - begun).as_secs();
        assert!((200..=300).contains(&took), "{took} s");
        // The head, and not the last chunk.
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, "", "{answer}");
        drop((client, rig));
        dripping.await.unwrap();
    });
}
