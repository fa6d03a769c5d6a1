//! What is spoken: one dictionary for each message, as JSON text or as a Python pickle, with no framing around it.
//!
//! Bytes in, bytes out; no socket and no clock, so that it can be split at every byte and fuzzed. A message ends where its object
//! ends. [`framer`] finds that place while bytes arrive, [`message`] says what the dictionary means, and [`answer`] is what Weir
//! says itself, in the words of whoever has asked. What a message holds that nobody here knows stays in it.

pub mod answer;
pub mod framer;
mod json;
pub mod limits;
pub mod message;
mod pickle;
pub mod problem;
pub mod value;

pub use framer::{Form, Frame, Framer};
pub use limits::WireLimits;
pub use problem::WireProblem;
pub use value::Value;

/// The bytes of a dictionary in this form.
pub fn encode(form: Form, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    match form {
        Form::Json => json::write::write(value, &mut bytes),
        Form::Pickle => pickle::write::write(value, &mut bytes),
    }
    bytes
}

#[cfg(test)]
mod tests;
