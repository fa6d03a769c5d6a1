//! Those who wait for a place, under every order of their steps and of those of the others: nobody sleeps on.

use std::collections::HashSet;

use super::{AtomicU64, Plan, SeqCst, Set, View, WAYS, Word, key};

/// Where a thread stands that takes a place, waiting for it if it must, and leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum At {
    Looks,
    Counts(Word, u64, u64),
    LooksAgain(Word),
    TakesBack(Word),
    Inside(Word),
    /// It has found no place.
    Full,
    CountsItself,
    Listens,
    Sleeps,
    /// It has left, or taken back, and reads how many wait; then it goes on there.
    ReadsWaiting(Then),
    Rings(Then),
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Then {
    Inside(Word),
    Full,
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Thread {
    /// Whose place it wants.
    tag: u64,
    at: At,
    took_back: bool,
    /// It is among those who wait.
    waits: bool,
    listens: bool,
    /// The bell rang since it began to listen.
    rung: bool,
}

fn thread(tag: u64, at: At) -> Thread {
    Thread { tag, at, took_back: false, waits: false, listens: false, rung: false }
}

/// What a thread might get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// It looks before it listens.
    ListensLate,
    /// It looks before it counts itself.
    CountsLate,
    /// It rings only for places that it had.
    TakesBackInSilence,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    words: [u64; WAYS],
    shared: u64,
    threads: Vec<Thread>,
}

impl State {
    fn waiting(&self) -> usize {
        self.threads.iter().filter(|thread| thread.waits).count()
    }

    fn ring(&mut self) {
        self.threads.iter_mut().filter(|thread| thread.listens).for_each(|thread| thread.rung = true);
    }

    /// Does one step on the set; the words are taken from it afterwards.
    fn on_set<T>(&mut self, step: impl FnOnce(&Set) -> T) -> T {
        let set = Set { shared: self.shared.into(), ways: self.words.map(AtomicU64::new) };
        let done = step(&set);
        self.words = set.ways.each_ref().map(|way| way.load(SeqCst));
        self.shared = set.shared.load(SeqCst);
        done
    }

    /// The next step of a thread; `None` when it has none.
    fn step(&self, index: usize, each: u64, mistake: Mistake) -> Option<Self> {
        let mut next = self.clone();
        let mut thread = self.threads[index];
        let key = key(thread.tag);
        // It tells of a count that it took back once it knows how its asking ended.
        let told = |thread: &Thread, then: Then| match (thread.took_back, then) {
            (true, then) if mistake != Mistake::TakesBackInSilence => At::ReadsWaiting(then),
            (_, Then::Inside(word)) => At::Inside(word),
            (_, Then::Full | Then::Left) => At::Full,
        };
        match thread.at {
            At::Looks => match next.on_set(|set| set.look(key)).plan(key, each) {
                Plan::Full => thread.at = told(&thread, Then::Full),
                Plan::Count { word, old, new } => thread.at = At::Counts(word, old, new),
            },
            At::Counts(word, old, new) => {
                let counted = next.on_set(|set| set.replace(word, old, new));
                thread.at = if counted { At::LooksAgain(word) } else { At::Looks };
            }
            At::LooksAgain(word) => {
                let View { counted, .. } = next.on_set(|set| set.look(key));
                thread.at =
                    if counted <= each { told(&thread, Then::Inside(word)) } else { At::TakesBack(word) };
            }
            At::TakesBack(word) => {
                next.on_set(|set| set.leave(word));
                (thread.took_back, thread.at) = (true, At::Looks);
            }
            At::Inside(word) => {
                next.on_set(|set| set.leave(word));
                (thread.waits, thread.listens, thread.rung) = (false, false, false);
                thread.at = At::ReadsWaiting(Then::Left);
            }
            At::Full => {
                thread.took_back = false;
                thread.at = match (thread.waits, thread.listens) {
                    (false, false) if mistake == Mistake::ListensLate => At::CountsItself,
                    (false, false) if mistake == Mistake::CountsLate => At::Listens,
                    (false, _) => At::CountsItself,
                    (true, false) => At::Listens,
                    (true, true) => At::Sleeps,
                };
            }
            At::CountsItself => {
                thread.waits = true;
                thread.at = if thread.listens { At::Sleeps } else { At::Listens };
            }
            At::Listens => {
                (thread.listens, thread.rung) = (true, false);
                thread.at = if mistake == Mistake::ListensLate { At::Sleeps } else { At::Looks };
            }
            // It listens anew before it looks.
            At::Sleeps if thread.rung && mistake == Mistake::ListensLate => {
                (thread.listens, thread.at) = (false, At::Looks);
            }
            At::Sleeps if thread.rung => thread.at = At::Listens,
            At::ReadsWaiting(then) if self.waiting() > 0 => thread.at = At::Rings(then),
            At::Rings(then) => {
                next.ring();
                // Its own ear too.
                thread.rung |= thread.listens;
                thread.at = after(then);
            }
            At::ReadsWaiting(then) => thread.at = after(then),
            At::Sleeps | At::Left => return None,
        }
        next.threads[index] = thread;
        next.threads.sort_unstable();
        Some(next)
    }
}

fn after(then: Then) -> At {
    match then {
        Then::Inside(word) => At::Inside(word),
        Then::Full => At::Full,
        Then::Left => At::Left,
    }
}

/// Every order of the steps of these threads with `each` places, on a set with these words: whether nobody ever sleeps with
/// a place there for it. Somebody who is inside may stay there for as long as it likes.
fn nobody_sleeps_on(each: u64, words: [u64; WAYS], threads: Vec<Thread>, mistake: Mistake) -> bool {
    let first = State { words, shared: 0, threads };
    let (mut seen, mut left) = (HashSet::new(), vec![first]);
    while let Some(mut state) = left.pop() {
        if !seen.insert(state.clone()) {
            continue;
        }
        assert!(seen.len() < 3_000_000, "too many orders");
        let mut all_stay = true;
        for index in 0..state.threads.len() {
            if let Some(next) = state.step(index, each, mistake) {
                all_stay &= matches!(state.threads[index].at, At::Inside(_));
                left.push(next);
            }
        }
        if all_stay {
            for thread in state.threads.clone() {
                let plan = state.on_set(|set| set.look(key(thread.tag))).plan(key(thread.tag), each);
                if thread.at == At::Sleeps && plan != Plan::Full {
                    return false;
                }
            }
        }
        if state.threads.iter().all(|thread| thread.at == At::Left) {
            assert_eq!(state.shared, 0, "a place is lost: {state:?}");
        }
    }
    true
}

/// So many threads of one client, in an empty set.
fn of_one_client(each: u64, count: usize, mistake: Mistake) -> bool {
    nobody_sleeps_on(each, [0; WAYS], vec![thread(5, At::Looks); count], mistake)
}

/// All entries are taken and one becomes free, while two requests of one client come, and one of another.
fn of_those_who_share(mistake: Mistake) -> bool {
    let words = std::array::from_fn(|way| key(10 + way as u64) | 1);
    let leaves = thread(16, At::Inside(Word::Way(6)));
    let threads = vec![thread(5, At::Looks), thread(5, At::Looks), thread(6, At::Looks), leaves];
    nobody_sleeps_on(1, words, threads, mistake)
}

#[test]
fn in_no_order_somebody_sleeps_while_there_is_a_place_for_it() {
    for (each, count) in [(1, 2), (1, 3), (2, 3), (2, 4)] {
        assert!(of_one_client(each, count, Mistake::None), "{count} for {each}");
    }
    assert!(of_those_who_share(Mistake::None));
}

#[test]
fn every_step_of_that_order_is_needed() {
    assert!(!of_one_client(1, 2, Mistake::ListensLate));
    assert!(!of_one_client(1, 2, Mistake::CountsLate));
    // Of one client, whoever takes its count back last finds a place itself. Where clients share, it may be another one's.
    assert!(of_one_client(1, 3, Mistake::TakesBackInSilence));
    assert!(!of_those_who_share(Mistake::TakesBackInSilence));
}
