//! What `weir demo` is made of: requests in a [`burst`], and a [`tally`] of who answered them.

pub(crate) mod burst;
pub(crate) mod tally;
