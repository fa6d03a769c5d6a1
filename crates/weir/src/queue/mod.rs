//! What `weir queue` is made of: who asks the admin listener, and how its answers are shown to people.

pub(crate) mod client;
pub(crate) mod text;
