//! A secret in memory: it does not print, and its bytes are overwritten when it is dropped.

use std::fmt;

use zeroize::Zeroize;

/// Bytes that nobody may see. There is no `Display` and no `Clone`, so that none appears by accident.
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over; copies that were made on the way here are their owners' business.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one place that works with them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new(b"swordfish".to_vec());
        assert_eq!(format!("{secret:?} {:#?}", [&secret]), "Secret [\n    Secret,\n]");
        assert_eq!(secret.expose(), b"swordfish");
    }
}
