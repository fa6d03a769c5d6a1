//! Where bytes of clients become exchanges.

pub(crate) mod client;
pub(crate) mod connection;
pub(crate) mod door;
pub(crate) mod h1;
pub(crate) mod listener;
pub(crate) mod peer;
mod proxy_header;
pub(crate) mod registry;
pub(crate) mod responder;
pub(crate) mod secured;
pub(crate) mod sight;
pub(crate) mod tap;
pub(crate) mod threshold;
pub(crate) mod tls;
