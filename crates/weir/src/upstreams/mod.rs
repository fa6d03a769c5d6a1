//! What `weir upstreams` is made of: how upstreams are shown to people.

pub(crate) mod text;
