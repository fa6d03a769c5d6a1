//! Where the body of a replay comes from.

use bytes::Bytes;

use crate::body::source::H1Body;

/// Where the body of a replay comes from.
#[derive(Debug)]
pub enum Source {
    /// It is there already.
    Memory(Bytes),
    /// A connection.
    H1(H1Body),
}
