//! Numbers that a seed determines.

use std::collections::BTreeSet;

/// Numbers from a seed (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// One of a set, if there is one.
pub(super) fn pick<T: Copy + Ord>(random: &mut Random, set: &BTreeSet<T>) -> Option<T> {
    let count = set.len() as u64;
    (count > 0).then(|| set.iter().nth(usize::try_from(random.below(count)).unwrap()).copied()).flatten()
}
