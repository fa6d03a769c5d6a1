//! Connections that have switched to another protocol: how long they may be silent.

use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use weir_core::ports::Status;
use weir_upstream::io::deadline::{now, pause};

use super::rig::{DEFAULTS, Rig, WIDE, expect_passed, head, paused, rest, say, seconds, take};
use super::secured_client::SecuredClient;

const HOUR: u64 = 3600;

/// A client and a server whose connection has switched.
async fn switched(rig: &Rig) -> (DuplexStream, DuplexStream, JoinHandle<()>) {
    let mut server = rig.keep(0, WIDE);
    let (mut client, serving) = rig.client(WIDE);
    let fields = "Connection: Upgrade\r\nUpgrade: websocket";
    say(&mut client, &format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")).await;
    head(&mut server).await;
    say(&mut server, &format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n")).await;
    assert!(head(&mut client).await.starts_with("HTTP/1.1 101 "));
    (client, server, serving)
}

/// Demands that the connection is cut on both sides an hour after now.
async fn expect_an_hour(
    rig: Rig,
    mut client: DuplexStream,
    mut server: DuplexStream,
    serving: JoinHandle<()>,
) {
    let begun = now();
    assert_eq!(rig.server(0).in_flight(), 1);
    serving.await.unwrap();
    expect_passed(begun, seconds(HOUR));
    assert_eq!((rest(&mut client).await, rest(&mut server).await), (String::new(), String::new()));
    assert!(rig.worker.pools.is_empty());
    rig.expect_idle();
}

#[test]
fn an_hour_of_silence_ends_it() {
    paused(DEFAULTS, async |rig: Rig| {
        let (client, server, serving) = switched(&rig).await;
        expect_an_hour(rig, client, server, serving).await;
    });
}

#[test]
fn a_byte_in_either_direction_begins_the_hour_anew() {
    paused(DEFAULTS, async |rig: Rig| {
        let (mut client, mut server, serving) = switched(&rig).await;
        for _ in 0..3 {
            pause(seconds(HOUR - 1)).await;
            say(&mut client, "x").await;
            assert_eq!(take(&mut server, 1).await, "x");
            pause(seconds(HOUR - 1)).await;
            say(&mut server, "y").await;
            assert_eq!(take(&mut client, 1).await, "y");
        }
        expect_an_hour(rig, client, server, serving).await;
    });
}

#[test]
fn the_hour_also_counts_when_one_side_has_ended() {
    for server_ends in [false, true] {
        paused(DEFAULTS, async |rig: Rig| {
            let (mut client, mut server, serving) = switched(&rig).await;
            pause(seconds(HOUR / 2)).await;
            if server_ends {
                server.shutdown().await.unwrap();
            } else {
                client.shutdown().await.unwrap();
            }
            expect_an_hour(rig, client, server, serving).await;
        });
    }
}

#[test]
fn one_side_may_go_on_for_long_when_the_other_has_ended() {
    paused(DEFAULTS, async |rig: Rig| {
        let (mut client, mut server, serving) = switched(&rig).await;
        server.shutdown().await.unwrap();
        for _ in 0..3 {
            pause(seconds(HOUR - 1)).await;
            say(&mut client, "x").await;
            assert_eq!(take(&mut server, 1).await, "x");
        }
        expect_an_hour(rig, client, server, serving).await;
    });
}

#[test]
fn it_is_recorded_with_all_of_its_time() {
    paused(DEFAULTS, async |rig: Rig| {
        let (mut client, mut server, serving) = switched(&rig).await;
        pause(seconds(60)).await;
        server.shutdown().await.unwrap();
        pause(seconds(40)).await;
        client.shutdown().await.unwrap();
        serving.await.unwrap();
        let mut status = Status::default();
        rig.counters.add_to(&mut status);
        assert!((status.request_duration.sum_seconds - 100.0).abs() < 0.1, "{status:?}");
    });
}

/// Its last words came together with its end, which no goodbye had announced, and went nowhere.
#[test]
fn the_last_words_of_a_client_that_closes_without_a_goodbye_are_passed_on() {
    paused(DEFAULTS, async |rig: Rig| {
        let mut server = rig.keep(0, WIDE);
        let (pipe, serving) = rig.secured_client(WIDE);
        let mut client = SecuredClient::connected(pipe).await;
        let fields = "Connection: Upgrade\r\nUpgrade: websocket";
        client.say(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")).await;
        head(&mut server).await;
        say(&mut server, &format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n")).await;
        assert!(client.some().await.unwrap().starts_with(b"HTTP/1.1 101 "));
        client.say("last words").await;
        drop(client);
        assert_eq!(rest(&mut server).await, "last words");
        serving.await.unwrap();
        rig.expect_idle();
    });
}
