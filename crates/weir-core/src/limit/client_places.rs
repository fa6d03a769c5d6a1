//! How many requests each client has in progress: counts by key, in bounded memory, shared by all workers.
//!
//! A key belongs to one set, and a set is one cache line: seven entries and a count that the rest share, each a word that is
//! changed by compare-and-swap. An entry packs a tag (32 bits of the key's hash) and a count; one that counts nothing is
//! free. A key that finds no free entry is counted among those who share.
//!
//! A request counts itself first, then adds up every word in which its key may be counted, and has a place only if that is
//! within the limit; else it takes its count back. Of all requests of a key that have places, the one that counted itself
//! last has seen all others, so there are never more than the limit, in whatever words and order they came. Those who
//! share count for every key of their set, which is the price of bounded memory: some are refused early, when more than
//! seven clients of one set have requests in progress at once. All orders are sequentially consistent; the tests try every
//! order of the steps of some threads.
//!
//! Whoever finds no place may wait for one. There is no list of those who do; what keeps one from sleeping on is an order of
//! steps. Who waits counts itself among the waiting, then listens for a bell, then asks once more, and sleeps only then. Who
//! leaves a place, or took a count back, reads that count afterwards and rings if it is not zero. The tests try every order
//! of this too.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::blocks::Blocks;

/// Entries of a set: with the shared count, eight words are a cache line.
const WAYS: usize = 7;

const COUNT_BITS: u32 = 32;

/// Places by key.
#[derive(Debug)]
pub struct ClientPlaces {
    sets: Blocks<Set>,
    each: u32,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Set {
    shared: AtomicU64,
    ways: [AtomicU64; WAYS],
}

/// A place that was taken; it must be given to [`ClientPlaces::leave`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a place that nobody leaves is lost"]
pub struct Place {
    set: u32,
    word: Word,
}

/// A word of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Word {
    Shared,
    Way(u8),
}

/// What a key finds in its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct View {
    /// The first entry of the key that counts something.
    own: Option<(u8, u64)>,
    /// The first entry that counts nothing.
    free: Option<(u8, u64)>,
    /// How many share.
    shared: u64,
    /// Places that the key may have: those of its entries and the shared ones.
    counted: u64,
}

/// What is to be done for one more place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Plan {
    /// There is none.
    Full,
    /// A word is changed.
    Count { word: Word, old: u64, new: u64 },
}

/// How asking for a place ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// The place, if there was one.
    pub place: Option<Place>,
    /// Whether a count was taken back on the way. Somebody may have been refused because of it, and should ask again.
    pub took_back: bool,
}

fn tag(key: u64) -> u64 {
    key >> COUNT_BITS << COUNT_BITS
}

fn count(word: u64) -> u64 {
    word & u64::from(u32::MAX)
}

impl View {
    const NOTHING: Self = Self { own: None, free: None, shared: 0, counted: 0 };

    fn plan(&self, key: u64, each: u64) -> Plan {
        match (self.own, self.free) {
            _ if self.counted >= each => Plan::Full,
            (Some((way, old)), _) => Plan::Count { word: Word::Way(way), old, new: old + 1 },
            (None, Some((way, old))) => Plan::Count { word: Word::Way(way), old, new: tag(key) | 1 },
            (None, None) => Plan::Count { word: Word::Shared, old: self.shared, new: self.shared + 1 },
        }
    }
}

impl Set {
    fn look(&self, key: u64) -> View {
        let mut view = View::NOTHING;
        (0..WAYS).for_each(|way| self.look_at(way, &mut view, key));
        self.look_at_shared(&mut view);
        view
    }

    fn look_at(&self, way: usize, view: &mut View, key: u64) {
        let word = self.ways[way].load(SeqCst);
        // There are few ways.
        let place = (way as u8, word);
        if count(word) == 0 {
            view.free = view.free.or(Some(place));
        } else if tag(word) == tag(key) {
            view.own = view.own.or(Some(place));
            view.counted += count(word);
        }
    }

    fn look_at_shared(&self, view: &mut View) {
        view.shared = self.shared.load(SeqCst);
        view.counted += view.shared;
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        match word {
            Word::Shared => &self.shared,
            Word::Way(way) => &self.ways[usize::from(way)],
        }
    }

    fn replace(&self, word: Word, old: u64, new: u64) -> bool {
        self.word(word).compare_exchange(old, new, SeqCst, SeqCst).is_ok()
    }

    fn leave(&self, word: Word) {
        let before = self.word(word).fetch_sub(1, SeqCst);
        debug_assert!(count(before) > 0, "a place is left once");
    }
}

impl ClientPlaces {
    /// A table with room for at least so many keys that have places at the same time; each gets so many, at least 1.
    pub fn new(each: u32, entries: usize) -> Self {
        let sets = Blocks::new(entries.div_ceil(WAYS).max(1));
        Self { sets, each: each.max(1) }
    }

    /// Takes a place for the key with this hash, if it has one left.
    pub fn enter(&self, key: u64) -> Entered {
        let place = self.set_of(key);
        let (set, each) = (self.sets.at(place), u64::from(self.each));
        let mut took_back = false;
        loop {
            let Plan::Count { word, old, new } = set.look(key).plan(key, each) else {
                return Entered { place: None, took_back };
            };
            if !set.replace(word, old, new) {
                continue;
            }
            if set.look(key).counted <= each {
                let set = u32::try_from(place).unwrap_or(u32::MAX);
                return Entered { place: Some(Place { set, word }), took_back };
            }
            set.leave(word);
            took_back = true;
        }
    }

    /// Gives a place back.
    pub fn leave(&self, place: Place) {
        if let Some(set) = self.sets.touched(place.set as usize) {
            set.leave(place.word);
        }
    }

    /// Bytes that it takes at most, however many keys come; they are taken by the page, when the first key of a page comes.
    pub fn bytes(&self) -> usize {
        self.sets.len() * size_of::<Set>()
    }

    /// The number of a key's set. A place that is left may be one for any key of the same set.
    pub fn set_of(&self, key: u64) -> usize {
        // By the half of the hash that is not the tag.
        // A product of a number below 1 and the number of sets is below the number of sets.
        let scaled = (key & u64::from(u32::MAX)) * self.sets.len() as u64;
        usize::try_from(scaled >> COUNT_BITS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
