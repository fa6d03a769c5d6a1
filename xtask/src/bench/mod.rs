//! The yardsticks: what a request costs in Weir, beside others, on this machine, in one run.

mod answer;
pub(crate) mod callers;
mod certificate;
mod child;
mod counter;
pub(crate) mod deaf;
mod goal;
pub(crate) mod handshakes;
pub(crate) mod laggard;
mod load;
mod measure;
mod mode;
mod offer;
mod peer;
mod report;
mod scenario;
mod servers;
mod store;
mod template;
mod wrk;

pub(crate) use measure::{Options, run};
