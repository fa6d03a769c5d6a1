//! Tokens, with where their keys are and what is counted of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_auth::jwt::claims::Expected;
use weir_auth::jwt::key_set::KeySet;
use weir_auth::scheme;
use weir_config::model;
use weir_core::ports::AuthenticatedStatus;

use super::counts::NameCounts;
use super::key_source::KeySource;

/// A signed token.
#[derive(Debug)]
pub struct Jwt {
    /// Identifies this proof among all of the process: what holds for one need not hold for another.
    pub id: u64,
    /// By which its signature is checked.
    pub keys: Keys,
    /// What it must say.
    pub expected: Expected,
    /// The fields that claims become, with the indexes of `expected.passed_on`.
    pub fields: Vec<Box<str>>,
    /// The field that holds it.
    pub header: Box<str>,
    /// What the challenge says.
    pub realm: Box<str>,
    /// Whether servers get the token too.
    pub forward: bool,
    /// Requests with a good one; there is one name, that of the issuer.
    pub requests: NameCounts,
}

/// By which signatures are checked.
#[derive(Debug)]
pub enum Keys {
    /// These.
    Fixed(Arc<KeySet>),
    /// What the issuer publishes.
    Fetched(Arc<KeySource>),
}

impl Jwt {
    pub(super) fn new(model: &model::Jwt, keys: Keys) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            keys,
            expected: model.expected.clone(),
            fields: model.fields.clone(),
            header: model.header.clone(),
            realm: model.realm.clone(),
            forward: model.forward,
            requests: NameCounts::new(1),
        }
    }

    /// The token in the field, without its scheme: RFC 6750 §2.1 in Authorization, alone in any other. `None` when what
    /// stands there is of another scheme.
    pub fn token<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        if self.is_in_authorization() { scheme::after(value, "Bearer") } else { Some(value) }
    }

    /// How a client is asked for it. RFC 6750 §3.1: nothing is said of a token that was not there.
    pub fn challenge(&self, bad_token: bool) -> String {
        let error = if bad_token { ", error=\"invalid_token\"" } else { "" };
        if self.is_in_authorization() {
            return format!("Bearer realm=\"{}\"{error}", self.realm);
        }
        // `Bearer` would mean Authorization; no scheme is registered for tokens in fields of their own.
        format!("Token header=\"{}\", realm=\"{}\"{error}", self.header, self.realm)
    }

    pub(super) fn add_to(&self, status: &mut Vec<AuthenticatedStatus>) {
        let issuer = self.expected.issuer.as_deref().unwrap_or("any");
        self.requests.add_to("jwt", std::iter::once(issuer), status);
    }

    fn is_in_authorization(&self) -> bool {
        self.header.eq_ignore_ascii_case("Authorization")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(header: &str) -> Jwt {
        Jwt {
            id: 0,
            keys: Keys::Fetched(Arc::new(KeySource::new("", &[]).0)),
            expected: Expected {
                issuer: None,
                audiences: None,
                leeway: std::time::Duration::ZERO,
                passed_on: Vec::new(),
            },
            fields: vec!["X-User".into(), "Roles_Of".into()],
            header: header.into(),
            realm: "r".into(),
            forward: false,
            requests: NameCounts::new(1),
        }
    }

    #[test]
    fn a_token_stands_behind_its_scheme_or_alone() {
        assert_eq!(jwt("authorization").token(b"bearer a.b.c"), Some(b"a.b.c".as_slice()));
        assert_eq!(jwt("Authorization").token(b"a.b.c"), None);
        assert_eq!(jwt("X-Token").token(b"a.b.c"), Some(b"a.b.c".as_slice()));
        assert_eq!(jwt("Authorization").challenge(true), "Bearer realm=\"r\", error=\"invalid_token\"");
        assert_eq!(jwt("X-Token").challenge(false), "Token header=\"X-Token\", realm=\"r\"");
    }
}
