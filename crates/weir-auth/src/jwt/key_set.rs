//! The keys of an issuer: one from a file, or those of a JWKS document (RFC 7517 §5).

use std::fmt;

use serde_json::Value;

use super::key::{Algorithm, Key};

/// Keys of one document that are kept. Issuers have two or three; more than this is no key set.
pub const KEYS_MAX: usize = 64;

/// Keys that one token may be tried with: a few are needed where several have one name, many would let a token cost much.
const CANDIDATES_MAX: usize = 4;

/// The keys of an issuer.
#[derive(Debug, Hash)]
pub struct KeySet {
    keys: Vec<NamedKey>,
    /// Whether names mean something: the one key of a file is used whatever a token calls it.
    named: bool,
}

#[derive(Debug, Hash)]
struct NamedKey {
    id: Option<Box<str>>,
    key: Key,
}

/// What there is for a token.
#[derive(Debug)]
pub(super) enum Lookup<'k> {
    /// These may have signed it; at least one.
    Candidates(Vec<&'k Key>),
    /// The key that it names is for something else, or no key is for its algorithm.
    OtherAlgorithm,
    /// No key has the name.
    Unknown,
}

/// Why bytes are no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySetError {
    /// No JSON object with a list `keys`.
    Form,
    /// More keys than [`KEYS_MAX`].
    TooMany,
    /// No key that could be used: none of a kind that is known, or none for signatures.
    NoKey,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("this is no JSON object with a list `keys`"),
            Self::TooMany => write!(f, "there are more than {KEYS_MAX} keys"),
            Self::NoKey => f.write_str("there is no key for RS256, ES256 or EdDSA"),
        }
    }
}

impl std::error::Error for KeySetError {}

impl KeySet {
    /// A key for every token, whatever `kid` it has.
    pub fn of_one(key: Key) -> Self {
        Self { keys: vec![NamedKey { id: None, key }], named: false }
    }

    /// Reads a JWKS document. Keys that are of other kinds, for other purposes or broken are passed over (RFC 7517 §5).
    ///
    /// # Errors
    /// It is none, or no key is left.
    pub fn of_jwks(document: &[u8]) -> Result<Self, KeySetError> {
        let document: Value = serde_json::from_slice(document).map_err(|_| KeySetError::Form)?;
        let listed = document.get("keys").and_then(Value::as_array).ok_or(KeySetError::Form)?;
        if listed.len() > KEYS_MAX {
            return Err(KeySetError::TooMany);
        }
        let keys: Vec<NamedKey> = listed.iter().filter_map(named_key).collect();
        if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(Self { keys, named: true }) }
    }

    /// The same without keys for other algorithms than these.
    pub fn only(mut self, algorithms: &[Algorithm]) -> Self {
        self.keys.retain(|named| algorithms.contains(&named.key.algorithm()));
        self
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have signed a token which says this of itself.
    ///
    /// RFC 7517 §4.5 lets keys of different kinds share a name, and some issuers give none; so the name narrows the choice
    /// down, and the signature decides.
    pub(super) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Lookup<'_> {
        let by_name = |named: &&NamedKey| match id {
            Some(id) if self.named => named.id.as_deref() == Some(id),
            Some(_) | None => true,
        };
        let fits = |named: &&NamedKey| named.key.algorithm() == algorithm;
        let of_name = self.keys.iter().filter(by_name);
        let candidates: Vec<&Key> =
            of_name.clone().filter(fits).take(CANDIDATES_MAX).map(|named| &named.key).collect();
        if !candidates.is_empty() {
            Lookup::Candidates(candidates)
        } else if of_name.count() > 0 || !self.named {
            Lookup::OtherAlgorithm
        } else {
            Lookup::Unknown
        }
    }
}

fn named_key(jwk: &Value) -> Option<NamedKey> {
    let jwk = jwk.as_object()?;
    let id = match jwk.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.as_str().into()),
        Some(_) => return None,
    };
    Key::of_jwk(jwk).map(|key| NamedKey { id, key })
}
