//! A set of servers by their index, or of copies by their number.

use smallvec::SmallVec;

const BITS: usize = u64::BITS as usize;

/// Marked servers or copies. Up to 128 of them cost no allocation; beyond that only the first mark does.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    words: SmallVec<[u64; 2]>,
}

impl Marks {
    /// Marks one.
    pub(super) fn add(&mut self, server: usize) {
        let (word, bit) = (server / BITS, server % BITS);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << bit;
    }

    /// Takes a mark away; says whether it was there.
    pub(super) fn remove(&mut self, server: usize) -> bool {
        let bit = 1 << (server % BITS);
        let Some(word) = self.words.get_mut(server / BITS).filter(|word| **word & bit != 0) else {
            return false;
        };
        *word &= !bit;
        true
    }

    /// All that are marked, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let bits = |(index, word): (usize, &u64)| {
            let word = *word;
            (0..BITS).filter(move |bit| word & (1 << bit) != 0).map(move |bit| index * BITS + bit)
        };
        self.words.iter().enumerate().flat_map(bits)
    }

    /// Whether none is marked.
    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether it is marked.
    pub(super) fn has(&self, server: usize) -> bool {
        self.words.get(server / BITS).is_some_and(|word| word & (1 << (server % BITS)) != 0)
    }

    /// How many are marked.
    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Forgets all marks.
    pub(super) fn clear(&mut self) {
        self.words.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_marked_one_by_one() {
        let mut marks = Marks::default();
        for server in [0, 63, 64, 127, 128, 100_000, 64] {
            marks.add(server);
        }
        assert_eq!(marks.count(), 6);
        for server in [0, 63, 64, 127, 128, 100_000] {
            assert!(marks.has(server), "{server}");
        }
        for server in [1, 62, 65, 126, 129, 99_999, 100_001, usize::MAX] {
            assert!(!marks.has(server), "{server}");
        }
        assert!(marks.iter().eq([0, 63, 64, 127, 128, 100_000]));
        assert!(marks.remove(64) && !marks.remove(64) && !marks.remove(1) && !marks.remove(usize::MAX));
        assert!(marks.count() == 5 && !marks.has(64) && marks.has(63) && !marks.is_empty());
        for server in [0, 63, 127, 128, 100_000] {
            assert!(marks.remove(server));
        }
        assert!(marks.is_empty() && marks.iter().next().is_none());
        marks.add(3);
        marks.clear();
        assert!(marks.is_empty() && marks.count() == 0 && !marks.has(0));
    }

    #[test]
    fn the_usual_number_of_servers_allocates_nothing() {
        let mut marks = Marks::default();
        (0..128).for_each(|server| marks.add(server));
        assert!(!marks.words.spilled());
    }
}
