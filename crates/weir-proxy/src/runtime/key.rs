//! Hashes of what is counted under one key. Each table has its own random state, so that nobody outside can choose keys which
//! meet in one place of it.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The hash of a key that is made of these parts.
pub(super) fn hash<'p>(hashes: &RandomState, parts: impl Iterator<Item = &'p [u8]>) -> u64 {
    let mut hasher = hashes.build_hasher();
    for part in parts {
        // With its length, so that no two lists of parts are the same bytes.
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_by_their_parts_and_not_by_what_they_are_together() {
        let hashes = RandomState::new();
        let key = |parts: &[&str]| hash(&hashes, parts.iter().map(|part| part.as_bytes()));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["ab"], &[]] {
            assert_ne!(key(&["ab", "c"]), key(other), "{other:?}");
        }
        let another = RandomState::new();
        assert_ne!(
            key(&["ab"]),
            hash(&another, [b"ab".as_slice()].into_iter()),
            "each table hashes for itself"
        );
    }
}
