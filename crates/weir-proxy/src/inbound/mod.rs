//! Where bytes of clients become exchanges.

pub(crate) mod client;
pub(crate) mod h1;
pub(crate) mod listener;
pub(crate) mod registry;
pub(crate) mod responder;
