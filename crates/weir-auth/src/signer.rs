//! Signing what a client carries for us and gives back: it can be read, and not changed or made up.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};

use crate::secret::Secret;

/// Bytes of a signature: half of HMAC-SHA256. Nobody guesses 128 bits, and cookies stay short (RFC 2104 §5).
pub const SIGNATURE_BYTES: usize = 16;

/// The shortest secret that is one: 128 bits if they were random.
pub const SECRET_BYTES_MIN: usize = 16;

/// Signs with one secret.
pub struct Signer(Key);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Hash for Signer {
    /// By what it signs: nothing of the secret, and the same for the same secret.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sign(&[b"weir: which secret"]).hash(state);
    }
}

/// The secret is shorter than [`SECRET_BYTES_MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretTooShort;

impl Signer {
    /// A signer with this secret.
    ///
    /// # Errors
    /// It is too short to keep anybody from finding it.
    pub fn new(secret: &Secret) -> Result<Self, SecretTooShort> {
        if secret.expose().len() < SECRET_BYTES_MIN {
            return Err(SecretTooShort);
        }
        Ok(Self(Key::new(HMAC_SHA256, secret.expose())))
    }

    /// The signature of these parts in this order; where one ends and the next begins counts too. The first part says what it
    /// is for, so that a signature for one thing is none for another.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; SIGNATURE_BYTES] {
        let mut context = Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut signature = [0; SIGNATURE_BYTES];
        // HMAC-SHA256 has 32 bytes.
        signature.copy_from_slice(&context.sign().as_ref()[..SIGNATURE_BYTES]);
        signature
    }

    /// Whether this is the signature of these parts. Takes equally long for every wrong one.
    pub fn holds(&self, parts: &[&[u8]], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        verify_slices_are_equal(&self.sign(parts), signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn signer(secret: &str) -> Result<Signer, SecretTooShort> {
        Signer::new(&Secret::new(secret.as_bytes().to_vec()))
    }

    #[test]
    fn a_signature_is_of_its_parts_and_of_its_secret() {
        let signer = self::signer("0123456789abcdef").unwrap();
        let signature = signer.sign(&[b"a", b"b"]);
        assert!(signer.holds(&[b"a", b"b"], &signature));
        for other in [[b"ab".as_slice(), b""], [b"", b"ab"], [b"b", b"a"], [b"a", b"c"]] {
            assert!(!signer.holds(&other, &signature));
        }
        assert!(!signer.holds(&[b"a"], &signature));
        for at in 0..SIGNATURE_BYTES {
            let mut changed = signature;
            changed[at] ^= 1;
            assert!(!signer.holds(&[b"a", b"b"], &changed), "{at}");
        }
        assert!(!self::signer("0123456789abcdeF").unwrap().holds(&[b"a", b"b"], &signature));
    }

    #[test]
    fn a_short_secret_is_none_and_no_secret_prints() {
        assert_eq!(signer("0123456789abcde").err(), Some(SecretTooShort));
        assert_eq!(format!("{:?}", signer("0123456789abcdef").unwrap()), "Signer");
    }
}
