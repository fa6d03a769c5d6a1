//! Keys of requests as numbers.
//!
//! The hash is fixed for good: two Weirs, and one before and after a restart, must send a key to the same server, so it can't
//! be one that the standard library may change or that draws a seed. It does not resist somebody who chooses keys that
//! collide. What that gets an attacker is a server with a full share of requests in flight and the next one on the ring,
//! which is what the bound of `hash` is for.

/// Odd numbers with as many ones as zeros, well mixed (from the fractions of e and of the golden ratio).
const FOLD: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0xb7e1_5162_8aed_2a6b;

/// The hash of a key that is made of these parts; where one ends and the next begins counts too.
pub fn key<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> u64 {
    let mut state = SEED;
    for part in parts {
        state = fold(state ^ part.len() as u64, FOLD);
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            state = fold(state ^ u64::from_le_bytes(*word), FOLD);
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            state = fold(state ^ u64::from_le_bytes(word), FOLD);
        }
    }
    mixed(state)
}

/// Every bit of the result depends on every bit of `number` (the end of SplitMix64).
pub(super) fn mixed(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Both halves of a product, and one of its factors, so that a zero does not swallow what came before.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64) ^ a.rotate_left(23)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&str]) -> u64 {
        key(parts.iter().map(|part| part.as_bytes()))
    }

    /// Worked out elsewhere. Servers would change places under their clients if one of these did.
    #[test]
    fn keys_are_the_same_in_every_version() {
        assert_eq!(of(&[]), 0x3985_d54a_a046_b5b2);
        assert_eq!(of(&["a"]), 0xed1d_b96d_eb83_51b3);
        assert_eq!(of(&["/orders/4711?x"]), 0x9a81_a9ea_23c9_6fe6);
    }

    #[test]
    fn keys_are_told_apart_by_their_parts() {
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["ab"], &[], &["ab", "c\0"]] {
            assert_ne!(of(&["ab", "c"]), of(other), "{other:?}");
        }
        assert_ne!(key([&[0u8; 8][..]]), key([&[0u8; 16][..]]));
    }

    /// Neighbouring keys, as they are in practice: every bit of the hash is set for about half of them.
    #[test]
    fn every_bit_of_a_hash_is_worth_the_same() {
        let mut ones = [0u32; 64];
        for number in 0..4096 {
            let hash = of(&[&format!("user-{number}")]);
            for (bit, count) in ones.iter_mut().enumerate() {
                *count += u32::from(hash >> bit & 1 == 1);
            }
        }
        assert!(ones.iter().all(|count| (1850..2250).contains(count)), "{ones:?}");
    }
}
