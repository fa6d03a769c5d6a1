//! Whether two configurations say the same of something, without keeping what the first one said.
//!
//! A number for each thing, made of all that the configuration says of it by a hash whose key nobody knows: two that differ get the
//! same one in one of 2^64 cases. It is good within this process only, and says nothing about secrets that went into it.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;

/// What something is, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// That of this.
    pub fn of(it: &(impl Hash + ?Sized)) -> Self {
        static KEY: OnceLock<RandomState> = OnceLock::new();
        Self(KEY.get_or_init(RandomState::new).hash_one(it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_the_same_and_another_is_not() {
        assert_eq!(Fingerprint::of("a"), Fingerprint::of("a"));
        assert_ne!(Fingerprint::of("a"), Fingerprint::of("b"));
        assert_ne!(Fingerprint::of(&["ab", "c"]), Fingerprint::of(&["a", "bc"]));
    }
}
