//! A connection to a server that has switched to the protocol that a client asked for.

use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::timed::Timed;
use weir_upstream::member::InFlight;
use weir_upstream::pool::Connection;

/// What is left of an attempt whose answer was a 101, for whoever moves the bytes from then on.
#[derive(Debug)]
pub(crate) struct Switched {
    /// The server's side.
    pub timed: Timed,
    /// What the server has sent behind its head.
    pub from_server: ReadBuffer,
    /// It has its place among those of the server until this is dropped.
    pub connection: Connection,
    /// The request counts as in flight for as long.
    pub in_flight: InFlight,
}
