//! The data plane: exchanges from a client's bytes to a server's answer and back.
//!
//! A request passes through `inbound`, where bytes become exchanges, then through `stages`, whose `mod.rs` is the list of
//! its steps, one of which hands it to a `dispatch` mode. [`runtime`] holds what all of them run on: workers, their inboxes
//! and the immutable snapshot of the configuration.

pub mod access_log;
mod dispatch;
mod exchange;
mod inbound;
pub mod runtime;
mod stages;
mod switched;
#[cfg(test)]
mod tests;
mod tries;

pub use runtime::process::{Ended, Proxy, StartError};
