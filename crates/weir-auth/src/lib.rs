//! What proves who a client is: keys, passwords and tokens, and whether a proof holds.
//!
//! A crate of its own because what it needs is heavy and because rules about secrets should be found in one place. It is
//! pure: the time is an argument, and nothing is fetched or read here. When a proof is asked for and what follows from a
//! refusal is known above.

pub mod api_key;
pub mod basic;
pub mod jwt;
pub mod mark;
pub mod password_hash;
pub mod pem;
pub mod refusal;
pub mod rule;
pub mod scheme;
pub mod secret;
pub mod signer;
pub mod users;
