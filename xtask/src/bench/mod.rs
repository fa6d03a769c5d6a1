//! The yardsticks: what a request costs in Weir, beside others, on this machine, in one run.

mod answer;
pub(crate) mod callers;
mod certificate;
mod checks;
mod child;
mod counter;
pub(crate) mod deaf;
mod goal;
pub(crate) mod handshakes;
mod instructions;
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

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

/// A scenario, or instructions.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    scenario: Option<measure::Options>,
}

#[derive(Subcommand)]
enum Other {
    /// Instructions of user code for an exchange and for the codec, of this tree beside a commit.
    Instructions(instructions::Options),
}

/// Measures. False when what was measured counts for nothing.
///
/// # Errors
/// When a program is missing, can't be started, or answers wrongly.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    match arguments {
        Arguments { other: Some(Other::Instructions(options)), .. } => instructions::run(options),
        Arguments { other: None, scenario: Some(options) } => measure::run(options),
        Arguments { other: None, scenario: None } => bail!("which scenario? see `cargo xtask bench --help`"),
    }
}
