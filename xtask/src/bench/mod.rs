//! The yardsticks: what a request costs in Weir, beside others, on this machine, in one run.

mod answer;
pub(crate) mod callers;
mod certificate;
mod checks;
mod child;
mod counter;
pub(crate) mod deaf;
mod figures;
mod goal;
pub(crate) mod handshakes;
mod hosts;
pub(crate) mod idle;
mod instructions;
pub(crate) mod laggard;
mod load;
mod log;
mod measure;
mod mode;
mod offer;
mod peer;
mod plot;
mod policy;
pub(crate) mod policy_load;
pub(crate) mod policy_relay;
mod report;
mod sample;
mod scenario;
mod servers;
pub(crate) mod sink;
mod store;
mod table;
mod template;
mod wrk;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Scenarios, or instructions.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    scenarios: measure::Options,
}

#[derive(Subcommand)]
enum Other {
    /// Instructions of user code for an exchange and for the codec, of this tree beside a commit.
    Instructions(instructions::Options),
    /// Packets of policy groups in a second, and what checking their servers costs.
    Policy(policy::Options),
}

/// Measures. False when what was measured counts for nothing.
///
/// # Errors
/// When a program is missing, can't be started, or answers wrongly.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    match &arguments.other {
        Some(Other::Instructions(options)) => instructions::run(options),
        Some(Other::Policy(options)) => policy::run(options),
        None => measure::run(&arguments.scenarios),
    }
}
