//! One line per request, written by a thread that no worker ever waits for.
//!
//! A worker formats its lines ([`Entry`], in the form that the configuration names) into a buffer of its own and hands full
//! buffers to the writer's thread ([`AccessLogWriter`]). When the thread is behind, lines are dropped and counted: a disk
//! that hangs must cost lines and never answers. Nothing here decides what is logged; that is the business of `record`.

mod entry;
mod escape;
mod field;
mod form;
mod json;
mod line;
mod number;
mod plain;
mod timestamp;
mod writer;

pub use entry::{Copies, Entry, Traced, Try};
pub use form::{Form, Wanted};
pub use line::write;
pub use writer::{AccessLogWriter, LogCounts, LogHandle};
