//! Connections that die: whenever that is, nothing is left of them.

use std::future::poll_fn;
use std::task::Poll;

use super::conversation::{probe, serve, talk};
use super::rig::{DEFAULTS, Rig, WIDE, paused};
use super::secured_client::bridge;

/// Does `work` until it is done or has been polled so many times, and then drops it. Says whether it was done.
async fn polled_at_most(mut polls: usize, work: impl Future<Output = ()>) -> bool {
    let mut work = Box::pin(work);
    poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(false);
        }
        polls -= 1;
        work.as_mut().poll(cx).map(|()| true)
    })
    .await
}

/// Drops the connection of a conversation after so many polls; says whether that was its end.
fn dies(polls: usize, client_bytes: usize, server_bytes: usize, tls: bool) -> bool {
    paused(DEFAULTS, async |rig: Rig| {
        let server = serve(rig.keep(0, server_bytes));
        let (talking, done) = if tls {
            let (client, connection) = rig.secured(client_bytes);
            (tokio::task::spawn_local(talk(bridge(client))), polled_at_most(polls, connection).await)
        } else {
            let (client, connection) = rig.connection(client_bytes);
            (tokio::task::spawn_local(talk(client)), polled_at_most(polls, connection).await)
        };
        talking.await.unwrap();
        rig.expect_idle();
        // Whatever is kept must carry another request as if nothing had been before.
        let kept = rig.worker.pools.len();
        let (pipe, serving) = rig.client(WIDE);
        let (head, body) = probe(pipe).await;
        if kept == 0 {
            assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
        } else {
            assert!(head.starts_with("HTTP/1.1 200 ") && body == "/probe", "{head}{body}");
        }
        serving.await.unwrap();
        rig.expect_idle();
        drop(rig);
        server.await.unwrap();
        done
    })
}

#[test]
fn whenever_a_connection_dies_nothing_is_left_of_it() {
    let pipes = [(WIDE, WIDE), (1, WIDE), (WIDE, 1), (7, 7)];
    for (client, server) in pipes {
        let last = (0..10_000).find(|polls| dies(*polls, client, server, false));
        assert!(last.is_some_and(|last| last > 2), "{last:?} polls with {client} and {server} bytes");
    }
    // Handshakes cost computing time, so only where most things happen.
    for (client, server) in [(WIDE, WIDE), (400, 20)] {
        let last = (0..10_000).find(|polls| dies(*polls, client, server, true));
        assert!(
            last.is_some_and(|last| last > 4),
            "{last:?} polls with {client} and {server} bytes with TLS"
        );
    }
}
