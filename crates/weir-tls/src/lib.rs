//! Certificates and keys: reading them, saying what is wrong with them, choosing one for a client, and what rustls is told
//! about them on both sides.
//!
//! A crate of its own because rustls, the parser of certificates and their maker are heavy, and because three crates meet
//! here that do not know each other: the configuration checks what is written, the upstream and the data plane use it. There
//! is no socket here; the streams that speak TLS are in `weir-upstream`. There is no clock either: `now` is an argument.

pub mod authorities;
pub mod certified;
pub mod chain;
pub mod client;
pub mod date;
pub mod facts;
pub mod handshake;
#[cfg(test)]
mod made;
pub mod names;
pub mod pem;
pub mod problem;
pub mod provider;
pub mod read;
pub mod roots;
pub mod self_signed;
pub mod server;
pub mod source;
pub mod subject;
pub mod target;
pub mod tickets;
mod verify;
