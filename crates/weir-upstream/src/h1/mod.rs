//! Speaking HTTP/1.1: writing a message's head and body, reading an answer's head.

mod error;
pub mod head;
mod passage;
pub mod pump;
pub mod sink;
