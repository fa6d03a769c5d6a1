//! What a client carries that stays with its server: which one, and until when.
//!
//! Not an algorithm: whoever has no server yet, or one that can't be used, gets one by another algorithm, and keeps it
//! ([`Turn::pinned`](super::Turn)). The cookie does not name the server, because the addresses of servers are nobody's
//! business; it has a number that stands for it. It is signed, so that nobody chooses a server. Signing needs a secret and is
//! done elsewhere; here is what is signed and how it is written: 64 hexadecimal digits.

/// Bytes of a signature.
pub const MARK_BYTES: usize = 16;

/// Bytes that are signed.
const PIN_BYTES: usize = 16;

/// Digits of a cookie's value.
pub const PIN_DIGITS: usize = 2 * (PIN_BYTES + MARK_BYTES);

/// A client's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// What stands for the server.
    pub server: u64,
    /// When it ends, in seconds since 1970; 0 when only the client decides that.
    pub until_seconds: u64,
}

impl Pin {
    /// What is signed of it.
    pub fn to_bytes(self) -> [u8; PIN_BYTES] {
        let mut bytes = [0; PIN_BYTES];
        bytes[..8].copy_from_slice(&self.server.to_be_bytes());
        bytes[8..].copy_from_slice(&self.until_seconds.to_be_bytes());
        bytes
    }

    /// The value of a cookie with this signature.
    pub fn written(self, mark: &[u8; MARK_BYTES]) -> [u8; PIN_DIGITS] {
        let mut text = [0; PIN_DIGITS];
        let bytes = self.to_bytes();
        for (digits, byte) in text.chunks_exact_mut(2).zip(bytes.iter().chain(mark)) {
            digits[0] = HEX[usize::from(byte >> 4)];
            digits[1] = HEX[usize::from(byte & 15)];
        }
        text
    }

    /// What a value says, and its signature, which nobody has looked at yet; `None` when it is none of ours.
    pub fn read(value: &[u8]) -> Option<(Self, [u8; MARK_BYTES])> {
        let digits: &[u8; PIN_DIGITS] = value.try_into().ok()?;
        let mut bytes = [0; PIN_BYTES + MARK_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        let (server, rest) = bytes.split_first_chunk::<8>()?;
        let (until, mark) = rest.split_first_chunk::<8>()?;
        let pin = Self { server: u64::from_be_bytes(*server), until_seconds: u64::from_be_bytes(*until) };
        Some((pin, mark.try_into().ok()?))
    }

    /// Whether it has not ended at this time, in seconds since 1970.
    pub fn holds_at(self, seconds: u64) -> bool {
        self.until_seconds == 0 || seconds < self.until_seconds
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Lower case only: what we have written has one spelling.
fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let pin = Pin { server: 0x0123_4567_89ab_cdef, until_seconds: 1_800_000_000 };
        let mark = [0xa5; MARK_BYTES];
        let text = pin.written(&mark);
        assert_eq!(&text[..32], b"0123456789abcdef000000006b49d200");
        assert_eq!(Pin::read(&text), Some((pin, mark)));
        assert_eq!(Pin::read(&text.to_ascii_uppercase()), None);
        assert_eq!(Pin::read(&text[1..]), None);
        assert_eq!(Pin::read(&[&text[..], b"0"].concat()), None);
        assert_eq!(Pin::read(b""), None);
        for at in 0..text.len() {
            let mut broken = text;
            broken[at] = b'g';
            assert_eq!(Pin::read(&broken), None, "{at}");
        }
    }

    #[test]
    fn a_pin_ends_with_its_second() {
        let until = |until_seconds| Pin { server: 1, until_seconds };
        assert!(until(0).holds_at(u64::MAX));
        assert!(until(100).holds_at(99));
        assert!(!until(100).holds_at(100));
    }
}
