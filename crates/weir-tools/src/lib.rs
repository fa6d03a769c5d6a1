//! Programs that talk to a proxy from outside: the mock server, who asks the admin listener, and the live view.
//!
//! These are tools for people and tests. They use hyper for their own HTTP, never the proxy's codec, so that a fault of
//! ours cannot hide behind itself.

pub mod admin_client;
pub mod mock;
pub mod registration;
pub mod top;
