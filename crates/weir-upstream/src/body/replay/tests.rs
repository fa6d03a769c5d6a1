//! Replays of bodies that come from a pipe as a client would send them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod lossy;
mod memory;
mod scene;
mod schedule;
mod spool;
mod trouble;
mod waiting;
