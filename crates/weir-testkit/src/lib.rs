//! Harness, scripted servers and clients, and the one integration test binary.
//!
//! Everything here uses real sockets on port 0 and exact bytes: what a test sends is what goes over the wire, and what it
//! compares is what came. Servers and clients are plain threads with blocking sockets, because a test then reads from top
//! to bottom; every wait has a limit ([`socket::PATIENCE`], [`wait`]), so that a fault shows as a message and not as a hang.
//!
//! The readers of messages in [`message`] are deliberately our own and not those of the proxy: a fault in the proxy's
//! reader must not hide itself here.

pub mod certificate;
pub mod client;
pub mod dns;
pub mod message;
pub mod port;
pub mod proxy;
mod reader;
pub mod server;
pub mod socket;
mod tls;
pub mod wait;
