//! JSON (RFC 8259), as the programs of policy groups write it.
//!
//! Not `serde_json`: where an object ends must be known while it arrives and without reading it twice, numbers must keep what they
//! are, and `NaN`, which Python writes, is taken.

pub(crate) mod read;
pub(crate) mod scan;
pub(crate) mod write;
