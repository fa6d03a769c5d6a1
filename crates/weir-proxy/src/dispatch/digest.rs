//! Digests of the bodies of answers, so that answers can be compared of which nobody keeps the bytes.
//!
//! What is hashed with comes from outside: with a secret of the process nobody can make two bodies that have one digest.

use std::hash::Hasher;

/// A digest of bytes that is the same however they are cut into pieces.
#[derive(Debug)]
pub(super) struct Digest<H> {
    hasher: H,
    /// Bytes that are no whole word yet.
    odd: [u8; 8],
    odd_bytes: usize,
    bytes: u64,
}

impl<H: Hasher> Digest<H> {
    /// Of no bytes yet.
    pub(super) fn new(hasher: H) -> Self {
        Self { hasher, odd: [0; 8], odd_bytes: 0, bytes: 0 }
    }

    /// Adds the next piece.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while self.odd_bytes > 0 || bytes.len() < 8 {
            let Some((first, rest)) = bytes.split_first() else { return };
            self.odd[self.odd_bytes] = *first;
            self.odd_bytes += 1;
            bytes = rest;
            if self.odd_bytes == 8 {
                self.hasher.write_u64(u64::from_le_bytes(self.odd));
                self.odd_bytes = 0;
            }
        }
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.hasher.write_u64(u64::from_le_bytes(*word));
        }
        self.odd[..rest.len()].copy_from_slice(rest);
        self.odd_bytes = rest.len();
    }

    /// That of all pieces together.
    pub(super) fn finish(mut self) -> u64 {
        self.odd[self.odd_bytes..].fill(0);
        self.hasher.write_u64(u64::from_le_bytes(self.odd));
        self.hasher.write_u64(self.bytes);
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    fn digest(state: &RandomState, pieces: &[&[u8]]) -> u64 {
        let mut digest = Digest::new(state.build_hasher());
        pieces.iter().for_each(|piece| digest.add(piece));
        digest.finish()
    }

    #[test]
    fn a_digest_does_not_depend_on_how_the_bytes_came() {
        let state = RandomState::new();
        let bytes: Vec<u8> = (0..100).collect();
        let whole = digest(&state, &[&bytes]);
        for first in 0..=100 {
            for second in first..=100 {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(digest(&state, &pieces), whole, "{first} {second}");
            }
        }
        assert_ne!(digest(&state, &[&bytes[..99]]), whole);
        assert_ne!(digest(&state, &[b"a\0"]), digest(&state, &[b"a"]));
        assert_ne!(digest(&state, &[b""]), digest(&state, &[b"\0"]));
        assert_ne!(digest(&RandomState::new(), &[&bytes]), whole, "each process has a secret of its own");
    }
}
