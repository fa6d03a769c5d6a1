//! Places are counted, waited for and given back.
#![allow(clippy::unwrap_used)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

fn limited(own: Option<u32>, shared: Option<&Arc<ConnectionRoom>>) -> Arc<Connections> {
    Arc::new(Connections::new(own.map(ConnectionRoom::new), shared.cloned()))
}

/// Polls once.
macro_rules! poll {
    ($waiting:expr) => {
        $waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
}

#[test]
fn without_a_limit_connections_are_only_counted() {
    let connections = limited(None, None);
    let places: Vec<_> = (0..1000).map(|_| connections.try_take().unwrap()).collect();
    assert_eq!((connections.open(), connections.are_limited()), (1000, false));
    drop(places);
    assert_eq!(connections.open(), 0);
}

#[test]
fn a_place_comes_back_and_goes_to_whoever_has_waited_longest() {
    let connections = limited(Some(1), None);
    let place = connections.try_take().unwrap();
    let (mut first, mut second) = (pin!(connections.take()), pin!(connections.take()));
    assert!(poll!(first).is_pending() && poll!(second).is_pending());
    assert_eq!((connections.wanted(), connections.open()), (2, 1));
    drop(place);
    assert!(connections.try_take().is_none(), "it belongs to who waits");
    assert!(poll!(second).is_pending());
    let Poll::Ready(place) = poll!(first) else { panic!("it was the first one's turn") };
    assert_eq!((connections.wanted(), connections.open()), (1, 1));
    drop(place);
    assert!(poll!(second).is_ready());
    assert_eq!((connections.wanted(), connections.open()), (0, 0));
}

#[test]
fn whoever_goes_away_while_it_waits_leaves_nothing_behind() {
    let connections = limited(Some(1), None);
    let place = connections.try_take().unwrap();
    {
        let mut gone = pin!(connections.take());
        assert!(poll!(gone).is_pending());
    }
    assert_eq!(connections.wanted(), 0);
    // The same where it has been given the place and does not know it yet.
    {
        let mut gone = pin!(connections.take());
        assert!(poll!(gone).is_pending());
        drop(place);
    }
    assert!(connections.try_take().is_some());
}

#[test]
fn a_place_of_the_upstream_that_is_missing_costs_none_of_the_server() {
    let room = ConnectionRoom::new(2);
    let (one, other) = (limited(Some(1), Some(&room)), limited(None, Some(&room)));
    let taken = [other.try_take().unwrap(), other.try_take().unwrap()];
    assert!(one.try_take().is_none() && one.lack_what_has(&other));
    let mut waiting = pin!(one.take());
    assert!(poll!(waiting).is_pending());
    assert_eq!((one.wanted(), other.wanted()), (1, 1), "a connection to either would do");
    drop(taken);
    assert!(poll!(waiting).is_ready());
    assert!(one.try_take().is_some());
}

#[test]
fn what_is_open_counts_on_under_the_next_configuration() {
    let before = limited(Some(1), None);
    let place = before.try_take().unwrap();
    let same = Arc::new(Connections::new(Some(ConnectionRoom::new(1)), None).following(&before));
    assert!(same.try_take().is_none());
    let more = Arc::new(Connections::new(Some(ConnectionRoom::new(2)), None).following(&before));
    assert!(more.try_take().is_some(), "another number begins anew");
    let none = Arc::new(Connections::new(None, None).following(&before));
    assert!(none.try_take().is_some());
    assert_eq!([&same, &more, &none].map(|connections| connections.open()), [1, 1, 1]);
    drop(place);
    assert_eq!((same.open(), none.open()), (0, 0));
}

/// On bells of its own: those of the process are rung by whoever waits in another test.
#[test]
fn everybody_hears_a_ring_once_and_nobody_who_has_gone_does() {
    let bells = Bells(Mutex::new(Vec::new()));
    let (first, second, gone) = (bells.hang(), bells.hang(), bells.hang());
    let hears = |bell: &Notify| poll!(pin!(bell.notified())).is_ready();
    bells.take_down(&gone);
    assert!(!hears(&first));
    bells.ring();
    assert_eq!([&first, &second, &gone].map(|bell| hears(bell)), [true, true, false]);
    assert!(!hears(&first) && !hears(&second), "one ring is heard once");
}
