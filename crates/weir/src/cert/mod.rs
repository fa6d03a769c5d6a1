//! What `weir cert` tells: which certificates listeners serve, until when, and to whom.

pub(crate) mod host;
pub(crate) mod json;
pub(crate) mod served;
pub(crate) mod text;
