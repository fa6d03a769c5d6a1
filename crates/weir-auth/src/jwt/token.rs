//! The three parts of a token (RFC 7515 §3.1), before anything of it is believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::key::Algorithm;
use crate::refusal::Refusal;

/// Bytes of the longest token that is looked at. A field of a request may be longer; a token that is has been filled with
/// what belongs elsewhere, and nothing of it is decoded.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// A token whose header was read.
#[derive(Debug)]
pub(super) struct Token<'t> {
    /// How it says that it is signed.
    pub(super) algorithm: Algorithm,
    /// Which key it says that it is signed with.
    pub(super) key_id: Option<String>,
    /// What is signed.
    pub(super) signed: &'t [u8],
    /// The signature.
    pub(super) signature: Vec<u8>,
    claims: &'t [u8],
}

impl<'t> Token<'t> {
    /// Takes a token apart and reads its header.
    pub(super) fn read(token: &'t [u8]) -> Result<Self, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Malformed);
        };
        let signed = &token[..header.len() + 1 + claims.len()];
        let header = object(header)?;
        // §4.1.11: what a token calls critical must be understood, and nothing that can stand there is.
        if header.contains_key("crit") {
            return Err(Refusal::Malformed);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(Refusal::Malformed)?;
        // `none` is one of those that are not known.
        let algorithm = Algorithm::of(algorithm).ok_or(Refusal::Algorithm)?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(key_id)) => Some(key_id.clone()),
            Some(_) => return Err(Refusal::Malformed),
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Malformed)?;
        Ok(Self { algorithm, key_id, signed, signature, claims })
    }

    /// The claims, once the signature held.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Refusal> {
        object(self.claims)
    }
}

/// A JSON object in base64url without padding. Of a member that stands twice the last one counts (RFC 7519 §4).
fn object(encoded: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Malformed)
}
