//! Handing a request to servers: the drivers that perform what the state machines of `weir-core` decide.

mod agreement;
mod answer;
mod attempt;
pub(crate) mod balance;
mod copy;
pub(crate) mod deliver;
mod digest;
pub(crate) mod fan;
mod hearing;
mod judgement;
mod kept_body;
mod linger;
pub(crate) mod mirror;
mod obtain;
mod pass;
mod repeat;
mod retry_after;
pub(crate) mod tunnel;
mod turn;
mod whole;
mod write;
