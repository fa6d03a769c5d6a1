//! API keys: which of them a client has.
//!
//! Only their SHA-256 is kept, so that neither a memory dump nor a log holds a key. No salt and no slow hash, which
//! passwords need: a key is long and random, or `check` has warned.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use std::fmt;

/// Bytes of the longest key. What is longer is refused without being hashed.
pub const KEY_BYTES_MAX: usize = 1024;

/// Bytes from which on a key counts as too long to be guessed, if it is random: 16 letters and digits have 95 bits.
pub const KEY_BYTES_ENOUGH: usize = 16;

/// The SHA-256 of a key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; SHA256_OUTPUT_LEN]);

impl fmt::Debug for KeyDigest {
    /// Nothing of it: the digest of a short key can be turned back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest")
    }
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// There is nothing.
    Empty,
    /// Longer than [`KEY_BYTES_MAX`].
    TooLong,
    /// It holds what no client can send in a field: spaces, control characters, letters outside ASCII.
    Unsendable,
    /// Not the 64 hexadecimal digits of a SHA-256.
    NoDigest,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the key is empty"),
            Self::TooLong => write!(f, "the key has more than {KEY_BYTES_MAX} bytes"),
            Self::Unsendable => {
                f.write_str("the key has spaces, control characters or letters outside ASCII in it")
            }
            Self::NoDigest => f.write_str("a SHA-256 has 64 hexadecimal digits"),
        }
    }
}

impl std::error::Error for KeyError {}

impl KeyDigest {
    /// The digest of a key.
    ///
    /// # Errors
    /// No client could send it.
    pub fn of(key: &[u8]) -> Result<Self, KeyError> {
        match key {
            [] => Err(KeyError::Empty),
            _ if key.len() > KEY_BYTES_MAX => Err(KeyError::TooLong),
            _ if !key.iter().all(u8::is_ascii_graphic) => Err(KeyError::Unsendable),
            _ => Ok(Self::hash(key)),
        }
    }

    /// The digest that somebody made beforehand, in hexadecimal.
    ///
    /// # Errors
    /// It is none.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        if text.len() != 2 * bytes.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(KeyError::NoDigest);
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * place..2 * place + 2).ok_or(KeyError::NoDigest)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| KeyError::NoDigest)?;
        }
        Ok(Self(bytes))
    }

    fn hash(key: &[u8]) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, key).as_ref());
        Self(bytes)
    }
}

/// The keys of some clients.
#[derive(Debug, Default, Hash)]
pub struct ApiKeys {
    names: Vec<Box<str>>,
    /// Each with the index of its name. A name may have several keys, so that one can take over from the other.
    keys: Vec<(KeyDigest, usize)>,
}

impl ApiKeys {
    /// Adds a key. A name that is there already gets one more.
    ///
    /// # Errors
    /// The name that has this key already.
    pub fn add(&mut self, name: &str, key: KeyDigest) -> Result<(), &str> {
        if let Some((_, owner)) = self.keys.iter().find(|(other, _)| *other == key) {
            return Err(&self.names[*owner]);
        }
        let known = self.names.iter().position(|other| **other == *name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        });
        self.keys.push((key, index));
        Ok(())
    }

    /// The names, each once.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// The name with this index.
    pub fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// The index of the name that has this key. How long it takes does not depend on which key it is, nor on how much of
    /// one was guessed: all are looked at, in constant time each.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return None;
        }
        let asked = KeyDigest::hash(key);
        let mut found = None;
        for (known, name) in &self.keys {
            if verify_slices_are_equal(&known.0, &asked.0).is_ok() {
                found = Some(*name);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn keys() -> ApiKeys {
        let mut keys = ApiKeys::default();
        keys.add("shop", KeyDigest::of(b"shop-key-1").unwrap()).unwrap();
        keys.add("office", KeyDigest::of(b"office-key").unwrap()).unwrap();
        keys.add("shop", KeyDigest::of(b"shop-key-2").unwrap()).unwrap();
        keys
    }

    fn check(key: &[u8], expected: Option<&str>) {
        let keys = keys();
        assert_eq!(keys.find(key).map(|index| keys.name(index)), expected, "{}", key.escape_ascii());
    }

    #[test]
    fn a_key_belongs_to_its_name_and_nothing_near_it_does() {
        check(b"shop-key-1", Some("shop"));
        check(b"shop-key-2", Some("shop"));
        check(b"office-key", Some("office"));
        for wrong in
            [b"".as_slice(), b"shop-key-", b"shop-key-3", b"shop-key-1 ", b"Shop-key-1", b"shop", b"\0"]
        {
            check(wrong, None);
        }
        check(&vec![b'a'; 1 << 20], None);
    }

    #[test]
    fn the_digest_of_a_key_is_no_key() {
        // Whoever has seen the configuration's digest can't use it as the key.
        let hex = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";
        let mut keys = ApiKeys::default();
        keys.add("a", KeyDigest::from_hex(hex).unwrap()).unwrap();
        assert_eq!(keys.find(hex.as_bytes()), None);
        assert_eq!(keys.find(b"key"), Some(0), "the SHA-256 of `key` as sha256sum prints it");
    }

    #[test]
    fn two_names_have_no_key_in_common() {
        let mut keys = keys();
        assert_eq!(keys.add("new", KeyDigest::of(b"office-key").unwrap()), Err("office"));
        assert_eq!(keys.add("office", KeyDigest::of(b"office-key").unwrap()), Err("office"));
        assert_eq!(keys.names().collect::<Vec<_>>(), ["shop", "office"]);
    }

    #[test]
    fn what_no_client_can_send_is_no_key() {
        let of = |key: &[u8]| KeyDigest::of(key).unwrap_err();
        assert_eq!(of(b""), KeyError::Empty);
        assert_eq!(of(b"a b"), KeyError::Unsendable);
        assert_eq!(of(b"a\n"), KeyError::Unsendable);
        assert_eq!(of("ä".as_bytes()), KeyError::Unsendable);
        assert_eq!(of(&[b'a'; KEY_BYTES_MAX + 1]), KeyError::TooLong);
        assert!(KeyDigest::of(&[b'a'; KEY_BYTES_MAX]).is_ok());
        let digest = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCD";
        assert!(KeyDigest::from_hex(digest).is_ok());
        for wrong in
            ["", "00", &digest[1..], &format!("{digest}0"), &digest.replace("01", "+1"), &"ä".repeat(32)]
        {
            assert_eq!(KeyDigest::from_hex(wrong).unwrap_err(), KeyError::NoDigest, "{wrong}");
        }
    }

    #[test]
    fn nothing_of_a_key_prints() {
        let shown = format!("{:?}", keys());
        assert!(
            shown.contains("shop") && !shown.contains("key-1") && shown.contains("(KeyDigest, 0)"),
            "{shown}"
        );
    }
}
