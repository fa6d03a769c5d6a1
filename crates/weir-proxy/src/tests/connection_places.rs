//! Waiting for a place among the connections to a server: what it costs of the time for connecting, and what becomes of copies
//! that get none.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use tokio::task::yield_now;
use weir_core::mirror::MirrorOutcome;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::member::InFlight;

use super::rig::{GET, OK, Rig, WIDE, expect_last, expect_passed, head, paused, rest, say, seconds};
use crate::runtime::mirrors;

/// An address where TCP is accepted by the system and nobody answers in TLS.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    (listener, address)
}

/// Two servers with room for one connection each, and ten seconds to connect to them.
fn two(first: &str, second: &str) -> String {
    format!(
        "timeouts: {{connect: 10s}}
upstreams: {{u: {{servers: ['{first}', '{second}'], limits: {{per_server: {{connections: 1}}}}}}}}"
    )
}

/// A server that does not answer gets its share also behind a wait, and leaves the rest of the time to the other one.
#[test]
fn semantics_2_1_who_waited_for_a_silent_server_asks_the_next_one() {
    let (_listener, address) = silent();
    paused(&two(&address, "127.0.0.1:1"), async |rig: Rig| {
        let others = rig.server(0).connections().try_take().unwrap();
        let worker = Rc::clone(&rig.worker);
        // Limited connections are only kept while somebody listens who could need them.
        tokio::task::spawn_local(async move { worker.pools.make_room().await });
        yield_now().await;
        let mut second = rig.keep(1, WIDE);
        let (mut client, _serving) = rig.client(WIDE);
        let begun = now();
        say(&mut client, GET).await;
        pause(seconds(4)).await;
        drop(others);
        head(&mut second).await;
        expect_passed(begun, seconds(4 + 5));
        say(&mut second, OK).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    });
}

/// What earlier servers have used of the deadline stays used.
#[test]
fn semantics_2_1_a_wait_does_not_begin_the_connect_deadline_anew() {
    let ((_first, first), (_second, second)) = (silent(), silent());
    paused(&two(&first, &second), async |rig: Rig| {
        let others = rig.server(1).connections().try_take().unwrap();
        let (mut client, _serving) = rig.client(WIDE);
        let begun = now();
        say(&mut client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        pause(seconds(5 + 3)).await;
        drop(others);
        expect_last(&rest(&mut client).await, 504);
        expect_passed(begun, seconds(5 + 3 + 5));
    });
}

/// It was counted as one that had no server fit for requests.
#[test]
fn a_copy_for_a_mirror_that_is_full_is_dropped_and_no_server_is_called_unfit() {
    for limit in ["connections", "requests"] {
        let config = format!(
            "services: [{{host: '*', upstream: u, mirror: [{{upstream: other}}]}}]
upstreams:
  u: {{servers: ['127.0.0.1:1']}}
  other: {{servers: ['127.0.0.1:2'], limits: {{per_server: {{{limit}: 1}}}}}}"
        );
        paused(&config, async |rig: Rig| {
            let upstream = rig.snapshot.upstreams.iter().find(|known| &*known.name == "other").unwrap();
            let full = Arc::clone(&upstream.group().servers[0]);
            let _place = full.connections().try_take().filter(|_| limit == "connections");
            let _request = InFlight::enter(&full, false).filter(|_| limit == "requests");
            let mut server = rig.keep(0, WIDE);
            let (mut client, _serving) = rig.client(WIDE);
            say(&mut client, GET).await;
            head(&mut server).await;
            say(&mut server, OK).await;
            head(&mut client).await;
            pause(seconds(600)).await;
            let found = mirrors::status(rig.snapshot.forward(0).unwrap().beside.as_deref().into_iter());
            let dropped = MirrorOutcome::DroppedQueue as usize;
            let expected = std::array::from_fn(|place| u64::from(place == dropped));
            assert_eq!(found[0].copies, expected, "{limit}");
        });
    }
}
