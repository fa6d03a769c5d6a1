//! Speaking HTTP/1.1: writing a message's head and body, reading an answer's head.

pub mod head;
pub mod pump;
pub mod sink;
