//! Connections that are kept, and closed for others.
#![allow(clippy::unwrap_used)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use super::*;
use crate::connections::ConnectionRoom;

const HOUR: Duration = Duration::from_secs(3600);

fn server(port: u16, own: Option<u32>, shared: Option<&Arc<ConnectionRoom>>) -> Arc<Server> {
    let transport = Transport::Ip("127.0.0.1".parse().unwrap(), port);
    let address = ServerAddress { written: "x".into(), scheme: Scheme::Http, transport, base: "".into() };
    let connections = Connections::new(own.map(ConnectionRoom::new), shared.cloned());
    Arc::new(Server::new(address).with_connections(connections))
}

/// A connection that counts; the other end too.
fn connection(server: &Arc<Server>) -> (Connection, DuplexStream) {
    let (theirs, ours) = duplex(64);
    let stream = Stream::test(ours).with_place(server.connections().try_take().unwrap());
    (Connection { stream: Rc::new(stream), server: Arc::clone(server), reused: false }, theirs)
}

fn keep(pools: &Pools, server: &Arc<Server>) -> DuplexStream {
    let (connection, theirs) = connection(server);
    pools.give_back(connection, HOUR, now());
    theirs
}

fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn where_nobody_hears_that_somebody_waits_nothing_limited_is_kept() {
    let (pools, limited, free) = (Pools::default(), server(1, Some(1), None), server(2, None, None));
    let mut theirs = keep(&pools, &limited);
    assert_eq!((pools.len(), limited.connections().open()), (0, 0));
    assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0, "it was closed");
    let _theirs = keep(&pools, &free);
    assert_eq!((pools.len(), free.connections().open()), (1, 1));
}

#[tokio::test]
async fn what_another_one_keeps_is_closed_for_who_waits() {
    let (ours, others) = (Pools::default(), Pools::default());
    let server = server(1, Some(2), None);
    let mut making_room = pin!(others.make_room());
    assert!(poll(making_room.as_mut()).is_pending());
    let _kept = [keep(&others, &server), keep(&others, &server)];
    assert_eq!(others.len(), 2);
    let mut waiting = pin!(ours.place(&server));
    assert!(poll(waiting.as_mut()).is_pending());
    assert!(poll(making_room.as_mut()).is_pending());
    assert_eq!(others.len(), 1, "one waits, one is closed");
    let Poll::Ready(_place) = poll(waiting.as_mut()) else { panic!("its place is free") };
    // While somebody waits, none is kept.
    let (busy, _theirs) = match others.take(&server, None, now()) {
        Some(connection) => (connection, ()),
        None => panic!("the other one is there still"),
    };
    let mut again = pin!(ours.place(&server));
    assert!(poll(again.as_mut()).is_pending());
    others.give_back(busy, HOUR, now());
    assert_eq!(others.len(), 0);
    assert!(poll(again.as_mut()).is_ready());
}

#[tokio::test]
async fn what_is_idle_here_and_in_the_way_is_closed_first_and_nothing_else() {
    let pools = Pools::default();
    let mut making_room = pin!(pools.make_room());
    assert!(poll(making_room.as_mut()).is_pending());
    let room = ConnectionRoom::new(3);
    let (first, second) = (server(1, Some(1), Some(&room)), server(2, None, Some(&room)));
    let stranger = server(3, None, None);
    let _stranger = keep(&pools, &stranger);
    let _second = keep(&pools, &second);
    let mut theirs = keep(&pools, &first);
    // A second one to the first server: only its own is in the way.
    let _place = poll(pin!(pools.place(&first))).is_ready();
    assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
    assert_eq!((first.connections().open(), second.connections().open()), (0, 1));
    // The upstream is full: whichever has been idle longest.
    let _kept = [keep(&pools, &first), keep(&pools, &second)];
    assert_eq!(pools.len(), 4);
    assert!(poll(pin!(pools.place(&second))).is_ready());
    assert_eq!((first.connections().open(), second.connections().open()), (1, 1));
    assert_eq!(stranger.connections().open(), 1, "it is in nobody's way");
}
