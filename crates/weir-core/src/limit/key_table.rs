//! The times of many keys in bounded memory, shared by all workers.
//!
//! A key belongs to one set, and a set is one cache line: seven entries and a floor, each a word that is changed by
//! compare-and-swap. An entry packs a tag (20 bits of the key's hash) and a time. An entry whose time has passed is free.
//!
//! When all seven are in use, a new key takes over the one that is nearest to being free *and inherits its time*, as in the
//! Space-Saving algorithm (Metwally, Agrawal, El Abbadi, 2005). The time of an entry that is given up is kept in the
//! set's *floor*, and no key of the set counts as less used than the floor. So whoever was driven out and comes back
//! finds at least what it had used, and whatever keys come, none gets more than its rate. The price: in a set that is
//! full, some are refused early.
//!
//! Two workers may enter the same key at the same moment. So whoever has charged an entry looks at the set again, and takes
//! the charge back if there is another entry of the same key, or a floor that has risen; only otherwise the request
//! passes. Hence all requests of a key that passed are in one entry or under the floor. Whoever sees two entries of one
//! key gives them up for a floor that is as high as both together. All orders are sequentially consistent, so that of two
//! who enter one sees the other. The tests try every order of the steps of some threads.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::blocks::Blocks;
use super::pace::{Pace, TAG_BITS, Ticks, tag};

/// Entries of a set: with the floor, eight words are a cache line.
const WAYS: usize = 7;

/// Times by key.
#[derive(Debug)]
pub(super) struct KeyTable {
    sets: Blocks<Set>,
    taken_over: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Set {
    /// The latest entry that was given up; of its tag only counts that it is not 0.
    floor: AtomicU64,
    ways: [AtomicU64; WAYS],
}

/// An entry as it was left by a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    set: usize,
    way: usize,
    tag: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It passes; its key is so far ahead now.
    Passes(u64, Entry),
    /// It is refused; its key is so far ahead.
    Refused(u64),
}

/// What a key finds in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct View {
    /// The first entry of the key.
    own: Option<(usize, u64)>,
    /// Whether there is another one.
    twin: bool,
    /// The entry that is nearest to being free, and its lead.
    least: (usize, u64, u64),
    /// How far the floor lies ahead.
    floor: u64,
}

/// What is to be done for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Plan {
    /// Its key is so far ahead that it can't pass.
    Refuse(u64),
    /// Its key has more than one entry.
    Unite,
    Charge(Step),
}

/// A change of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Step {
    way: usize,
    old: u64,
    new: u64,
    /// How far the key was ahead before, and is after it.
    before: u64,
    ahead: u64,
    /// Whether the entry was not the key's before.
    enters: bool,
    /// Whether it was in use by another key.
    takes_over: bool,
}

/// The tag of a key; 0 is that of an entry which nobody has ever used.
fn tag_of(key: u64) -> u64 {
    tag(key).max(1)
}

impl View {
    /// What is to be done for one more request of the key.
    fn plan(&self, pace: &Pace, key: u64, now: Ticks) -> Plan {
        if self.twin {
            return Plan::Unite;
        }
        let (way, old) = self.own.unwrap_or((self.least.0, self.least.1));
        let before = pace.ahead(old, now).max(self.floor);
        let Some(ahead) = pace.after_one_more(before) else { return Plan::Refuse(before) };
        Plan::Charge(Step {
            way,
            old,
            new: pace.word(tag_of(key), ahead, now),
            before,
            ahead,
            enters: self.own.is_none(),
            takes_over: self.own.is_none() && pace.ahead(old, now) > 0,
        })
    }

    /// Whether this step is all that there is of the key.
    fn confirms(&self, step: &Step) -> bool {
        let alone = !self.twin && self.own.is_some_and(|(way, _)| way == step.way);
        alone && self.floor <= step.before
    }
}

impl Set {
    fn look(&self, pace: &Pace, key: u64, now: Ticks) -> View {
        let mut view = View { own: None, twin: false, least: (0, 0, u64::MAX), floor: 0 };
        self.look_at(0..WAYS, &mut view, pace, key, now);
        self.look_at_floor(&mut view, pace, now);
        view
    }

    fn look_at(&self, ways: Range<usize>, view: &mut View, pace: &Pace, key: u64, now: Ticks) {
        for (way, entry) in self.ways.iter().enumerate().take(ways.end).skip(ways.start) {
            let word = entry.load(SeqCst);
            let lead = pace.lead(word, now);
            if tag(word) == tag_of(key) && lead > 0 {
                view.twin = view.own.is_some();
                view.own = view.own.or(Some((way, word)));
            }
            if lead < view.least.2 {
                view.least = (way, word, lead);
            }
        }
    }

    /// After the entries: the floor rises before an entry is given up, so whoever misses the entry sees the floor.
    fn look_at_floor(&self, view: &mut View, pace: &Pace, now: Ticks) {
        view.floor = pace.ahead(self.floor.load(SeqCst), now);
    }

    fn replace(&self, way: usize, old: u64, new: u64) -> bool {
        self.ways[way].compare_exchange(old, new, SeqCst, SeqCst).is_ok()
    }

    /// Changes the entry, unless somebody has done so before. Says whether it did.
    fn commit(&self, pace: &Pace, step: &Step, now: Ticks) -> bool {
        if step.enters {
            // Also for one that has just become free: somebody's clock may be a little behind ours.
            self.lift_floor(pace, step.old, now);
        }
        self.replace(step.way, step.old, step.new)
    }

    /// Takes back what was charged. If somebody has charged the entry meanwhile, it holds a request too many from now on, on
    /// the safe side.
    fn take_back(&self, step: &Step) {
        self.replace(step.way, step.new, if step.enters { 0 } else { step.old });
    }

    /// Lifts the floor to the time of this entry.
    fn lift_floor(&self, pace: &Pace, given_up: u64, now: Ticks) {
        let mut floor = self.floor.load(SeqCst);
        while pace.lead(floor, now) < pace.lead(given_up, now) {
            match self.floor.compare_exchange_weak(floor, given_up, SeqCst, SeqCst) {
                Ok(_) => return,
                Err(risen) => floor = risen,
            }
        }
    }

    /// Gives up all entries of a key for a floor as high as all together. Other keys of the set may feel it; but whoever has
    /// charged one of the entries and not yet confirmed it is sure to notice. How high that is does not depend on `now` alone:
    /// whoever was stopped on its way has one that is long over for the others.
    fn unite(&self, pace: &Pace, key: u64, now: Ticks) {
        let words = self.ways.each_ref().map(|way| way.load(SeqCst));
        let own = words.iter().enumerate().filter(|(_, word)| tag(**word) == tag_of(key));
        let together = pace.together(own.clone().map(|(_, word)| pace.ahead(*word, now)));
        self.lift_floor(pace, pace.word(tag_of(key), together, now), now);
        for (way, word) in own {
            self.replace(way, *word, 0);
        }
    }
}

impl KeyTable {
    /// A table with room for at least so many keys.
    pub(super) fn new(entries: usize) -> Self {
        Self { sets: Blocks::new(Self::sets(entries)), taken_over: AtomicU64::new(0) }
    }

    fn sets(entries: usize) -> usize {
        entries.div_ceil(WAYS).max(1)
    }

    /// Bytes that a table for so many keys takes at most, however many come.
    pub(super) fn bytes_max(entries: usize) -> usize {
        Self::sets(entries).saturating_mul(size_of::<Set>())
    }

    /// Bytes that it takes now: parts of it are made when the first of their keys comes.
    pub(super) fn bytes(&self) -> usize {
        self.sets.touched_bytes()
    }

    /// How often a key took over the entry of another one that was in use.
    pub(super) fn taken_over(&self) -> u64 {
        self.taken_over.load(SeqCst)
    }

    /// How far ahead the key is, without changing anything.
    pub(super) fn ahead(&self, pace: &Pace, key: u64, now: Ticks) -> u64 {
        let Some(set) = self.sets.touched(self.place(key)) else { return 0 };
        let view = set.look(pace, key, now);
        let entry = view.own.map_or(view.least.1, |(_, word)| word);
        pace.ahead(entry, now).max(view.floor)
    }

    /// Charges one request to the key whose hash this is, if it may pass.
    pub(super) fn charge(&self, pace: &Pace, key: u64, now: Ticks) -> Outcome {
        let place = self.place(key);
        let set = self.sets.at(place);
        loop {
            match set.look(pace, key, now).plan(pace, key, now) {
                Plan::Refuse(ahead) => return Outcome::Refused(ahead),
                Plan::Unite => set.unite(pace, key, now),
                Plan::Charge(step) => {
                    if !set.commit(pace, &step, now) {
                        continue;
                    }
                    if set.look(pace, key, now).confirms(&step) {
                        if step.takes_over {
                            self.taken_over.fetch_add(1, SeqCst);
                        }
                        let entry = Entry { set: place, way: step.way, tag: tag(step.new) };
                        return Outcome::Passes(step.ahead, entry);
                    }
                    set.take_back(&step);
                }
            }
        }
    }

    /// Gives back to the key of an entry what is left of a request that it was charged at that moment. Whoever has taken the
    /// entry over has inherited the charge; then it stays. The clock is read after the entry.
    pub(super) fn refund(&self, pace: &Pace, entry: Entry, charged: Ticks, now: impl Fn() -> Ticks) {
        let way = &self.sets.at(entry.set).ways[entry.way];
        let mut current = way.load(SeqCst);
        while tag(current) == entry.tag {
            let Some(less) = pace.refunded(current, charged, now()) else { return };
            match way.compare_exchange_weak(current, less, SeqCst, SeqCst) {
                Ok(_) => return,
                Err(changed) => current = changed,
            }
        }
    }

    /// The set of a key: by the upper half of the hash, so that tags, which are cut from it, differ within a set.
    fn place(&self, key: u64) -> usize {
        // A product of two numbers below 2³² and the number of sets is below the number of sets when shifted.
        let scaled = u128::from(key.rotate_left(TAG_BITS)) * self.sets.len() as u128;
        usize::try_from(scaled >> u64::BITS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
