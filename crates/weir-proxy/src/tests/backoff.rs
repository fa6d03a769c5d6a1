//! Waiting before a repeat: how long, for whom, and what ends it.

use weir_upstream::io::deadline::now;

use super::rig::{GET, OK, Rig, WIDE, expect_passed, head, paused, rest, say, seconds};

/// One server with so many attempts.
fn alone(attempts: u32, more: &str) -> String {
    format!(
        "upstreams: {{u: {{servers: ['127.0.0.1:1'], retry: {{attempts: {attempts}, on: [reset, timeout, 429, 503]{more}}}}}}}"
    )
}

fn busy(status: u16, retry_after: &str) -> String {
    format!("HTTP/1.1 {status} No\r\nRetry-After: {retry_after}\r\nContent-Length: 4\r\n\r\nbusy")
}

#[test]
fn semantics_2_2_retry_after_is_waited_for_where_nobody_else_is_left() {
    for (status, retry_after, waited) in [(503, "2", 2), (429, "5", 5), (503, "0", 0)] {
        paused(&alone(3, ", backoff: off"), async |rig: Rig| {
            let (mut second, mut first) = (rig.keep(0, WIDE), rig.keep(0, WIDE));
            let (mut client, _serving) = rig.client(WIDE);
            say(&mut client, GET).await;
            head(&mut first).await;
            let begun = now();
            say(&mut first, &busy(status, retry_after)).await;
            head(&mut second).await;
            expect_passed(begun, seconds(waited));
            say(&mut second, OK).await;
            assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
            assert_eq!(rest(&mut first).await, "", "it is not used again");
        });
    }
}

/// A date in the past is none that anybody must wait for; one far away is too far.
#[test]
fn a_date_is_read_too() {
    for (date, expected) in [("Fri, 31 Dec 1999 23:59:59 GMT", 200), ("Tue, 31 Dec 2999 23:59:59 GMT", 503)] {
        paused(&alone(3, ", backoff: off"), async |rig: Rig| {
            let (mut second, mut first) = (rig.keep(0, WIDE), rig.keep(0, WIDE));
            let (mut client, _serving) = rig.client(WIDE);
            say(&mut client, GET).await;
            head(&mut first).await;
            let begun = now();
            say(&mut first, &busy(503, date)).await;
            if expected == 200 {
                head(&mut second).await;
                say(&mut second, OK).await;
            }
            let answer = head(&mut client).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer}");
            assert_eq!(answer.contains(&format!("Retry-After: {date}")), expected == 503);
            expect_passed(begun, seconds(0));
        });
    }
}

/// Longer than anybody waits, or than the whole request may take: the client is told at once.
#[test]
fn an_answer_that_asks_for_too_much_patience_is_passed_on_at_once() {
    let short = "\ntimeouts: {request: 3s}";
    for (more, top, retry_after) in [
        ("", "", "6"),
        ("", "", "99999999999999999999"),
        (", backoff: {retry_after: 1s}", "", "2"),
        ("", short, "3"),
    ] {
        paused(&format!("{}{top}", alone(3, more)), async |rig: Rig| {
            let (second, mut first) = (rig.keep(0, WIDE), rig.keep(0, WIDE));
            let (mut client, _serving) = rig.client(WIDE);
            say(&mut client, GET).await;
            head(&mut first).await;
            let begun = now();
            say(&mut first, &busy(503, retry_after)).await;
            let answer = head(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains(&format!("\r\nRetry-After: {retry_after}\r\n")), "{answer}");
            expect_passed(begun, seconds(0));
            drop(second);
            assert_eq!(rig.snapshot.upstreams[0].retries.by_reason(), [0; 3]);
        });
    }
}

#[test]
fn later_repeats_wait_longer_and_longer() {
    // The last attempt would not be repeated, and takes no connection that was idle for long.
    let config = alone(5, ", backoff: {first: 1s, at_most: 4s}") + "\ntimeouts: {reuse_unsafe: 1h}";
    paused(&config, async |rig: Rig| {
        let mut kept: Vec<_> = (0..5).map(|_| rig.keep(0, WIDE)).collect();
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, GET).await;
        for (least, most) in [(0, 0), (500, 1_000), (1_000, 2_000), (2_000, 4_000), (2_000, 4_000)] {
            let begun = now();
            let mut server = kept.pop().unwrap();
            head(&mut server).await;
            let waited = (now() - begun).as_millis();
            assert!((least..=most).contains(&waited), "{waited} ms");
            say(&mut server, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
        }
        assert!(head(&mut client).await.starts_with("HTTP/1.1 503 "), "the last one's");
        assert_eq!(rig.snapshot.upstreams[0].retries.by_reason(), [0, 0, 4]);
    });
}

#[test]
fn the_whole_request_may_end_in_a_wait() {
    let config = format!("{}\ntimeouts: {{request: 10s}}", alone(9, ", backoff: {first: 4s, at_most: 4s}"));
    paused(&config, async |rig: Rig| {
        let mut kept: Vec<_> = (0..9).map(|_| rig.keep(0, WIDE)).collect();
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, GET).await;
        let begun = now();
        let answer = loop {
            let mut server = kept.pop().unwrap();
            let asked = head(&mut server);
            tokio::select! {
                _ = asked => say(&mut server, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await,
                answer = head(&mut client) => break answer,
            }
        };
        // A wait that would not end in time is not begun.
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(now() - begun < seconds(10));
    });
}
