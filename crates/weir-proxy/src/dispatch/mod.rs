//! Handing a request to servers: the drivers that perform what the state machines of `weir-core` decide.

mod answer;
mod attempt;
pub(crate) mod balance;
mod obtain;
mod tunnel;
