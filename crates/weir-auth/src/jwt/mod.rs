//! JSON Web Tokens (RFC 7519) with signatures (RFC 7515): whether one is good at this moment, and what it says.
//!
//! The signature is checked with aws-lc directly: a key is read once and not with each token, and which algorithm is used
//! is a property of the key, so that no token can choose another (RFC 8725 §3.1). A library for tokens would be asked the
//! same questions in more words; the tests hold this against one.
//!
//! What is deliberately not here: encrypted tokens, nested ones, `x5c`, `jku` and every other way in which a token brings
//! its own key, and compression.

pub mod claims;
pub mod key;
pub mod key_set;
pub mod token;

#[cfg(test)]
mod tests;

use std::time::Duration;

use self::claims::{Expected, Verified};
use self::key_set::{KeySet, Lookup};
use self::token::Token;
use crate::refusal::Refusal;

/// Checks a token. `now` is the time since 1970 in UTC.
///
/// Nothing of a token is believed before its signature held: of its header only which key it names.
///
/// # Errors
/// Why it is refused.
pub fn verify(token: &[u8], keys: &KeySet, expected: &Expected, now: Duration) -> Result<Verified, Refusal> {
    let token = Token::read(token)?;
    let candidates = match keys.find(token.algorithm, token.key_id.as_deref()) {
        Lookup::Candidates(candidates) => candidates,
        Lookup::OtherAlgorithm => return Err(Refusal::Algorithm),
        Lookup::Unknown => return Err(Refusal::UnknownKey),
    };
    if !candidates.iter().any(|key| key.verify(token.signed, &token.signature)) {
        return Err(Refusal::Wrong);
    }
    expected.check(&token.claims()?, now)
}
