//! What outlives a request or the process: the queue of writes that servers have yet to get.
//!
//! [`Queue`] implements the port [`WriteQueue`](weir_core::ports::queue::WriteQueue) twice over one set of books: in memory, and
//! with a file. The rules are those of [`weir_core::queue`]; here are the lock around them, the clock, the threads and
//! SQLite. It sends nothing: whoever runs the queue brings somebody who delivers.

mod file;
mod queue;

pub use file::OpenError;
pub use queue::Queue;
