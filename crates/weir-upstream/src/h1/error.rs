//! Why a body did not get to where it goes.

use std::io;

use crate::body::ReadError;

/// Which side of a pump failed.
#[derive(Debug)]
pub enum PumpError {
    /// Where the body comes from.
    Read(ReadError),
    /// Where it goes.
    Write(io::Error),
}
