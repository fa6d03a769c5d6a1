//! Timeouts of what a client does: its head, its body, what it takes, and its silence.

use weir_config::model::{Drain, Timeouts};
use weir_upstream::io::deadline::{now, pause};

use super::rig::{
    DEFAULTS, GET, OK, Rig, WIDE, expect_last, expect_passed, head, paused, rest, say, seconds, take,
};

#[test]
fn the_defaults_are_those_of_these_tests() {
    let timeouts = Timeouts::default();
    assert_eq!(timeouts.request_head, seconds(15));
    assert_eq!(timeouts.request_body, seconds(60));
    assert_eq!(timeouts.idle, seconds(75));
    assert_eq!(timeouts.client_write, seconds(60));
    assert_eq!(timeouts.answer_head, seconds(60));
    assert_eq!(timeouts.answer_body, seconds(60));
    assert_eq!(timeouts.upstream_idle, seconds(4));
    assert_eq!(timeouts.reuse_unsafe, seconds(1));
    assert_eq!(timeouts.upgraded_idle, seconds(3600));
    assert_eq!(timeouts.request, None);
    assert_eq!(Drain::default().idle, seconds(5));
}

/// Sends the pieces ten seconds after each other, and expects 408 fifteen seconds after the first one.
fn check_head(pieces: &'static [&'static str]) {
    paused(DEFAULTS, async |rig: Rig| {
        let (mut client, serving) = rig.client(WIDE);
        pause(seconds(3)).await;
        let begun = now();
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                pause(seconds(10)).await;
            }
            say(&mut client, piece).await;
        }
        expect_last(&rest(&mut client).await, 408);
        expect_passed(begun, seconds(15));
        // It is read from for another second, because closing with unread bytes would be a reset.
        assert!(!serving.is_finished());
        serving.await.unwrap();
        expect_passed(begun, seconds(16));
        rig.expect_idle();
    });
}

#[test]
fn a_head_has_fifteen_seconds_from_its_first_byte() {
    check_head(&["G"]);
    check_head(&["GET / HTTP/1.1\r\nHost: a\r\n"]);
    check_head(&["G", "E"]);
    check_head(&["GET / HTTP/1.1\r\n", "Host: a\r\n"]);
}

#[test]
fn a_head_whose_last_byte_comes_in_time_is_served() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        say(&mut client, &GET[..GET.len() - 1]).await;
        pause(seconds(15) - seconds(1) / 1000).await;
        say(&mut client, "\n").await;
        head(&mut server).await;
        // The deadline of the head is over: the answer may take longer.
        pause(seconds(30)).await;
        say(&mut server, OK).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn a_second_head_has_its_own_fifteen_seconds() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        // The beginning of the next request comes with the first one, and waits until that is answered.
        say(&mut client, &format!("{GET}GET")).await;
        head(&mut server).await;
        pause(seconds(20)).await;
        say(&mut server, OK).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(take(&mut client, 2).await, "ok");
        let begun = now();
        expect_last(&rest(&mut client).await, 408);
        expect_passed(begun, seconds(15));
    });
}

/// A connection that is idle from the end of `exchanges` on, with an empty line after `line` seconds.
fn check_idle(exchanges: usize, line: Option<u64>) {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        for _ in 0..exchanges {
            pause(seconds(2)).await;
            say(&mut client, GET).await;
            head(&mut server).await;
            say(&mut server, OK).await;
            head(&mut client).await;
            assert_eq!(take(&mut client, 2).await, "ok");
        }
        let begun = now();
        if let Some(after) = line {
            pause(seconds(after)).await;
            say(&mut client, "\r\n").await;
        }
        assert_eq!(rest(&mut client).await, "", "nobody asked for a word");
        expect_passed(begun, seconds(75));
        serving.await.unwrap();
        expect_passed(begun, seconds(75));
        rig.expect_idle();
    });
}

#[test]
fn an_idle_connection_ends_after_seventy_five_seconds_without_a_word() {
    check_idle(0, None);
    check_idle(1, None);
    check_idle(3, None);
    // An empty line begins no request, so that it keeps no connection.
    check_idle(0, Some(70));
    check_idle(1, Some(1));
    check_idle(1, Some(70));
}

/// A connection that is idle when the drain begins; `None` is one that has never asked for anything.
fn check_drain(idle: u64, left: u64, has_asked: bool) {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        if has_asked {
            say(&mut client, GET).await;
            head(&mut server).await;
            say(&mut server, OK).await;
            head(&mut client).await;
            take(&mut client, 2).await;
        }
        pause(seconds(idle)).await;
        let begun = now();
        rig.worker.begin_drain(Drain::default().idle);
        assert_eq!(rest(&mut client).await, "");
        expect_passed(begun, seconds(left));
        serving.await.unwrap();
        expect_passed(begun, seconds(left));
        rig.worker.registry.emptied().await;
        rig.expect_idle();
    });
}

// semantics.md §4.3
#[test]
fn while_draining_an_idle_connection_is_kept_for_five_seconds() {
    for has_asked in [false, true] {
        check_drain(10, 5, has_asked);
        check_drain(0, 5, has_asked);
        // What would have ended sooner does.
        check_drain(73, 2, has_asked);
    }
}

#[test]
fn while_draining_one_more_request_is_answered_and_is_the_last() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        pause(seconds(10)).await;
        rig.worker.begin_drain(Drain::default().idle);
        pause(seconds(4)).await;
        say(&mut client, GET).await;
        head(&mut server).await;
        // An exchange has all the time that it usually has.
        pause(seconds(50)).await;
        say(&mut server, OK).await;
        let answer = rest(&mut client).await;
        assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
        serving.await.unwrap();
        rig.expect_idle();
    });
}

/// A body of which `pieces` come fifty seconds after each other, and then nothing.
fn check_body(fields: &'static str, pieces: &'static [&'static str]) {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        say(&mut client, &format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")).await;
        let mut last = now();
        for piece in pieces {
            pause(seconds(50)).await;
            say(&mut client, piece).await;
            last = now();
        }
        expect_last(&rest(&mut client).await, 408);
        expect_passed(last, seconds(60));
        assert_eq!(rig.server(0).in_flight(), 0);
        // The server must not take what it got for the whole.
        let request = rest(&mut server).await;
        assert!(request.starts_with("POST / HTTP/1.1\r\n") && !request.contains("\r\n0\r\n"), "{request}");
        serving.await.unwrap();
        expect_passed(last, seconds(61));
        assert!(rig.worker.pools.is_empty(), "half a request costs its connection");
        rig.expect_idle();
    });
}

#[test]
fn a_body_has_sixty_seconds_for_each_of_its_bytes() {
    check_body("Content-Length: 10", &[]);
    check_body("Content-Length: 10", &["123"]);
    check_body("Content-Length: 10", &["1", "2", "345"]);
    check_body("Transfer-Encoding: chunked", &[]);
    check_body("Transfer-Encoding: chunked", &["3\r\nabc\r\n", "5", "\r\n", "h"]);
    check_body("Transfer-Encoding: chunked", &["3\r\nabc\r\n", "0\r\n"]);
}

/// A client that takes `taken` bytes, each fifty seconds after the one before, and then none.
fn check_write(fields: &'static str, body: &'static str, taken: usize) {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(64);
        say(&mut client, GET).await;
        head(&mut server).await;
        say(&mut server, &format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}")).await;
        let mut last = now();
        let mut answer = String::new();
        for _ in 0..taken {
            pause(seconds(50)).await;
            answer += &take(&mut client, 1).await;
            last = now();
        }
        serving.await.unwrap();
        expect_passed(last, seconds(60));
        answer += &rest(&mut client).await;
        assert_eq!(answer.len(), 64 + taken, "what the pipe held, and nothing behind it\n{answer}");
        assert!(rig.worker.pools.is_empty(), "nobody knows how much of the answer is left");
        rig.expect_idle();
    });
}

#[test]
fn a_client_that_takes_nothing_is_cut_after_sixty_seconds() {
    for taken in [0, 1, 3] {
        check_write("Content-Length: 64", &"x".repeat(64).leak()[..], taken);
        check_write("Transfer-Encoding: chunked", "40\r\nxxxxxxxxxxxxxxxxxxxx", taken);
    }
}

/// A client that is answered while it is still sending, and then sends that many bytes more.
fn check_goodbye(bytes: usize, expected: u64) {
    paused(DEFAULTS, async |rig: Rig| {
        let (mut client, serving) = rig.client(WIDE);
        say(&mut client, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        expect_last(&rest(&mut client).await, 405);
        let begun = now();
        say(&mut client, &"x".repeat(bytes)).await;
        serving.await.unwrap();
        expect_passed(begun, seconds(expected));
        rig.expect_idle();
    });
}

/// `semantics.md` §1.7: up to 1 s or 256 KiB, whichever comes first.
#[test]
fn semantics_1_7_after_the_last_answer_so_much_is_read_and_no_more() {
    check_goodbye(0, 1);
    check_goodbye(1, 1);
    check_goodbye(256 * 1024, 1);
    check_goodbye(256 * 1024 + 1, 0);
    check_goodbye(1 << 19, 0);
}
