//! The file of a durable queue. Nothing outside of this module knows SQLite.
//!
//! One thread writes: it takes all that waits for it, whoever it came from, and makes one transaction of it, so that one sync of the
//! disk serves all workers (`semantics.md` §3.3). Another one reads. Both are told through bounded inboxes.

mod body;
mod inbox;
mod numbers;
mod open;
mod problem;
mod reader;
mod schema;
mod stored;
mod writer;

pub(crate) use body::FileBody;
pub(crate) use inbox::{Arrived, BodyNumber, Inbox, StoredWrite};
pub(crate) use open::{Lock, Opened, open, open_shared};
pub use problem::OpenError;
pub(crate) use reader::Reader;
pub(crate) use stored::Stored;
