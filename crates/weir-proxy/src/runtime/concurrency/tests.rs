//! Places over several threads: never more than there are, and nobody who could have one sleeps on.
#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;

use super::*;

/// Longer than any of these tests takes; whoever waits for longer is woken by nobody.
const PATIENCE: Duration = Duration::from_secs(60);

fn limits(per_client: Option<u32>, total: Option<u32>, queue: u32) -> SharedConcurrency {
    SharedConcurrency::new(Concurrency { per_client, total, queue, wait: Duration::from_secs(1) }, 1 << 18)
}

fn client(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

/// Whether somebody was woken.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Somebody who waits, polled by hand.
struct Sleeper<'l> {
    turn: Pin<Box<dyn Future<Output = Places> + 'l>>,
    woken: Arc<Woken>,
}

impl<'l> Sleeper<'l> {
    fn new(limits: &'l SharedConcurrency, client: IpAddr) -> Self {
        let mut places = limits.arrive(client);
        assert!(!places.are_complete(), "there is nothing to wait for");
        let waiting = limits.queue(&places).expect("there is room in the queue");
        let turn = Box::pin(async move {
            let _waiting = waiting;
            limits.wait(&mut places).await;
            places
        });
        let mut sleeper = Self { turn, woken: Arc::default() };
        assert!(sleeper.poll().is_none());
        sleeper
    }

    fn poll(&mut self) -> Option<Places> {
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.turn.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(places) => Some(places),
            Poll::Pending => None,
        }
    }

    fn was_woken(&self) -> bool {
        self.woken.0.swap(false, SeqCst)
    }
}

#[test]
fn those_who_wait_for_a_place_of_all_come_in_in_the_order_of_their_arrival() {
    let limits = limits(None, Some(2), 10);
    let (first, second) = (limits.arrive(client(1)), limits.arrive(client(2)));
    let mut sleepers: Vec<_> = (3..7).map(|number| Sleeper::new(&limits, client(number))).collect();
    assert_eq!(limits.waiting(), 4);
    limits.leave(first);
    // The place is the first one's already: nobody gets in before it.
    assert!(!limits.arrive(client(9)).are_complete());
    let mut inside = vec![second];
    for number in 0..4 {
        let woken: Vec<_> = sleepers.iter().map(Sleeper::was_woken).collect();
        assert_eq!(woken.iter().position(|woken| *woken), Some(number), "{woken:?}");
        assert_eq!(woken.iter().filter(|woken| **woken).count(), 1);
        inside.push(sleepers[number].poll().unwrap());
        limits.leave(inside.remove(0));
    }
    assert_eq!(limits.waiting(), 0);
}

#[test]
fn whoever_goes_in_the_moment_of_its_turn_passes_it_on() {
    for (per_client, total) in [(None, Some(1)), (Some(1), None), (Some(1), Some(1))] {
        let limits = limits(per_client, total, 10);
        let mut inside = Some(limits.arrive(client(1)));
        // The second waits for nothing of its own when it goes.
        let gone = Sleeper::new(&limits, client(1));
        limits.leave(inside.take().unwrap());
        assert!(gone.was_woken());
        drop(gone);
        let again = limits.arrive(client(1));
        assert!(again.are_complete(), "{limits:?}");
        let (gone, mut next) = (Sleeper::new(&limits, client(1)), None);
        if per_client.is_none() {
            next = Some(Sleeper::new(&limits, client(1)));
        }
        limits.leave(again);
        drop(gone);
        if let Some(mut next) = next {
            assert!(next.was_woken());
            limits.leave(next.poll().unwrap());
        }
        let last = limits.arrive(client(1));
        assert!(last.are_complete(), "{limits:?}");
        limits.leave(last);
        assert_eq!(limits.waiting(), 0);
    }
}

#[test]
fn whoever_waits_for_its_own_client_keeps_no_place_from_others() {
    let limits = limits(Some(1), Some(2), 10);
    let first = limits.arrive(client(1));
    let mut own = Sleeper::new(&limits, client(1));
    let other = limits.arrive(client(2));
    assert!(other.are_complete(), "there are two places of all");
    // Now it waits for a place of all and has that of its client.
    let mut third = Sleeper::new(&limits, client(3));
    limits.leave(first);
    assert!(own.was_woken() && third.was_woken());
    assert!(own.poll().is_none(), "the place of all is the third one's, who has waited for it");
    let third = third.poll().unwrap();
    limits.leave(other);
    let own = own.poll().unwrap();
    limits.leave(own);
    limits.leave(third);
}

#[test]
fn one_client_takes_up_no_more_of_the_queue_than_it_may_have_in_progress() {
    let limits = limits(Some(2), Some(2), 100);
    let inside = [limits.arrive(client(1)), limits.arrive(client(1))];
    let own: Vec<_> = (0..2).map(|_| Sleeper::new(&limits, client(1))).collect();
    let refused = limits.arrive(client(1));
    assert!(limits.queue(&refused).is_none());
    limits.leave(refused);
    assert_eq!(limits.waiting(), 2);
    // Others have their room.
    let others: Vec<_> = (2..50).map(|number| Sleeper::new(&limits, client(number))).collect();
    assert_eq!(limits.waiting(), 50);
    drop((own, others));
    inside.into_iter().for_each(|places| limits.leave(places));
}

#[test]
fn what_stays_as_it_is_goes_on_with_what_is_in_progress() {
    let rule = Concurrency { per_client: Some(1), total: Some(1), queue: 1, wait: Duration::from_secs(1) };
    let first = SharedConcurrency::following(rule, 1024, None);
    let places = first.arrive(client(1));
    let same = SharedConcurrency::following(rule, 1024, Some(&first));
    assert!(Arc::ptr_eq(&first, &same));
    for changed in [
        Concurrency { per_client: Some(2), ..rule },
        Concurrency { total: None, ..rule },
        Concurrency { queue: 2, ..rule },
        Concurrency { wait: Duration::from_secs(2), ..rule },
    ] {
        let other = SharedConcurrency::following(changed, 1024, Some(&first));
        assert!(other.arrive(client(1)).are_complete(), "{changed:?}");
    }
    assert!(!Arc::ptr_eq(&first, &SharedConcurrency::following(rule, 2048, Some(&first))));
    first.leave(places);
}

#[test]
fn where_few_can_be_counted_little_memory_is_taken() {
    let bytes = |limits: &SharedConcurrency| {
        limits.clients.as_ref().map(|clients| clients.places.bytes() + clients.waiting.bytes()).unwrap()
    };
    assert!(bytes(&limits(Some(10), None, 100)) > 2_000_000);
    let few = bytes(&limits(Some(10), Some(100), 100));
    assert!(few < 32_000, "{few}");
    assert!(bytes(&limits(Some(1), Some(1), 0)) >= 64);
}

/// Waits for what is missing. Some go away while they wait, or in the moment of their turn, and say `false`.
async fn comes_in(limits: &SharedConcurrency, places: &mut Places, goes_away: bool) -> bool {
    let Some(_waiting) = limits.queue(places) else { return false };
    let mut turn = pin!(limits.wait(places));
    if !goes_away {
        turn.await;
        return true;
    }
    let polled = std::future::poll_fn(|cx| Poll::Ready(turn.as_mut().poll(cx))).await;
    tokio::task::yield_now().await;
    polled.is_ready()
}

/// Some requests of a few clients, one after the other.
async fn requests(limits: Arc<SharedConcurrency>, inside: Arc<[AtomicUsize]>, clients: u8, seed: u64) {
    let mut seed = seed + 1;
    for round in 0..300_u32 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = u8::try_from((seed >> 33) % u64::from(clients)).unwrap();
        let mut places = limits.arrive(client(number));
        if !places.are_complete() && !comes_in(&limits, &mut places, round % 7 == 0).await {
            limits.leave(places);
            tokio::task::yield_now().await;
            continue;
        }
        assert!(places.are_complete());
        let of_all = inside[usize::from(clients)].fetch_add(1, SeqCst) + 1;
        let of_client = inside[usize::from(number)].fetch_add(1, SeqCst) + 1;
        assert!(limits.rule.total.is_none_or(|total| of_all <= total as usize), "{of_all} at once");
        assert!(limits.rule.per_client.is_none_or(|each| of_client <= each as usize), "{of_client} of one");
        tokio::task::yield_now().await;
        inside[usize::from(number)].fetch_sub(1, SeqCst);
        inside[usize::from(clients)].fetch_sub(1, SeqCst);
        limits.leave(places);
    }
}

/// A worker with eight clients that ask all the time.
fn work(limits: &Arc<SharedConcurrency>, inside: &Arc<[AtomicUsize]>, clients: u8, worker: u64) {
    let runtime = Builder::new_current_thread().enable_time().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            tasks.spawn_local(requests(Arc::clone(limits), Arc::clone(inside), clients, worker * 8 + task));
        }
        while !tasks.is_empty() {
            let next = tokio::time::timeout(PATIENCE, tasks.join_next()).await;
            next.unwrap_or_else(|_| panic!("somebody sleeps on: {:?}", limits.rule)).unwrap().unwrap();
        }
    });
}

#[test]
fn over_threads_there_are_never_too_many_inside_and_nobody_sleeps_on() {
    for (per_client, total, clients) in
        [(None, Some(3), 5), (Some(1), None, 2), (Some(2), None, 3), (Some(2), Some(3), 4)]
    {
        let limits = Arc::new(limits(per_client, total, 1000));
        let inside: Arc<[_]> = (0..=clients).map(|_| AtomicUsize::new(0)).collect();
        std::thread::scope(|scope| {
            for worker in 0..4_u64 {
                let (limits, inside) = (&limits, &inside);
                scope.spawn(move || work(limits, inside, clients, worker));
            }
        });
        // All places are there again.
        assert_eq!(limits.waiting(), 0);
        let free = limits.total.as_ref().map(|total| u32::try_from(total.available_permits()).unwrap());
        assert_eq!(free, total);
        for number in 0..clients {
            let each = per_client.unwrap_or(0).min(total.unwrap_or(u32::MAX));
            let all: Vec<_> = (0..each).map(|_| limits.arrive(client(number))).collect();
            assert!(all.iter().all(Places::are_complete));
            all.into_iter().for_each(|places| limits.leave(places));
        }
    }
}

/// One leaves while the other one comes, at about the same moment and with nobody else there who would ring again.
#[test]
fn whoever_comes_while_the_last_place_is_left_is_woken_or_sees_it() {
    const ROUNDS: usize = 5000;
    for (per_client, total) in [(Some(1), None), (None, Some(1)), (Some(1), Some(1))] {
        let limits = limits(per_client, total, 1);
        let (arrived, asleep) = (AtomicUsize::new(0), AtomicBool::new(false));
        let swap = |mut held: Option<Places>| {
            let runtime = Builder::new_current_thread().enable_time().build().unwrap();
            let skew = usize::from(held.is_some()) + 1;
            for number in 1..=ROUNDS {
                arrived.fetch_add(1, SeqCst);
                let mut spins = 0;
                while arrived.load(SeqCst) < 2 * number {
                    if asleep.load(SeqCst) {
                        return;
                    }
                    // Meeting at the same moment needs a core for each; without one, the other has to run.
                    spins = (spins + 1) % 1024;
                    if spins == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
                }
                // From here both go on, now the one a little later and now the other.
                (0..number * skew % 97).for_each(|_| std::hint::spin_loop());
                if let Some(places) = held.take() {
                    limits.leave(places);
                    continue;
                }
                let mut places = limits.arrive(client(1));
                if !places.are_complete() {
                    let _waiting = limits.queue(&places).unwrap();
                    let turn = async { tokio::time::timeout(PATIENCE, limits.wait(&mut places)).await };
                    asleep.store(runtime.block_on(turn).is_err(), SeqCst);
                }
                held = Some(places);
            }
            if let Some(places) = held {
                limits.leave(places);
            }
        };
        let begun = limits.arrive(client(1));
        std::thread::scope(|scope| {
            scope.spawn(|| swap(Some(begun)));
            scope.spawn(|| swap(None));
        });
        assert!(!asleep.load(SeqCst), "somebody sleeps on: {:?}", limits.rule);
    }
}
