//! Marks by which a proof is known again, without keeping it.
//!
//! What was proved a moment ago need not be worked out again. What it is remembered by must not be the proof itself, nor
//! anything from which one could be found: so it is a keyed hash, with a key that was made at random and is gone with the
//! process.

use std::fmt;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;

/// A mark. Nobody without the key can make two proofs that have the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark([u8; 32]);

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

/// Makes marks.
pub struct Marker(Key);

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marker")
    }
}

impl Marker {
    /// A marker with a key of its own; no two make the same marks.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new() -> Result<Self, Unspecified> {
        Key::generate(HMAC_SHA256, &SystemRandom::new()).map(Self)
    }

    /// The mark of these parts in this order; where one ends and the next begins counts too.
    pub fn mark(&self, parts: &[&[u8]]) -> Mark {
        let mut context = Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut mark = [0; 32];
        // HMAC-SHA256 has 32 bytes.
        mark.copy_from_slice(context.sign().as_ref());
        Mark(mark)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn marks_are_of_their_parts_and_of_their_maker() {
        let marker = Marker::new().unwrap();
        let mark = |parts: &[&[u8]]| marker.mark(parts);
        assert_eq!(mark(&[b"a", b"b"]), mark(&[b"a", b"b"]));
        for other in [[b"ab".as_slice(), b""], [b"", b"ab"], [b"b", b"a"], [b"a", b"c"]] {
            assert_ne!(mark(&[b"a", b"b"]), mark(&other));
        }
        assert_ne!(mark(&[b"a", b"b"]), mark(&[b"a", b"b", b""]));
        assert_ne!(mark(&[b"a"]), Marker::new().unwrap().mark(&[b"a"]));
    }
}
