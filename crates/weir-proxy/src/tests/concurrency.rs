//! Limits of what is in progress at once: who waits, for how long, and that every place comes back.

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use weir_core::ports::Status;
use weir_core::refusal::Refusal;
use weir_upstream::io::deadline::{now, pause};

use super::rig::{GET, OK, Rig, WIDE, expect_passed, head, paused, say, seconds, take};

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
        let mut server = rig.keep(0, WIDE);
        let (first, _serving) = asking(&rig, "10.0.0.1").await;
        head(&mut server).await;
        pause(seconds(1)).await;
        let begun = now();
        let (mut second, _serving) = asking(&rig, "10.0.0.2").await;
        // The first one ends a second earlier, and leaves it its place and a second.
        head(&mut server).await;
        expect_passed(begun, seconds(1));
        assert_eq!(status_of(&mut second).await, 504);
        expect_passed(begun, seconds(2));
        drop(first);
    });
}
