//! What `weir upstreams` is made of: how upstreams are shown to people, and how what was changed is written into the file.

pub(crate) mod patch;
pub(crate) mod replace;
pub(crate) mod text;
pub(crate) mod wishes;
