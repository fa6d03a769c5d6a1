//! What an Authorization field of the scheme Basic says (RFC 7617).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::refusal::Refusal;
use crate::scheme;
use crate::secret::Secret;

/// Bytes of user and password that are looked at; more is refused before it is decoded. Decoded it is three quarters.
const CREDENTIALS_BYTES_MAX: usize = 1024;

/// User and password, as the client says them.
#[derive(Debug)]
pub struct Credentials {
    text: Secret,
    /// Where the colon stands.
    colon: usize,
}

impl Credentials {
    /// Reads the value of an Authorization field; `None` when it is of another scheme.
    ///
    /// # Errors
    /// Of the scheme Basic, and malformed: no base64, no colon, not UTF-8 (the challenge asks for it), control characters
    /// (RFC 7617 §2), or too long.
    pub fn read(value: &[u8]) -> Option<Result<Self, Refusal>> {
        scheme::after(value, "Basic").map(|encoded| Self::decode(encoded).ok_or(Refusal::Malformed))
    }

    fn decode(encoded: &[u8]) -> Option<Self> {
        if encoded.len() > CREDENTIALS_BYTES_MAX {
            return None;
        }
        let text = Secret::new(STANDARD.decode(encoded).ok()?);
        let colon = text.expose().iter().position(|byte| *byte == b':')?;
        let good = std::str::from_utf8(text.expose()).is_ok_and(|text| !text.contains(char::is_control));
        good.then_some(Self { text, colon })
    }

    /// The user.
    pub fn user(&self) -> &str {
        // It was UTF-8 as a whole, and a colon ends no character in its middle.
        std::str::from_utf8(&self.text.expose()[..self.colon]).unwrap_or_default()
    }

    /// The password.
    pub fn password(&self) -> &[u8] {
        &self.text.expose()[self.colon + 1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok` with user and password, `Err(None)` for another scheme.
    fn check(value: &[u8], expected: Result<(&str, &str), Option<Refusal>>) {
        let read = match Credentials::read(value) {
            None => Err(None),
            Some(Err(refusal)) => Err(Some(refusal)),
            Some(Ok(credentials)) => Ok(credentials),
        };
        let read = read.as_ref().map(|one| (one.user(), std::str::from_utf8(one.password()).unwrap_or("?")));
        assert_eq!(read, expected.as_ref().map(|one| *one), "{}", value.escape_ascii());
    }

    fn encoded(text: &[u8]) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    #[test]
    fn user_and_password() {
        // RFC 7617 §2
        check(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Ok(("Aladdin", "open sesame")));
        // RFC 7617 §2.1
        check(b"Basic dGVzdDoxMjPCow==", Ok(("test", "123£")));
        check(b"bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Ok(("Aladdin", "open sesame")));
        check(&encoded(b"a:b:c"), Ok(("a", "b:c")));
        check(&encoded(b":"), Ok(("", "")));
    }

    #[test]
    fn other_schemes_are_not_ours() {
        for value in [b"".as_slice(), b"Bearer abc", b"Basics QTpi", b"Basi", b"\tBasic QTpi", b"QTpi"] {
            check(value, Err(None));
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let malformed = Err(Some(Refusal::Malformed));
        check(b"Basic", malformed);
        check(b"Basic ", malformed);
        check(b"Basic !!!!", malformed);
        check(b"Basic QTpi QTpi", malformed);
        check(b"Basic QTpi,", malformed);
        // Padding that is missing, too much, or carries bits: one credential has one spelling.
        check(b"Basic YTpiYw", malformed);
        check(b"Basic YTpiYw===", malformed);
        check(b"Basic YTpiYx==", malformed);
        check(&encoded(b"alice"), malformed);
        check(&encoded(b"a:\xff"), malformed);
        check(&encoded(b"a:b\n"), malformed);
        check(&encoded(b"a\0:b"), malformed);
        check(&encoded("a:\u{85}".as_bytes()), malformed);
        check(&encoded(format!("a:{}", "b".repeat(2000)).as_bytes()), malformed);
    }
}
