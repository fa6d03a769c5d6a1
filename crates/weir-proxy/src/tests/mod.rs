//! Whole connections over pipes in memory, under a clock that the tests turn: what happens at each timeout and not a
//! moment earlier, wherever bytes are cut, and whenever a connection dies.
//!
//! Nothing here opens a socket, apart from what needs a server that can't be connected to; what only sockets can do
//! (resets, half-open connections) is tested from outside.

#![allow(clippy::unwrap_used)]

mod backoff;
mod cancel;
mod certificate;
mod client_timeout;
mod cold;
mod concurrency;
mod connection_places;
mod conversation;
mod copies;
mod crashes;
mod dice;
mod drip;
mod handshake;
mod handshake_end;
mod handshake_turns;
mod message;
mod panicked;
mod proxy_header;
mod rates;
mod rig;
mod secured;
mod secured_client;
mod server_timeout;
mod slow;
mod split;
mod unplaced;
mod upgraded;
