//! What `weir queue` is made of: how answers of the admin listener are shown to people.

pub(crate) mod text;
