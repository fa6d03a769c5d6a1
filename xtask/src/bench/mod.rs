//! The yardsticks: what a request costs in Weir, beside others, on this machine, in one run.

mod answer;
mod child;
mod load;
mod peer;
mod report;
mod small;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Which yardstick.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    which: Which,
}

#[derive(Subcommand)]
enum Which {
    /// CPU time per request with small answers: 64 kept-alive connections, bodies of 127 bytes, one core.
    Small(small::Options),
}

/// Runs it. False when a round was not valid.
pub(crate) fn run(options: &Options) -> Result<bool> {
    match &options.which {
        Which::Small(options) => small::run(options),
    }
}
