//! Random numbers that a seed repeats. Written here (SplitMix64), so that a seed means the same in every version of every
//! library.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }

    /// From a coarse grid, so that things often happen in the same moment; zero in half of the cases.
    pub(super) fn delay(&mut self, steps: usize) -> Duration {
        match self.percent(50) {
            true => Duration::ZERO,
            false => Duration::from_millis(5 * self.below(steps) as u64),
        }
    }

    /// Cuts bytes into pieces.
    pub(super) fn pieces(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let cuts = self.one_of(&[0, 0, 1, 3, 5]);
        let mut pieces = Vec::new();
        let mut rest = bytes;
        for _ in 0..cuts {
            let (piece, behind) = rest.split_at(self.below(rest.len() + 1));
            pieces.push(piece.to_vec());
            rest = behind;
        }
        pieces.push(rest.to_vec());
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }
}
