//! Policy groups: JSON packets over TCP, and servers that register themselves.
//!
//! Clients send a packet that names a policy; one of the servers that have registered for that policy gets it, and its answer
//! goes back. There were programs for this before Weir, and they work with it unchanged: [`wire`] is what they speak, in all the
//! spellings that there are. A policy group is an upstream like any other (`weir_upstream`), so what chooses, checks and limits
//! servers is not here.
//!
//! [`plane`] has the listeners, `listening` is one of them with its socket and threads, `accept` takes connections, `conversation` is one connection, `forward` brings a message to a
//! server, `registry` knows who has registered, and `connections` who is connected. [`server`] and [`client`] are the programs on both sides of it.

mod accept;
pub mod client;
mod connections;
mod conversation;
mod digest;
mod forward;
mod listening;
pub mod plane;
pub mod registered;
mod registry;
pub mod server;
mod sight;
mod talk;
pub mod wire;
mod worker;

pub use plane::{PolicyListenError, PolicyPlane};
