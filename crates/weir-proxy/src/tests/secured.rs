//! Requests over TLS: what is different from requests in the clear. Everything else is tested there, and some of it once more
//! through a bridge.

use rustls::{AlertDescription, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use weir_upstream::io::deadline::{now, pause};

use super::rig::{
    DEFAULTS, GET, OK, Rig, WIDE, expect_last, expect_passed, head, paused, rest, say, seconds,
};
use super::secured_client::{End, SecuredClient};

/// A request after which the connection ends.
const LAST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Waiting said that there was something to read, and reading waited: a connection with a spoiled record took a whole core
/// until its client was gone.
#[test]
fn a_spoiled_record_ends_an_idle_connection_at_once() {
    for asks_before in [false, true] {
        paused(DEFAULTS, async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (pipe, serving) = rig.secured_client(WIDE);
            let mut client = SecuredClient::connected(pipe).await;
            if asks_before {
                client.say(GET).await;
                head(&mut server).await;
                say(&mut server, OK).await;
                client.answer().await;
            }
            // The handshake is over, on both sides.
            pause(seconds(2)).await;
            let mut spoiled = client.sealed(GET);
            *spoiled.last_mut().unwrap() ^= 1;
            client.pipe.write_all(&spoiled).await.unwrap();
            for _ in 0..100 {
                yield_now().await;
            }
            assert!(serving.is_finished());
            let alert = Error::AlertReceived(AlertDescription::BadRecordMac);
            assert_eq!(client.rest().await, (String::new(), End::Refused(alert)));
            rig.expect_idle();
        });
    }
}

#[test]
fn a_spoiled_record_in_a_body_is_not_the_end_of_the_body() {
    for fields in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        paused(DEFAULTS, async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (pipe, serving) = rig.secured_client(WIDE);
            let mut client = SecuredClient::connected(pipe).await;
            client.say(&format!("PUT / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n5\r\n")).await;
            head(&mut server).await;
            let mut spoiled = client.sealed("12345\r\n0\r\n\r\n");
            spoiled[10] ^= 1;
            client.pipe.write_all(&spoiled).await.unwrap();
            assert!(!rest(&mut server).await.contains("12345"), "half a request");
            serving.await.unwrap();
            assert!(rig.worker.pools.is_empty());
            rig.expect_idle();
        });
    }
}

/// What a write had taken stayed with us when the network took less, until there was more to write: a client waited for the
/// rest of an event for as long as the server had no other one.
#[test]
fn what_the_server_has_said_reaches_a_client_that_takes_it_slowly() {
    const EVENT: usize = 30_000;
    for (fields, framing) in [
        ("Content-Length: 100000", ["", ""]),
        ("Transfer-Encoding: chunked", ["7530\r\n", "\r\n"]),
        ("Connection: close", ["", ""]),
    ] {
        paused(DEFAULTS, async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (pipe, _serving) = rig.secured_client(1000);
            let mut client = SecuredClient::connected(pipe).await;
            client.say(GET).await;
            head(&mut server).await;
            let event = "e".repeat(EVENT);
            let [before, behind] = framing;
            say(&mut server, &format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{before}{event}{behind}")).await;
            let begun = now();
            let mut got = 0;
            while got < EVENT {
                pause(seconds(1)).await;
                got += client.some().await.unwrap().iter().filter(|byte| **byte == b'e').count();
            }
            assert!(now() - begun < seconds(40), "{:?}", now() - begun);
        });
    }
}

/// A client that takes nothing at all: it is given up a minute after it took something for the last time.
#[test]
fn a_client_that_takes_nothing_is_cut_after_sixty_seconds() {
    for (request, body) in [(GET, 10), (LAST, 10), (GET, 100_000), (LAST, 100_000)] {
        paused(DEFAULTS, async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (pipe, serving) = rig.secured_client(300);
            let mut client = SecuredClient::connected(pipe).await;
            client.say(request).await;
            head(&mut server).await;
            let body = "x".repeat(body);
            say(&mut server, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
                .await;
            let begun = now();
            serving.await.unwrap();
            expect_passed(begun, seconds(60));
            rig.expect_idle();
            let mut left = Vec::new();
            client.pipe.read_to_end(&mut left).await.unwrap();
            assert_eq!(left.len(), 300, "what the pipe held");
        });
    }
}

/// Wherever it stops taking: in the answer, or in the goodbye behind it.
#[test]
fn a_goodbye_that_nobody_takes_is_given_up_after_sixty_seconds() {
    let mut in_goodbye = 0;
    for room in (200..600).step_by(8) {
        paused(DEFAULTS, async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (pipe, serving) = rig.secured_client(room);
            let mut client = SecuredClient::connected(pipe).await;
            // The tickets are out of the way.
            pause(seconds(1)).await;
            client.receive().await.unwrap();
            client.say(LAST).await;
            head(&mut server).await;
            say(&mut server, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").await;
            let begun = now();
            serving.await.unwrap();
            rig.expect_idle();
            let answer = client.rest().await;
            if answer.0.ends_with("abc") && answer.1 == End::Cut {
                in_goodbye += 1;
            }
            expect_passed(begun, seconds(if answer.1 == End::Announced { 0 } else { 60 }));
        });
    }
    assert!(in_goodbye > 0);
}

/// A record is only of use to the client as a whole, and takes a slow one longer than a minute.
#[test]
fn a_client_that_is_slow_but_takes_its_bytes_gets_them_all() {
    for request in [GET, LAST] {
        paused(DEFAULTS, async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (pipe, _serving) = rig.secured_client(1000);
            let mut client = SecuredClient::connected(pipe).await;
            client.say(request).await;
            head(&mut server).await;
            let body = "x".repeat(50_000);
            say(&mut server, &format!("HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n{body}")).await;
            let mut got = 0;
            while got < 50_000 {
                pause(seconds(50)).await;
                let mut bytes = [0; 4000];
                let count = client.pipe.read(&mut bytes).await.unwrap();
                assert!(count > 0, "cut after {got} bytes");
                let mut left = &bytes[..count];
                while !left.is_empty() {
                    client.tls.read_tls(&mut left).unwrap();
                }
                let state = client.tls.process_new_packets().unwrap();
                let mut plain = vec![0; state.plaintext_bytes_to_read()];
                std::io::Read::read_exact(&mut client.tls.reader(), &mut plain).unwrap();
                got += plain.iter().filter(|byte| **byte == b'x').count();
            }
        });
    }
}

#[test]
fn a_body_whose_record_comes_byte_by_byte_has_sixty_seconds_for_each() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (pipe, _serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::connected(pipe).await;
        client.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").await;
        head(&mut server).await;
        for byte in client.sealed("hi") {
            pause(seconds(59)).await;
            client.pipe.write_all(&[byte]).await.unwrap();
        }
        let mut body = [0; 2];
        server.read_exact(&mut body).await.unwrap();
        say(&mut server, OK).await;
        assert!(client.answer().await.ends_with("ok"));
        // And no byte, no patience.
        client.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").await;
        let half = client.sealed("hi");
        client.pipe.write_all(&half[..10]).await.unwrap();
        let begun = now();
        expect_last(&client.rest().await.0, 408);
        expect_passed(begun, seconds(60));
    });
}

/// RFC 8446 §6.1: each side says so before it ends, so that nobody on the way can cut an answer short.
#[test]
fn an_idle_connection_ends_with_a_goodbye() {
    for asks_before in [false, true] {
        for drains in [false, true] {
            paused(DEFAULTS, async |rig: Rig| {
                let mut server = rig.keep(0, WIDE);
                let (pipe, serving) = rig.secured_client(WIDE);
                let mut client = SecuredClient::connected(pipe).await;
                if asks_before {
                    client.say(GET).await;
                    head(&mut server).await;
                    say(&mut server, OK).await;
                    client.answer().await;
                }
                let begun = now();
                if drains {
                    pause(seconds(3)).await;
                    rig.worker.begin_drain(seconds(5));
                }
                assert_eq!(client.rest().await, (String::new(), End::Announced));
                expect_passed(begun, seconds(if drains { 8 } else { 75 }));
                serving.await.unwrap();
                rig.expect_idle();
            });
        }
    }
}

/// A client that says goodbye waits for ours, whether or not it has ended its direction too.
#[test]
fn a_goodbye_is_answered_at_once() {
    for ends in [false, true] {
        paused(DEFAULTS, async |rig: Rig| {
            let (pipe, serving) = rig.secured_client(WIDE);
            let mut client = SecuredClient::connected(pipe).await;
            pause(seconds(2)).await;
            let begun = now();
            client.tls.send_close_notify();
            client.say("").await;
            if ends {
                client.pipe.shutdown().await.unwrap();
            }
            assert_eq!(client.rest().await, (String::new(), End::Announced));
            serving.await.unwrap();
            expect_passed(begun, seconds(0));
            rig.expect_idle();
        });
    }
}

/// `semantics.md` §1.7: FIN after a complete request is no cancellation. The same with a goodbye, and without one.
#[test]
fn semantics_1_7_a_client_that_has_said_everything_is_answered() {
    for (says_goodbye, ends) in [(true, false), (true, true), (false, true)] {
        paused(DEFAULTS, async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (pipe, serving) = rig.secured_client(WIDE);
            let mut client = SecuredClient::connected(pipe).await;
            client.say(GET).await;
            if says_goodbye {
                client.tls.send_close_notify();
                client.say("").await;
            }
            if ends {
                client.pipe.shutdown().await.unwrap();
            }
            head(&mut server).await;
            pause(seconds(30)).await;
            say(&mut server, OK).await;
            assert!(client.answer().await.ends_with("ok"));
            assert_eq!(client.rest().await, (String::new(), End::Announced));
            serving.await.unwrap();
            assert_eq!(rig.worker.pools.len(), 1);
            rig.expect_idle();
        });
    }
}

/// Somebody on the way may have ended it.
#[test]
fn a_body_that_ends_without_a_goodbye_is_not_whole() {
    for (fields, says_goodbye) in
        [("Content-Length: 10", true), ("Content-Length: 10", false), ("Transfer-Encoding: chunked", false)]
    {
        paused(DEFAULTS, async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (pipe, serving) = rig.secured_client(WIDE);
            let mut client = SecuredClient::connected(pipe).await;
            client.say(&format!("PUT / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n5\r\n12")).await;
            head(&mut server).await;
            if says_goodbye {
                client.tls.send_close_notify();
                client.say("").await;
            }
            client.pipe.shutdown().await.unwrap();
            rest(&mut server).await;
            let (answer, _) = client.rest().await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
            serving.await.unwrap();
            assert!(rig.worker.pools.is_empty());
            rig.expect_idle();
        });
    }
}

/// An answer to `request`, of which the server sends this and then ends; how the client's connection ends.
fn end_of(request: &str, answer: &str) -> (String, End) {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (pipe, serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::connected(pipe).await;
        client.say(request).await;
        head(&mut server).await;
        say(&mut server, answer).await;
        // What has come is passed on; an answer of which nothing has left yet could still become another one.
        pause(seconds(1)).await;
        drop(server);
        let rest = client.rest().await;
        serving.await.unwrap();
        rig.expect_idle();
        rest
    })
}

#[test]
fn semantics_1_7_only_a_whole_answer_ends_with_a_goodbye() {
    const OLD: &str = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    for (request, answer, expected) in [
        (LAST, "Content-Length: 3\r\n\r\nabc", End::Announced),
        (LAST, "Content-Length: 4\r\n\r\nabc", End::Cut),
        (LAST, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", End::Announced),
        (LAST, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", End::Cut),
        (LAST, "Connection: close\r\n\r\nabc", End::Announced),
        (OLD, "Connection: close\r\n\r\nabc", End::Announced),
        (OLD, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", End::Announced),
        // The end of the connection would be the end of this answer.
        (OLD, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", End::Cut),
        (OLD, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc", End::Cut),
    ] {
        let (got, end) = end_of(request, &format!("HTTP/1.1 200 OK\r\n{answer}"));
        assert_eq!(end, expected, "{request}{answer}");
        assert!(got.contains("abc"), "{got}");
    }
}

/// It is answered early, and goes on sending: closing at once would be a reset.
#[test]
fn a_client_that_goes_on_sending_is_read_from_for_a_second() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::connected(pipe).await;
        client.say("TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").await;
        let (answer, end) = client.rest().await;
        expect_last(&answer, 405);
        assert_eq!(end, End::Announced);
        let begun = now();
        client.say(&"x".repeat(50_000)).await;
        serving.await.unwrap();
        expect_passed(begun, seconds(1));
        rig.expect_idle();
    });
}

/// Both wait for each other: the client is read from before it takes the rest of its answer.
#[test]
fn a_client_that_takes_nothing_while_it_sends_gets_its_early_answer() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(2000);
        let mut client = SecuredClient::connected(pipe).await;
        client.say("TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").await;
        client.say(&"x".repeat(100_000)).await;
        let (answer, end) = client.rest().await;
        expect_last(&answer, 405);
        assert_eq!(end, End::Announced);
        drop(client);
        serving.await.unwrap();
        rig.expect_idle();
    });
}

#[test]
fn keys_may_be_renewed_and_empty_records_sent_at_any_time() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (pipe, _serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::connected(pipe).await;
        for _ in 0..5 {
            client.tls.refresh_traffic_keys().unwrap();
            client.say("").await;
            pause(seconds(1)).await;
            let (first, second) = GET.split_at(10);
            client.say(first).await;
            client.tls.refresh_traffic_keys().unwrap();
            client.say(second).await;
            head(&mut server).await;
            client.tls.refresh_traffic_keys().unwrap();
            client.say("").await;
            say(&mut server, OK).await;
            assert!(client.answer().await.ends_with("ok"));
        }
    });
}

/// What is no request does not keep a connection, whatever moves below.
#[test]
fn renewing_keys_keeps_no_idle_connection() {
    paused(DEFAULTS, async |rig: Rig| {
        let (pipe, serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::connected(pipe).await;
        let begun = now();
        for _ in 0..7 {
            pause(seconds(10)).await;
            client.tls.refresh_traffic_keys().unwrap();
            client.say("").await;
        }
        assert_eq!(client.rest().await.1, End::Announced);
        expect_passed(begun, seconds(75));
        serving.await.unwrap();
    });
}
