//! What a client proves before its request goes on.

use std::sync::Arc;

use weir_auth::api_key::ApiKeys;
use weir_auth::rule::Rule;
use weir_auth::users::Users;

/// What is asked of the clients of a route.
#[derive(Debug)]
pub struct Authenticate {
    /// Which of the proofs; its numbers are indexes of `proofs`.
    pub rule: Rule,
    /// The proofs; at least one, at most [`PROOFS_MAX`](weir_auth::rule::PROOFS_MAX).
    pub proofs: Vec<Proof>,
}

/// One proof.
#[derive(Debug)]
pub enum Proof {
    /// A key.
    ApiKey(ApiKey),
    /// A user and a password.
    Basic(Basic),
}

/// A key in a field of the request.
#[derive(Debug)]
pub struct ApiKey {
    /// The field.
    pub header: Box<str>,
    /// The keys; at least one.
    pub keys: Arc<ApiKeys>,
    /// Whether servers get the key too.
    pub forward: bool,
}

/// A user and a password (RFC 7617).
#[derive(Debug)]
pub struct Basic {
    /// The users; at least one.
    pub users: Arc<Users>,
    /// What browsers show; visible ASCII and spaces, without quotes and backslashes.
    pub realm: Box<str>,
    /// Whether servers get the credential too.
    pub forward: bool,
}
