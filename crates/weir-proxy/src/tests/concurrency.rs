//! Limits of what is in progress at once: who waits, for how long, and that every place comes back.

use std::time::Duration;

use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::task::JoinHandle;
use weir_core::ports::Status;
use weir_core::refusal::Refusal;
use weir_upstream::io::deadline::{now, pause};

use super::rig::{GET, OK, Rig, WIDE, expect_last, expect_passed, head, paused, rest, say, seconds, take};

/// One server, and this limit before it.
fn config(concurrency: &str) -> String {
    format!(
        "services: [{{host: '*', upstream: u, admit: {{concurrency: {{{concurrency}}}}}}}]\n\
         upstreams: {{u: {{servers: ['127.0.0.1:1']}}}}\ntrusted_proxies: 192.0.2.1"
    )
}

/// A client that has asked from this address, and what serves it.
async fn asking(rig: &Rig, address: &str) -> (DuplexStream, JoinHandle<()>) {
    let (mut client, serving) = rig.client(WIDE);
    say(&mut client, &GET.replace("\r\n\r\n", &format!("\r\nX-Forwarded-For: {address}\r\n\r\n"))).await;
    // It runs until it waits for something.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    (client, serving)
}

async fn status_of(client: &mut DuplexStream) -> u16 {
    let head = head(client).await;
    let length = head.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    take(client, length.parse().unwrap()).await;
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn refused(rig: &Rig, refusal: Refusal) -> u64 {
    let mut status = Status::default();
    rig.counters.add_to(&mut status);
    status.refused_by_reason[refusal as usize]
}

/// Demands that nobody has a place or waits for one.
fn expect_all_back(rig: &Rig) {
    rig.expect_idle();
    assert_eq!(rig.snapshot.waiting(), 0);
}

#[test]
fn over_the_limit_requests_wait_for_their_turn_and_beyond_the_queue_for_nothing() {
    paused(&config("total: 1, queue: 1"), async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut first, serving_first) = asking(&rig, "10.0.0.1").await;
        head(&mut server).await;
        let (mut second, serving_second) = asking(&rig, "10.0.0.2").await;
        assert_eq!(rig.snapshot.waiting(), 1);
        let (mut third, serving_third) = asking(&rig, "10.0.0.3").await;
        let answer = head(&mut third).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
        assert!(answer.contains("error=connection_limit_reached"), "{answer}");
        assert_eq!(refused(&rig, Refusal::QueueFull), 1);

        say(&mut server, OK).await;
        assert_eq!(status_of(&mut first).await, 200);
        // Its turn has come, and the server is asked.
        head(&mut server).await;
        assert_eq!(rig.snapshot.waiting(), 0);
        say(&mut server, OK).await;
        assert_eq!(status_of(&mut second).await, 200);
        // One connection after the other: its place is back before its next request.
        say(&mut second, GET).await;
        head(&mut server).await;
        say(&mut server, OK).await;
        assert_eq!(status_of(&mut second).await, 200);
        drop((first, second, third));
        for serving in [serving_first, serving_second, serving_third] {
            serving.await.unwrap();
        }
        expect_all_back(&rig);
    });
}

#[test]
fn whoever_waits_for_too_long_is_told_so() {
    for limit in ["total: 1, wait: 3s", "per_client: 1, wait: 3s"] {
        paused(&config(limit), async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (first, serving) = asking(&rig, "10.0.0.1").await;
            head(&mut server).await;
            let begun = now();
            let (mut second, serving_second) = asking(&rig, "10.0.0.1").await;
            assert_eq!(status_of(&mut second).await, 503);
            expect_passed(begun, seconds(3));
            assert_eq!(refused(&rig, Refusal::QueueTimeout), 1);
            assert_eq!(rig.snapshot.waiting(), 0);
            // It may ask again on the same connection.
            say(&mut second, GET).await;
            assert_eq!(status_of(&mut second).await, if limit.starts_with("total") { 503 } else { 502 });
            drop((first, second));
            say(&mut server, OK).await;
            serving.await.unwrap();
            serving_second.await.unwrap();
            expect_all_back(&rig);
        });
    }
}

#[test]
fn one_client_waits_for_itself_and_for_nobody_else() {
    paused(&config("per_client: 2, queue: 10, wait: 60s"), async |rig: Rig| {
        let mut servers: Vec<_> = (0..4).map(|_| rig.keep(0, WIDE)).collect();
        let mut greedy = Vec::new();
        for _ in 0..4 {
            greedy.push(asking(&rig, "2001:db8::1").await);
        }
        assert_eq!(rig.snapshot.waiting(), 2, "two are in progress");
        // It may not fill the queue.
        let (mut fifth, _serving) = asking(&rig, "2001:db8::ffff").await;
        assert_eq!(status_of(&mut fifth).await, 503);
        assert_eq!(refused(&rig, Refusal::QueueFull), 1);
        // Somebody else comes in at once.
        let (mut other, serving) = asking(&rig, "2001:db8:0:1::1").await;
        let mut its = servers.remove(1);
        head(&mut its).await;
        say(&mut its, OK).await;
        assert_eq!(status_of(&mut other).await, 200);
        assert_eq!(rig.snapshot.waiting(), 2);
        // When one of its own ends, the next one has its turn.
        let mut done = servers.pop().unwrap();
        head(&mut done).await;
        say(&mut done, OK).await;
        pause(seconds(1)).await;
        assert_eq!(rig.snapshot.waiting(), 1);
        drop((greedy, other, fifth, servers, done, its));
        serving.await.unwrap();
    });
}

#[test]
fn a_place_comes_back_however_an_exchange_ends() {
    let limit = config("total: 1, per_client: 1, queue: 0");
    paused(&limit, async |rig: Rig| {
        for end in ["reset", "cut", "gone"] {
            let mut server = rig.keep(0, WIDE);
            let (mut client, serving) = asking(&rig, "10.0.0.1").await;
            head(&mut server).await;
            let (mut over, _serving) = asking(&rig, "10.0.0.1").await;
            assert_eq!(status_of(&mut over).await, 503, "{end}: there is one place");
            match end {
                // The server goes away before its answer, or in the middle of it.
                "reset" => {
                    drop(server);
                    assert_eq!(status_of(&mut client).await, 502);
                }
                "cut" => {
                    say(&mut server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
                    drop(server);
                    serving.await.unwrap();
                }
                // The task of the connection is dropped where it stands.
                _ => {
                    serving.abort();
                    assert!(serving.await.is_err());
                }
            }
            let mut server = rig.keep(0, WIDE);
            let (mut next, _serving) = asking(&rig, "10.0.0.1").await;
            head(&mut server).await;
            say(&mut server, OK).await;
            assert_eq!(status_of(&mut next).await, 200, "{end}: the place has come back");
        }
    });
}

#[test]
fn whoever_is_dropped_while_waiting_leaves_the_queue_and_takes_no_place() {
    for limit in ["total: 1, queue: 1", "per_client: 1, queue: 1"] {
        paused(&config(&format!("{limit}, wait: 60s")), async |rig: Rig| {
            let mut server = rig.keep(0, WIDE);
            let (mut first, _serving) = asking(&rig, "10.0.0.1").await;
            head(&mut server).await;
            for _ in 0..3 {
                let (_waiting, serving) = asking(&rig, "10.0.0.1").await;
                assert_eq!(rig.snapshot.waiting(), 1);
                serving.abort();
                assert!(serving.await.is_err());
                assert_eq!(rig.snapshot.waiting(), 0);
            }
            // One that is dropped in the moment of its turn passes it on.
            let (_dropped, serving) = asking(&rig, "10.0.0.1").await;
            serving.abort();
            say(&mut server, OK).await;
            assert_eq!(status_of(&mut first).await, 200);
            let (mut next, _serving) = asking(&rig, "10.0.0.1").await;
            head(&mut server).await;
            say(&mut server, OK).await;
            assert_eq!(status_of(&mut next).await, 200);
        });
    }
}

#[test]
fn the_time_of_the_whole_request_goes_on_while_it_waits() {
    let config = format!("{}\ntimeouts: {{request: 2s}}", config("total: 1, wait: 60s"));
    paused(&config, async |rig: Rig| {
        let mut servers = [rig.keep(0, WIDE), rig.keep(0, WIDE)];
        let (mut first, _serving) = asking(&rig, "10.0.0.1").await;
        head(&mut servers[1]).await;
        pause(seconds(1)).await;
        let begun = now();
        let (mut second, _serving) = asking(&rig, "10.0.0.2").await;
        let (mut third, _serving) = asking(&rig, "10.0.0.3").await;
        assert_eq!(status_of(&mut first).await, 504);
        // The first one's time is over a second earlier, which leaves the second its place and a second.
        head(&mut servers[0]).await;
        expect_passed(begun, seconds(1));
        assert_eq!(status_of(&mut second).await, 504);
        // The third one's ends in the queue: that is no refusal of ours.
        assert_eq!(status_of(&mut third).await, 504);
        expect_passed(begun, seconds(2));
        assert_eq!((refused(&rig, Refusal::QueueFull), refused(&rig, Refusal::QueueTimeout)), (0, 0));
    });
}

#[test]
fn a_queue_of_none_refuses_at_once_and_says_so_in_json_to_programs() {
    paused(&config("total: 1, queue: 0, wait: 60s"), async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (_first, _serving) = asking(&rig, "10.0.0.1").await;
        head(&mut server).await;
        let begun = now();
        let (mut over, _serving) = rig.client(WIDE);
        for number in 1..=3 {
            say(&mut over, &GET.replace("\r\n\r\n", "\r\nAccept: application/json\r\n\r\n")).await;
            let answer = head(&mut over).await;
            assert!(
                answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"),
                "{answer}"
            );
            assert!(answer.contains("\r\nContent-Type: application/json\r\n"), "{answer}");
            let length = answer.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            let body = take(&mut over, length.parse().unwrap()).await;
            assert!(
                body.starts_with("{\"status\":503,") && body.contains("too many requests at once"),
                "{body}"
            );
            assert_eq!(refused(&rig, Refusal::QueueFull), number);
        }
        expect_passed(begun, seconds(0));
    });
}

#[test]
fn a_client_of_pipelined_requests_is_in_progress_with_one() {
    paused(&config("per_client: 1, total: 1, queue: 0"), async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        say(&mut client, &GET.repeat(5)).await;
        for _ in 0..5 {
            head(&mut server).await;
            say(&mut server, OK).await;
            assert_eq!(status_of(&mut client).await, 200);
        }
        drop(client);
        serving.await.unwrap();
        expect_all_back(&rig);
    });
}

const EXPECTS: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn nobody_is_asked_for_a_body_before_there_is_a_place() {
    paused(&config("total: 1, wait: 5s"), async |rig: Rig| {
        let (mut idle, mut server) = (rig.keep(0, WIDE), rig.keep(0, WIDE));
        let (mut first, _serving) = asking(&rig, "10.0.0.1").await;
        head(&mut server).await;
        let (mut second, _serving) = rig.client(WIDE);
        say(&mut second, EXPECTS).await;
        pause(seconds(4)).await;
        assert_eq!(rig.snapshot.waiting(), 1);
        let heard = tokio::time::timeout(Duration::ZERO, second.read_u8()).await;
        assert!(heard.is_err(), "neither a 100 nor anything else: {heard:?}");
        say(&mut server, OK).await;
        assert_eq!(status_of(&mut first).await, 200);
        // The server that was used last is asked first.
        assert!(head(&mut server).await.contains("\r\nExpect: 100-continue\r\n"));
        say(&mut server, "HTTP/1.1 100 Continue\r\n\r\n").await;
        assert!(head(&mut second).await.starts_with("HTTP/1.1 100 "));
        say(&mut second, "hello").await;
        assert_eq!(take(&mut server, 5).await, "hello");
        say(&mut server, OK).await;
        assert_eq!(status_of(&mut second).await, 200);
        assert!(tokio::time::timeout(Duration::ZERO, idle.read_u8()).await.is_err());
    });
}

#[test]
fn whoever_was_refused_is_not_asked_for_its_body_either() {
    paused(&config("total: 1, wait: 5s"), async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (_first, _serving) = asking(&rig, "10.0.0.1").await;
        head(&mut server).await;
        let (mut second, serving) = rig.client(WIDE);
        say(&mut second, EXPECTS).await;
        expect_last(&rest(&mut second).await, 503);
        drop(second);
        serving.await.unwrap();
    });
}

#[test]
fn an_upgraded_connection_keeps_its_place_until_it_ends() {
    paused(&config("total: 1, queue: 0"), async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut client, serving) = rig.client(WIDE);
        let fields = "Connection: Upgrade\r\nUpgrade: websocket";
        say(&mut client, &format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")).await;
        head(&mut server).await;
        say(&mut server, &format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n")).await;
        head(&mut client).await;
        for _ in 0..2 {
            pause(seconds(1000)).await;
            let (mut over, _serving) = asking(&rig, "10.0.0.2").await;
            assert_eq!(status_of(&mut over).await, 503);
        }
        drop((client, server));
        serving.await.unwrap();
        let mut server = rig.keep(0, WIDE);
        let (mut next, _serving) = asking(&rig, "10.0.0.2").await;
        head(&mut server).await;
        say(&mut server, OK).await;
        assert_eq!(status_of(&mut next).await, 200);
    });
}

#[test]
fn while_draining_those_who_wait_have_their_turn_and_then_end() {
    paused(&config("total: 1, wait: 5s"), async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (mut first, serving_first) = asking(&rig, "10.0.0.1").await;
        head(&mut server).await;
        let (mut second, serving_second) = asking(&rig, "10.0.0.2").await;
        let (mut third, serving_third) = asking(&rig, "10.0.0.3").await;
        let begun = now();
        rig.worker.begin_drain(seconds(1));
        pause(seconds(4)).await;
        assert_eq!(rig.snapshot.waiting(), 2);
        say(&mut server, OK).await;
        let answer = rest(&mut first).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nConnection: close\r\n"),
            "{answer}"
        );
        head(&mut server).await;
        expect_last(&rest(&mut third).await, 503);
        expect_passed(begun, seconds(5));
        say(&mut server, OK).await;
        let answer = rest(&mut second).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nConnection: close\r\n"),
            "{answer}"
        );
        drop((first, second, third));
        for serving in [serving_first, serving_second, serving_third] {
            serving.await.unwrap();
        }
        expect_all_back(&rig);
    });
}

#[test]
fn a_refused_client_that_takes_no_answer_holds_no_place() {
    // Its place of its own client is given back before the refusal is written to a client that reads nothing.
    paused(&config("per_client: 1, total: 1, wait: 1s"), async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (_first, _serving) = asking(&rig, "10.0.0.1").await;
        head(&mut server).await;
        let (mut narrow, _serving) = rig.client(128);
        let request = GET.replace("\r\n\r\n", "\r\nX-Forwarded-For: 10.0.0.2\r\n\r\n");
        say(&mut narrow, &request).await;
        pause(seconds(2)).await;
        assert_eq!(refused(&rig, Refusal::QueueTimeout), 1);
        let (mut again, _serving) = asking(&rig, "10.0.0.2").await;
        say(&mut server, OK).await;
        head(&mut server).await;
        say(&mut server, OK).await;
        assert_eq!(status_of(&mut again).await, 200);
    });
}
