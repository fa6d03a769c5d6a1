//! Where bytes of clients become exchanges.

pub mod client;
pub mod h1;
pub mod listener;
pub mod registry;
pub mod responder;
