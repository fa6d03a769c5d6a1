//! Streams, their buffers and their deadlines.

pub mod backlog;
pub mod buffer;
pub mod conduit;
pub mod deadline;
pub mod descriptors;
pub mod exhaustion;
pub mod lent;
pub mod neighbours;
pub mod pipe;
mod socket;
pub mod stream;
pub mod timed;
pub mod tls;
mod transport;
