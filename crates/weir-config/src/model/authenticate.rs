//! What a client proves before its request goes on.

use std::fmt;
use std::sync::Arc;

use weir_auth::api_key::ApiKeys;
use weir_auth::jwt::claims::Expected;
use weir_auth::jwt::key::Algorithm;
use weir_auth::jwt::key_set::KeySet;
use weir_auth::rule::Rule;
use weir_auth::users::Users;

use super::Server;

/// What is asked of the clients of a route.
#[derive(Debug, Hash)]
pub struct Authenticate {
    /// Which of the proofs; its numbers are indexes of `proofs`.
    pub rule: Rule,
    /// The proofs; at least one, at most [`PROOFS_MAX`](weir_auth::rule::PROOFS_MAX).
    pub proofs: Vec<Proof>,
}

impl fmt::Display for Authenticate {
    /// In words, for people: ``an API key in `X-API-Key`, or a password``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.described(&self.rule))
    }
}

impl Authenticate {
    fn described(&self, rule: &Rule) -> String {
        let several = |rules: &[Rule], between: &str| {
            let parts: Vec<String> = rules
                .iter()
                .map(|rule| match rule {
                    Rule::One(_) => self.described(rule),
                    Rule::Any(_) | Rule::All(_) => format!("({})", self.described(rule)),
                })
                .collect();
            parts.join(between)
        };
        match rule {
            Rule::One(proof) => self.proofs.get(*proof).map_or_else(String::new, Proof::to_string),
            Rule::Any(rules) => several(rules, ", or "),
            Rule::All(rules) => several(rules, " and "),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(api_key) => write!(f, "an API key in `{}`", api_key.header),
            Self::Basic(_) => f.write_str("a user and a password"),
            Self::Jwt(jwt) => match &jwt.expected.issuer {
                Some(issuer) => write!(f, "a token of `{issuer}`"),
                None => f.write_str("a token"),
            },
        }
    }
}

/// One proof.
#[derive(Debug, Hash)]
pub enum Proof {
    /// A key.
    ApiKey(ApiKey),
    /// A user and a password.
    Basic(Basic),
    /// A token.
    Jwt(Jwt),
}

/// A key in a field of the request.
#[derive(Debug, Hash)]
pub struct ApiKey {
    /// The field.
    pub header: Box<str>,
    /// The keys; at least one.
    pub keys: Arc<ApiKeys>,
    /// Whether servers get the key too.
    pub forward: bool,
}

/// A user and a password (RFC 7617).
#[derive(Debug, Hash)]
pub struct Basic {
    /// The users; at least one.
    pub users: Arc<Users>,
    /// What browsers show; visible ASCII and spaces, without quotes and backslashes.
    pub realm: Box<str>,
    /// Whether servers get the credential too.
    pub forward: bool,
}

/// A signed token (RFC 7519).
#[derive(Debug, Hash)]
pub struct Jwt {
    /// By which its signature is checked.
    pub keys: TokenKeys,
    /// What it must say. What it passes on becomes `fields`, with the same indexes.
    pub expected: Expected,
    /// The fields that claims become.
    pub fields: Vec<Box<str>>,
    /// The field that holds it: behind `Bearer` in Authorization, alone in any other.
    pub header: Box<str>,
    /// What the challenge says; visible ASCII and spaces, without quotes and backslashes.
    pub realm: Box<str>,
    /// Whether servers get the token too.
    pub forward: bool,
}

/// Where the keys of tokens come from.
#[derive(Debug, Hash)]
pub enum TokenKeys {
    /// They are here.
    Fixed(Arc<KeySet>),
    /// The issuer publishes them.
    Fetched(Arc<Jwks>),
}

/// Where an issuer publishes its keys (RFC 7517).
#[derive(Debug, Hash)]
pub struct Jwks {
    /// What is fetched and how, as far as the configuration says it: two of one identity have the same keys.
    pub identity: Box<str>,
    /// Whom to ask; its base path is empty.
    pub server: Server,
    /// What to ask for: path and query.
    pub target: Box<str>,
    /// Keys for other algorithms are not used.
    pub algorithms: Vec<Algorithm>,
}
