//! Who has registered, in words that another process understands.

use std::net::SocketAddr;

use crate::wire::Form;

/// A server that has registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// What it is a server for.
    pub policy: i64,
    /// Its own number.
    pub id: i64,
    /// Where it is reached, which is its name too.
    pub address: SocketAddr,
    /// The form in which it registered.
    pub form: Form,
    /// Whether a connection may be used for more than one message.
    pub keep: bool,
    /// Whether checks reach it, as far as they have said.
    pub is_reached: bool,
}
