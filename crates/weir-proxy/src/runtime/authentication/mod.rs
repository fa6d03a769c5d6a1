//! What the clients of a route prove, as it runs: the proofs, what is counted of them and what is remembered of them.

pub mod api_key;
pub mod basic;
pub mod counts;
pub mod jwt;
mod key_fetch;
pub mod key_source;
pub mod memory;
pub mod passwords;
pub mod remembered;
pub mod verifiers;

use std::sync::Arc;

use weir_auth::rule::Rule;
use weir_auth::scheme;
use weir_config::model;
use weir_core::ports::AuthenticatedStatus;

use self::api_key::ApiKey;
use self::basic::Basic;
use self::jwt::{Jwt, Keys};
use self::verifiers::Verifiers;
use super::fingerprint::Fingerprint;

/// What is asked of the clients of a route.
#[derive(Debug)]
pub struct Authentication {
    /// Which of the proofs; its numbers are indexes of `proofs`.
    pub rule: Rule,
    /// The proofs.
    pub proofs: Vec<Proof>,
    /// What the configuration said of it.
    pub mark: Fingerprint,
}

/// One proof.
#[derive(Debug)]
pub enum Proof {
    /// A key.
    ApiKey(ApiKey),
    /// A user and a password.
    Basic(Basic),
    /// A token.
    Jwt(Jwt),
}

impl Authentication {
    /// Makes it of the model.
    pub fn new(model: &model::Authenticate, verifiers: &Verifiers) -> Self {
        let proof = |proof: &model::Proof| match proof {
            model::Proof::ApiKey(api_key) => Proof::ApiKey(ApiKey::new(api_key)),
            model::Proof::Basic(basic) => Proof::Basic(Basic::new(basic, verifiers.passwords())),
            model::Proof::Jwt(jwt) => Proof::Jwt(Jwt::new(
                jwt,
                match &jwt.keys {
                    model::TokenKeys::Fixed(keys) => Keys::Fixed(Arc::clone(keys)),
                    model::TokenKeys::Fetched(jwks) => Keys::Fetched(verifiers.key_source(jwks)),
                },
            )),
        };
        Self {
            rule: model.rule.clone(),
            proofs: model.proofs.iter().map(proof).collect(),
            mark: Fingerprint::of(model),
        }
    }

    /// Adds what was counted, one entry for each name of each proof.
    pub fn add_to(&self, status: &mut Vec<AuthenticatedStatus>) {
        for proof in &self.proofs {
            match proof {
                Proof::ApiKey(api_key) => api_key.add_to(status),
                Proof::Basic(basic) => basic.add_to(status),
                Proof::Jwt(jwt) => jwt.add_to(status),
            }
        }
    }
}

impl Proof {
    /// The field that holds the credential.
    pub fn field(&self) -> &str {
        match self {
            Self::ApiKey(api_key) => &api_key.header,
            Self::Basic(_) => "Authorization",
            Self::Jwt(jwt) => &jwt.header,
        }
    }

    /// Whether what stands in that field is meant for this proof.
    pub fn is_meant_by(&self, value: &[u8]) -> bool {
        match self {
            Self::ApiKey(_) => true,
            Self::Basic(_) => scheme::after(value, "Basic").is_some(),
            Self::Jwt(jwt) => jwt.token(value).is_some(),
        }
    }

    /// Whether servers get the credential too.
    pub fn is_forwarded(&self) -> bool {
        match self {
            Self::ApiKey(api_key) => api_key.forward,
            Self::Basic(basic) => basic.forward,
            Self::Jwt(jwt) => jwt.forward,
        }
    }

    /// How a client is asked for it (RFC 9110 §11.6.1). `bad_token` says that there was a token, and that it was refused.
    pub fn challenge(&self, bad_token: bool) -> String {
        match self {
            // No scheme is registered for keys in fields of their own, so this one says where the key belongs.
            Self::ApiKey(api_key) => format!("ApiKey header=\"{}\"", api_key.header),
            // RFC 7617 §2.1: without the word about UTF-8, clients send passwords as they like.
            Self::Basic(basic) => format!("Basic realm=\"{}\", charset=\"UTF-8\"", basic.realm),
            Self::Jwt(jwt) => jwt.challenge(bad_token),
        }
    }
}
