//! Programs that talk to a proxy from outside: the mock server.
//!
//! These are tools for people and tests. They use hyper for their own HTTP, never the proxy's codec, so that a fault of
//! ours cannot hide behind itself.

pub mod mock;
