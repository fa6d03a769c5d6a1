//! The yardsticks: what a request costs in Weir, beside others, on this machine, in one run.

mod answer;
mod certificate;
mod child;
pub(crate) mod handshakes;
mod load;
mod measure;
mod offer;
mod peer;
mod report;
mod scenario;
mod template;
mod wrk;

pub(crate) use measure::{Options, run};
