//! What the user wrote becomes a checked model; every problem at once, with its place and a hint.

pub mod model;
