//! Replays of bodies that come from a pipe as a client would send them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod memory;
mod scene;
