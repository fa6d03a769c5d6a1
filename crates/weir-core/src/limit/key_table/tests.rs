//! One set under every order in which several threads can work on it.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::super::pace::Rate;
use super::{Entry, KeyTable, Outcome, Pace, Plan, SeqCst, Set, Step, Ticks, View, WAYS};

/// The hash of a key: its tag stands in front.
fn key(tag: u64) -> u64 {
    tag << 44
}

fn pace(burst: u32) -> Pace {
    Pace::new(Rate { count: 1, per: Duration::from_secs(60) }, burst)
}

/// A thread that asks for one request, or gives one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Thread {
    /// Gives back a request that the entry in this place was charged.
    Refunds(usize),
    Looks,
    /// It has looked at the first entry and nothing else.
    LooksOn(View),
    Commits(Step),
    /// It looks again, in two parts too.
    LooksAgain(Step),
    LooksAgainOn(Step, View),
    TakesBack(Step),
    Unites,
    Passed,
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    words: [u64; WAYS],
    floor: u64,
    threads: Vec<Thread>,
}

/// A thread with its key and its clock.
type Agent = (u64, u64, Thread);

fn now(clock: u64) -> Ticks {
    Ticks::at(1_000_000 + clock)
}

/// A set that begins so: of each entry its key and how far it is ahead.
fn begin(pace: &Pace, begun: &[(u64, u64)]) -> Set {
    let set = Set::default();
    for ((tag, ahead), way) in begun.iter().zip(&set.ways) {
        way.store(pace.word(*tag, *ahead, now(0)), SeqCst);
    }
    set
}

/// Every order of the steps of these threads. Gives the states in which all are done.
fn every_order(pace: &Pace, begun: &[(u64, u64)], agents: &[Agent]) -> HashSet<State> {
    let words = begin(pace, begun).ways.map(AtomicU64::into_inner);
    let threads = agents.iter().map(|(_, _, thread)| *thread).collect();
    let clocks: Vec<(u64, u64)> = agents.iter().map(|(tag, clock, _)| (*tag, *clock)).collect();
    let first = State { words, floor: 0, threads };
    let hashes = RandomState::new();
    let (mut seen, mut left, mut ends) = (HashSet::new(), vec![first], HashSet::new());
    while let Some(state) = left.pop() {
        // The hash stands for the state: that two of some millions have the same one is far less likely than a broken machine.
        if !seen.insert(hashes.hash_one(&state)) {
            continue;
        }
        assert!(seen.len() < 2_000_000, "too many orders");
        let mut done = true;
        for (index, (tag, clock)) in clocks.iter().enumerate() {
            let thread = state.threads[index];
            if matches!(thread, Thread::Passed | Thread::Refused) {
                continue;
            }
            done = false;
            let set = Set::default();
            state.words.iter().zip(&set.ways).for_each(|(word, way)| way.store(*word, SeqCst));
            set.floor.store(state.floor, SeqCst);
            let mut next = state.clone();
            next.threads[index] = step(&set, pace, key(*tag), now(*clock), thread);
            next.words = set.ways.each_ref().map(|way| way.load(SeqCst));
            next.floor = set.floor.load(SeqCst);
            // Threads that ask the same are alike: which of them is where makes no difference.
            sort_alike(&clocks, &mut next.threads);
            left.push(next);
        }
        if done {
            ends.insert(state);
        }
    }
    ends
}

/// Puts threads with the same key and clock, which stand beside each other, in an order of their states.
fn sort_alike(clocks: &[(u64, u64)], threads: &mut [Thread]) {
    let mut begin = 0;
    for group in clocks.chunk_by(|one, other| one == other) {
        threads[begin..begin + group.len()].sort_unstable();
        begin += group.len();
    }
}

fn first_part(set: &Set, pace: &Pace, key: u64, now: Ticks) -> View {
    let mut view = View { own: None, twin: false, least: (0, 0, u64::MAX), floor: 0 };
    set.look_at(0..1, &mut view, pace, key, now);
    view
}

fn second_part(set: &Set, mut view: View, pace: &Pace, key: u64, now: Ticks) -> View {
    set.look_at(1..WAYS, &mut view, pace, key, now);
    set.look_at_floor(&mut view, pace, now);
    view
}

fn step(set: &Set, pace: &Pace, key: u64, now: Ticks, thread: Thread) -> Thread {
    match thread {
        Thread::Looks => Thread::LooksOn(first_part(set, pace, key, now)),
        Thread::LooksOn(view) => match second_part(set, view, pace, key, now).plan(pace, key, now) {
            Plan::Refuse(_) => Thread::Refused,
            Plan::Unite => Thread::Unites,
            Plan::Charge(step) => Thread::Commits(step),
        },
        Thread::Commits(step) if set.commit(pace, &step, now) => Thread::LooksAgain(step),
        Thread::Commits(_) => Thread::Looks,
        Thread::LooksAgain(step) => Thread::LooksAgainOn(step, first_part(set, pace, key, now)),
        Thread::LooksAgainOn(step, view) => match second_part(set, view, pace, key, now).confirms(&step) {
            true => Thread::Passed,
            false => Thread::TakesBack(step),
        },
        Thread::TakesBack(step) => {
            set.take_back(&step);
            Thread::Looks
        }
        Thread::Unites => {
            set.unite(pace, key, now);
            Thread::Looks
        }
        Thread::Refunds(way) => {
            let table = KeyTable::new(1);
            let one = table.sets.at(0);
            one.ways[way].store(set.ways[way].load(SeqCst), SeqCst);
            table.refund(pace, Entry { set: 0, way, tag: super::tag_of(key) }, now, || now);
            set.ways[way].store(one.ways[way].load(SeqCst), SeqCst);
            Thread::Refused
        }
        done @ (Thread::Passed | Thread::Refused) => done,
    }
}

/// Demands that of each key never more pass than `allowed` says, in any order. `begun` says how much keys have used.
fn check(burst: u32, begun: &[(u64, u64)], asking: &[(u64, u64)], allowed: &[(u64, usize)]) {
    let agents: Vec<Agent> = asking.iter().map(|(tag, clock)| (*tag, *clock, Thread::Looks)).collect();
    check_agents(&pace(burst), begun, &agents, allowed);
}

fn check_agents(pace: &Pace, begun: &[(u64, u64)], agents: &[Agent], allowed: &[(u64, usize)]) {
    let begun: Vec<_> = begun.iter().map(|(tag, used)| (*tag, used * cost(pace))).collect();
    let ends = every_order(pace, &begun, agents);
    assert!(!ends.is_empty());
    for (tag, at_most) in allowed {
        let passed = |state: &State| {
            let threads = agents.iter().zip(&state.threads);
            threads.filter(|((asks, ..), thread)| asks == tag && **thread == Thread::Passed).count()
        };
        let most = ends.iter().map(passed).max().unwrap();
        assert_eq!(most, *at_most, "key {tag}, {begun:?}, {agents:?}");
    }
}

fn cost(pace: &Pace) -> u64 {
    pace.left_of(now(0), now(0))
}

#[test]
fn two_threads_with_the_same_key_get_one_burst_between_them() {
    check(1, &[], &[(5, 0), (5, 0)], &[(5, 1)]);
    check(1, &[], &[(5, 0), (5, 0), (5, 0)], &[(5, 1)]);
    check(2, &[], &[(5, 0), (5, 0), (5, 0)], &[(5, 2)]);
    check(2, &[(5, 1)], &[(5, 0), (5, 0), (5, 0)], &[(5, 1)]);
    // Another key comes between, so that the two see different free entries.
    check(1, &[], &[(5, 0), (5, 0), (6, 0)], &[(5, 1), (6, 1)]);
}

#[test]
fn clocks_that_differ_do_not_change_that() {
    // An entry that is free for one thread and not yet for the other; both find room, in different places.
    let free_soon: Vec<(u64, u64)> = (10..17).map(|tag| (tag, 0)).collect();
    check(1, &free_soon, &[(5, 0), (6, 1), (5, 2)], &[(5, 1)]);
    check(2, &free_soon, &[(5, 0), (5, 0), (5, 2), (6, 1)], &[(5, 2)]);
}

/// A full set: every key in it has used this much.
fn full(used: u64) -> Vec<(u64, u64)> {
    (10..17).map(|tag| (tag, used)).collect()
}

#[test]
fn whoever_is_driven_out_finds_what_it_had_used() {
    // Key 10 has used two of three. Others drive it out and it comes back.
    check(3, &full(2), &[(10, 0), (10, 0)], &[(10, 1)]);
    check(3, &full(2), &[(5, 0), (10, 0), (10, 0)], &[(10, 1), (5, 1)]);
    check(3, &full(2), &[(5, 0), (6, 0), (10, 0), (10, 0)], &[(10, 1)]);
    check(2, &full(1), &[(5, 0), (5, 0), (10, 0), (10, 0)], &[(10, 1), (5, 1)]);
    // A new key is refused where all are used up, and nobody is driven out for it.
    check(2, &full(2), &[(5, 0), (10, 0)], &[(5, 0), (10, 0)]);
}

/// Two threads with the same key see different places as the least used, because a refund comes between.
#[test]
fn a_key_that_is_entered_twice_gets_one_burst() {
    let mut begun = full(0);
    begun[0].1 = 1;
    for burst in [1, 2] {
        let agents = [
            (5, 0, Thread::Looks),
            (5, 0, Thread::Looks),
            (5, 0, Thread::Looks),
            (10, 0, Thread::Refunds(0)),
        ];
        check_agents(&pace(burst), &begun, &agents, &[(5, burst as usize)]);
    }
}

#[test]
fn two_entries_of_a_key_are_put_together() {
    check(3, &[(5, 1), (6, 1), (5, 1)], &[(5, 0), (5, 0)], &[(5, 1)]);
    check(3, &[(5, 2), (5, 2)], &[(5, 0)], &[(5, 0)]);
    check(7, &[(5, 2), (5, 2), (5, 1)], &[(5, 0), (5, 0), (5, 0)], &[(5, 2)]);
}

/// A thread that found two entries was once stopped before it put them together, and did so by a time at which nobody
/// could be as far ahead as the key was by then: what had been used was forgotten. Four threads on a busy machine showed it.
#[test]
fn whoever_was_stopped_forgets_nothing_of_what_it_puts_together() {
    for burst in [1, 2, 5] {
        let pace = Pace::new(Rate { count: 10_000, per: Duration::from_secs(1) }, burst);
        let (each, later) = (cost(&pace), 40 * cost(&pace));
        let set = begin(&pace, &[(5, later + each), (5, later + u64::from(burst - 1) * each)]);
        set.unite(&pace, key(5), now(0));
        let view = set.look(&pace, key(5), now(later));
        assert_eq!(view.own, None);
        assert!(view.floor >= u64::from(burst) * each, "{} of a burst of {burst}", view.floor / each);
        assert_eq!(view.plan(&pace, key(5), now(later)), Plan::Refuse(view.floor));
    }
}

#[test]
fn a_refund_does_not_open_the_door_for_somebody_who_was_driven_out() {
    // Another key inherits, the one beside it is driven out, and then the first gets its charge back: what is lowered by
    // that must not be what the driven-out key inherits.
    let pace = pace(3);
    let now = Ticks::at(1_000_000);
    let table = KeyTable::new(WAYS);
    let charge = |tag| match table.charge(&pace, key(tag), now) {
        Outcome::Passes(_, entry) => Some(entry),
        Outcome::Refused(_) => None,
    };
    for tag in (10..16).flat_map(|tag| [tag, tag]) {
        charge(tag).unwrap();
    }
    // In the last place, so that the next one takes another.
    charge(16).unwrap();
    let inherits: Entry = charge(5).unwrap();
    charge(6).unwrap();
    let driven_out = (10..16).find(|tag| {
        let set = table.sets.at(0);
        set.ways.iter().all(|way| super::tag(way.load(SeqCst)) != *tag)
    });
    let driven_out = driven_out.expect("key 6 has taken the place of somebody who had used two");
    table.refund(&pace, inherits, now, || now);
    assert!(charge(driven_out).is_some(), "the third");
    assert!(charge(driven_out).is_none(), "the fourth");
}

#[test]
fn keys_spread_over_sets_and_a_set_is_a_cache_line() {
    assert_eq!((size_of::<Set>(), align_of::<Set>()), (64, 64));
    for entries in [1, 7, 8, 700, 65_536] {
        let table = KeyTable::new(entries);
        assert!(table.sets.len() * WAYS >= entries);
        assert_eq!(KeyTable::bytes_max(entries), table.sets.len() * 64);
        // Keys that differ in any bit below the tag fall everywhere; the extremes stay inside.
        assert_eq!(table.place(0), 0);
        assert_eq!(table.place(u64::MAX), table.sets.len() - 1);
        let spread: HashSet<usize> = (0..1000).map(|key: u64| table.place(key << 34)).collect();
        assert!(spread.len() * 2 >= table.sets.len().min(1000), "{} of {}", spread.len(), table.sets.len());
    }
}
