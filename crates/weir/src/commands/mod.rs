//! The commands, one file each: its arguments, and what it does with them.

mod admin_arguments;
pub(crate) mod balance;
pub(crate) mod cert;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod duplicate;
pub(crate) mod explain;
pub(crate) mod hedge;
pub(crate) mod help;
pub(crate) mod man;
pub(crate) mod mock;
pub(crate) mod policy;
pub(crate) mod queue;
pub(crate) mod race;
pub(crate) mod reload;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod top;
pub(crate) mod upgrade;
pub(crate) mod upstreams;

use clap::CommandFactory;

use crate::arguments::{Command, CommandLine};
use crate::failure::Failure;

/// Does what the command line says.
///
/// # Errors
/// The command's own.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Balance(arguments) => balance::run(arguments),
        Command::Duplicate(arguments) => duplicate::run(arguments),
        Command::Race(arguments) => race::run(arguments),
        Command::Hedge(arguments) => hedge::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Cert(arguments) => cert::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Top(arguments) => top::run(arguments),
        Command::Upgrade(arguments) => upgrade::run(arguments),
        Command::Upstreams(arguments) => upstreams::run(arguments),
        Command::Reload(arguments) => reload::run(arguments),
        Command::Queue(arguments) => queue::run(arguments),
        Command::Policy(arguments) => policy::run(arguments),
        Command::Mock(arguments) => mock::run(arguments),
        Command::Completions(arguments) => completions::run(arguments, CommandLine::command()),
        Command::Man(arguments) => man::run(arguments, CommandLine::command()),
        Command::Help(arguments) => help::run(arguments, CommandLine::command()),
    }
}
