//! Where bytes of clients become exchanges.

pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod h1;
pub(crate) mod listener;
pub(crate) mod registry;
pub(crate) mod responder;
pub(crate) mod secured;
pub(crate) mod tls;
