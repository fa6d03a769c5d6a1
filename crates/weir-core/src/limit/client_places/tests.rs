//! One set under every order in which several threads can take and leave places in it, and many threads on a whole table.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

mod waiting;

use super::{ClientPlaces, Plan, SeqCst, Set, View, WAYS, Word, count, tag};

fn key(tag: u64) -> u64 {
    tag << 32
}

/// A thread that takes a place and leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Thread {
    Looks,
    /// It has looked at the first entry and nothing else.
    LooksOn(View),
    Counts(Word, u64, u64),
    /// It looks again, in two parts too.
    LooksAgain(Word),
    LooksAgainOn(Word, View),
    TakesBack(Word),
    Inside(Word),
    Full,
    Left,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    words: [u64; WAYS],
    shared: u64,
    threads: Vec<Thread>,
}

fn first_part(set: &Set, key: u64) -> View {
    let mut view = View::NOTHING;
    set.look_at(0, &mut view, key);
    view
}

fn second_part(set: &Set, mut view: View, key: u64) -> View {
    (1..WAYS).for_each(|way| set.look_at(way, &mut view, key));
    set.look_at_shared(&mut view);
    view
}

/// What a thread may do next: mostly one thing.
fn steps(set: &Set, each: u64, key: u64, thread: Thread) -> Vec<Thread> {
    vec![match thread {
        Thread::Looks => Thread::LooksOn(first_part(set, key)),
        Thread::LooksOn(view) => match second_part(set, view, key).plan(key, each) {
            Plan::Full => Thread::Full,
            Plan::Count { word, old, new } => Thread::Counts(word, old, new),
        },
        Thread::Counts(word, old, new) if set.replace(word, old, new) => Thread::LooksAgain(word),
        Thread::Counts(..) => Thread::Looks,
        Thread::LooksAgain(word) => Thread::LooksAgainOn(word, first_part(set, key)),
        Thread::LooksAgainOn(word, view) if second_part(set, view, key).counted <= each => {
            Thread::Inside(word)
        }
        Thread::LooksAgainOn(word, _) => Thread::TakesBack(word),
        Thread::TakesBack(word) => {
            set.leave(word);
            Thread::Looks
        }
        Thread::Inside(word) => {
            set.leave(word);
            return vec![Thread::Left];
        }
        Thread::Full | Thread::Left => return Vec::new(),
    }]
}

/// Every order of the steps of threads with these keys, on a set in which `begun` have their places. In no state may a key
/// have more places than `each`, and in the end nothing may be left of those who have left. Says how many of the last
/// key can be inside at once.
fn check(each: u64, begun: &[(u64, u64)], asking: &[u64]) -> usize {
    let mut words = [0; WAYS];
    for (word, (tag, count)) in words.iter_mut().zip(begun) {
        *word = key(*tag) | count;
    }
    let first = State { words, shared: 0, threads: vec![Thread::Looks; asking.len()] };
    let (mut seen, mut left) = (HashSet::new(), vec![first]);
    let mut most = 0;
    while let Some(state) = left.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        assert!(seen.len() < 3_000_000, "too many orders");
        let inside = |tag: u64| {
            let threads = asking.iter().zip(&state.threads);
            threads.filter(|(asks, thread)| **asks == tag && matches!(thread, Thread::Inside(_))).count()
        };
        for tag in asking {
            let already =
                begun.iter().filter(|(known, _)| known == tag).map(|(_, count)| *count).sum::<u64>();
            assert!(inside(*tag) as u64 + already <= each, "key {tag} has too much: {state:?}");
        }
        most = most.max(asking.last().map_or(0, |tag| inside(*tag)));
        let mut is_done = true;
        for (index, tag) in asking.iter().enumerate() {
            let set = Set { shared: state.shared.into(), ways: state.words.map(AtomicU64::new) };
            for thread in steps(&set, each, key(*tag), state.threads[index]) {
                is_done = false;
                let mut next = state.clone();
                next.threads[index] = thread;
                next.words = set.ways.each_ref().map(|way| way.load(SeqCst));
                next.shared = set.shared.load(SeqCst);
                sort_alike(asking, &mut next.threads);
                left.push(next);
            }
        }
        if is_done {
            let counted: u64 = state.words.iter().map(|word| count(*word)).sum::<u64>() + state.shared;
            let stayed: u64 = begun.iter().map(|(_, count)| *count).sum();
            assert_eq!(counted, stayed, "a place is lost or left twice: {state:?}");
        }
    }
    most
}

/// Threads with the same key, which stand beside each other, are alike.
fn sort_alike(asking: &[u64], threads: &mut [Thread]) {
    let mut begin = 0;
    for group in asking.chunk_by(|one, other| one == other) {
        threads[begin..begin + group.len()].sort_unstable();
        begin += group.len();
    }
}

fn full(count: u64) -> Vec<(u64, u64)> {
    (10..10 + WAYS as u64).map(|tag| (tag, count)).collect()
}

#[test]
fn in_no_order_a_key_has_more_places_than_its_limit() {
    assert_eq!(check(1, &[], &[5, 5]), 1);
    assert_eq!(check(1, &[], &[5, 5, 5]), 1);
    assert_eq!(check(2, &[], &[5, 5, 5]), 2);
    assert_eq!(check(2, &[(5, 1)], &[5, 5, 5]), 1);
    assert_eq!(check(2, &[(5, 2)], &[5, 5]), 0);
    // Another key takes and leaves the entry that the first ones see as free or not.
    assert_eq!(check(1, &[], &[6, 5, 5]), 1);
}

#[test]
fn where_all_entries_are_taken_the_rest_has_one_limit_together() {
    assert_eq!(check(1, &full(1), &[5, 5, 5]), 1);
    assert_eq!(check(2, &full(1), &[5, 5, 5]), 2);
    assert_eq!(check(1, &full(1), &[6, 5]), 1);
    // One entry is left, and becomes free while others share.
    assert_eq!(check(1, &full(1)[1..], &[6, 5, 5]), 1);
    assert_eq!(check(2, &full(1)[1..], &[6, 5, 5]), 2);
}

#[test]
fn places_are_taken_and_left() {
    let places = ClientPlaces::new(2, 100);
    let first = places.enter(7).place.unwrap();
    let second = places.enter(7).place.unwrap();
    assert_eq!(places.enter(7).place, None);
    assert!(places.enter(key(3)).place.is_some(), "another key has its own");
    places.leave(first);
    let third = places.enter(7).place.unwrap();
    assert_eq!(places.enter(7).place, None);
    places.leave(second);
    places.leave(third);
    for set in (1..places.sets.len()).map(|index| places.sets.at(index)) {
        assert_eq!(set.shared.load(SeqCst), 0);
    }
}

/// Each thread takes places of a few keys and holds some of them; nobody is ever inside once too often.
#[test]
fn threads_together_have_no_more_places_than_the_limit() {
    const EACH: u32 = 3;
    for (entries, keys) in [(1000, 2), (7, 3), (7, 20)] {
        let places = ClientPlaces::new(EACH, entries);
        let inside: HashMap<u64, AtomicU32> = (0..keys).map(|key| (key, AtomicU32::new(0))).collect();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (places, inside) = (&places, &inside);
                scope.spawn(move || {
                    let mut held = Vec::new();
                    let mut seed = thread + 1;
                    for _ in 0..20_000 {
                        seed = seed
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        let name = (seed >> 33) % keys;
                        if let Some(place) = places.enter(key(name + 1)).place {
                            let before = inside[&name].fetch_add(1, Ordering::SeqCst);
                            assert!(before < EACH, "key {name} has {before} places already");
                            held.push((name, place));
                        }
                        if held.len() > 4 || (seed >> 60) > 8 {
                            let index = (seed >> 40) as usize % held.len().max(1);
                            if index < held.len() {
                                let (name, place) = held.swap_remove(index);
                                inside[&name].fetch_sub(1, Ordering::SeqCst);
                                places.leave(place);
                            }
                        }
                    }
                    for (name, place) in held {
                        inside[&name].fetch_sub(1, Ordering::SeqCst);
                        places.leave(place);
                    }
                });
            }
        });
        let counted = (0..places.sets.len())
            .map(|index| places.sets.at(index))
            .flat_map(|set| set.ways.iter().chain([&set.shared]));
        assert_eq!(counted.map(|word| count(word.load(SeqCst))).sum::<u64>(), 0, "places are lost");
    }
}

#[test]
fn many_keys_take_no_memory() {
    let places = ClientPlaces::new(1, 1024);
    let bytes = places.bytes();
    assert!(bytes <= 1024 * 10 && places.sets.touched_bytes() == 0, "{bytes} bytes");
    let mut taken = 0;
    for name in 0..1_000_000_u64 {
        let hash = name.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        taken += u64::from(places.enter(hash).place.is_some());
    }
    // Every entry, and one place for those who share, in each set.
    assert_eq!(taken, (places.sets.len() * (WAYS + 1)) as u64);
    assert_eq!((places.bytes(), places.sets.touched_bytes()), (bytes, bytes));
    assert_eq!((size_of::<Set>(), align_of::<Set>()), (64, 64));
    assert_eq!(tag(u64::MAX), 0xffff_ffff_0000_0000);
    assert_eq!((places.set_of(0), places.set_of(u64::MAX)), (0, places.sets.len() - 1));
}
