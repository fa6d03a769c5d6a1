//! The queue, in memory and in a file: one set of books, and what surrounds it.

mod accepted;
mod books;
mod clock;
mod complaints;
mod deliverer;
mod incoming;
mod people;
mod place;
mod succession;
mod write_queue;

#[cfg(test)]
mod tests;

pub use write_queue::Queue;
