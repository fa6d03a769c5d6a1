//! Looking for bytes eight at a time, as one number each.
//!
//! Heads consist of short pieces: finding the end of one with a loop over bytes costs several instructions a byte, and a
//! call into a vectorised search costs more than it saves. A word costs about one instruction a byte and is plain
//! arithmetic. Longer pieces are passed over 32 bytes at a time, in a shape that the compiler turns into vector
//! instructions.
//!
//! Each search marks the bytes that it looks for in their highest bit. The subtraction borrows from the bytes behind a
//! mark, never from those before it; so the *first* mark is always right, and only that one is used.

const ONES: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = ONES << 7;

/// Where `byte` stands for the first time.
#[inline]
pub(crate) fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    search(bytes, |word| equal(word, byte))
}

/// Where the first byte stands that has no place in a request target: a space or a control byte.
#[inline]
pub(crate) fn target_end(bytes: &[u8]) -> Option<usize> {
    search(bytes, |word| below_or_delete(word, 0x21))
}

/// Where the first byte stands that has no place in a field value: a control byte other than HTAB (RFC 9110 §5.5).
#[inline(always)]
pub(crate) fn value_end(bytes: &[u8]) -> Option<usize> {
    let at = control(bytes)?;
    if bytes[at] == b'\t' { behind_tab(bytes, at) } else { Some(at) }
}

/// [`value_end`] from the first HTAB on: rare, except at the ends of values, where it is not asked.
#[cold]
fn behind_tab(bytes: &[u8], mut at: usize) -> Option<usize> {
    while bytes[at] == b'\t' {
        at += 1 + control(&bytes[at + 1..])?;
    }
    Some(at)
}

/// Pieces up to this length are searched by words alone.
const SHORT_BYTES: usize = 32;

/// Where the first control byte stands.
#[inline(always)]
fn control(bytes: &[u8]) -> Option<usize> {
    let found = search(&bytes[..bytes.len().min(SHORT_BYTES)], |word| below_or_delete(word, 0x20));
    if found.is_none() && bytes.len() > SHORT_BYTES { control_in_long(bytes) } else { found }
}

#[inline(never)]
fn control_in_long(bytes: &[u8]) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<32>();
    let is_clean =
        |block: &&[u8; 32]| !block.iter().fold(false, |any, byte| any | (*byte < 0x20) | (*byte == 0x7f));
    let passed = blocks.iter().take_while(is_clean).count() * 32;
    search(&bytes[passed..], |word| below_or_delete(word, 0x20)).map(|at| passed + at)
}

/// The place of the first byte that is marked.
#[inline(always)]
fn search(bytes: &[u8], marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let found = marks(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(number * 8 + first(found));
        }
    }
    // The last bytes, with zeros behind them. Those may be marked too, but stand behind the end.
    let word = tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let at = first(marks(word));
    (at < tail.len()).then_some(words.len() * 8 + at)
}

#[inline]
fn first(found: u64) -> usize {
    (found.trailing_zeros() / 8) as usize
}

/// Marks every byte that is zero when `byte` is taken from it.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * u64::from(byte));
    difference.wrapping_sub(ONES) & !difference & HIGH_BITS
}

/// Marks every byte below `bound`, which is at most 0x80, and every DEL. Bytes from 0x80 are never marked.
#[inline]
fn below_or_delete(word: u64, bound: u8) -> u64 {
    let below = word.wrapping_sub(ONES * u64::from(bound));
    let delete = (word ^ (ONES * 0x7f)).wrapping_sub(ONES);
    (below | delete) & !word & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_is_found_or_passed_over_at_every_place() {
        for length in 1..=75 {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let found = |wanted: bool| wanted.then_some(place);
                    let control = byte < 0x20 || byte == 0x7f;
                    assert_eq!(target_end(&bytes), found(control || byte == b' '), "{byte:#x} at {place}");
                    assert_eq!(value_end(&bytes), found(control && byte != b'\t'), "{byte:#x} at {place}");
                    assert_eq!(position(&bytes, b':'), found(byte == b':'), "{byte:#x} at {place}");
                }
            }
        }
        assert_eq!((position(b"", 0), target_end(b""), value_end(b"")), (None, None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Marks behind the first may be wrong; bytes before it must never be.
        #[test]
        fn the_first_one_counts(bytes in proptest::collection::vec(any::<u8>(), 0..80), byte: u8) {
            let control = |byte: &u8| *byte < 0x20 || *byte == 0x7f;
            prop_assert_eq!(position(&bytes, byte), bytes.iter().position(|other| *other == byte));
            prop_assert_eq!(target_end(&bytes), bytes.iter().position(|byte| control(byte) || *byte == b' '));
            prop_assert_eq!(value_end(&bytes), bytes.iter().position(|byte| control(byte) && *byte != b'\t'));
        }
    }
}
