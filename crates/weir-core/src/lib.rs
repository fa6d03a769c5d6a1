//! The rules of Weir: which route a request takes, which server it gets, whether it may be repeated, who the client is.
//!
//! Everything here is pure. `now` and random numbers are arguments, effects are returned as values and performed by the
//! crates above. That is why these rules can be tested to the end, by tables and by seeded simulation.
//! There is no socket, no clock, no runtime and no serialisation in this crate.

pub mod address;
pub mod balance;
pub mod compare;
pub mod dispatch;
pub mod ebb;
pub mod forwarded;
pub mod handshake;
pub mod health;
pub mod latency;
pub mod limit;
pub mod limit_hit;
pub mod log_field;
pub mod log_level;
pub mod log_template;
pub mod metric;
pub mod mirror;
pub mod policy_group;
pub mod ports;
pub mod proxy_header;
pub mod queue;
pub mod refusal;
pub mod retry;
pub mod route;
pub mod server;
pub mod trace_context;
pub mod traffic;
