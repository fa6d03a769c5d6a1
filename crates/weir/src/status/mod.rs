//! What `weir status` is made of: what is wrong with a running Weir, and how that is shown.

pub(crate) mod findings;
pub(crate) mod text;
