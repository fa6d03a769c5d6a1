//! What exchanges run on: workers with their inboxes, and the immutable snapshot they read.

pub mod authentication;
pub mod build;
pub mod certificates;
pub mod clock;
pub mod concurrency;
pub(crate) mod control;
pub mod counters;
mod differences;
pub mod dispatch;
mod found;
pub mod inbox;
mod keepers;
mod key;
pub mod lanes;
mod members;
pub mod mirrors;
mod percentiles;
pub mod permits;
pub mod process;
pub mod queues;
pub mod rates;
mod run;
pub mod snapshot;
pub mod sockets;
pub mod status;
pub mod tracker;
pub mod worker;
