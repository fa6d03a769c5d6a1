//! A set of servers, by their index.

use smallvec::SmallVec;

const BITS: usize = u64::BITS as usize;

/// Marked servers. Up to 128 servers cost no allocation; beyond that only the first mark does, and marks are made only when
/// something has failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    words: SmallVec<[u64; 2]>,
}

impl Marks {
    /// Marks a server.
    pub(super) fn add(&mut self, server: usize) {
        let (word, bit) = (server / BITS, server % BITS);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << bit;
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
        marks.clear();
        assert!(marks.count() == 0 && !marks.has(0));
    }

    #[test]
    fn the_usual_number_of_servers_allocates_nothing() {
        let mut marks = Marks::default();
        (0..128).for_each(|server| marks.add(server));
        assert!(!marks.words.spilled());
    }
}
