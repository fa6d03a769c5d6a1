//! The commands, one file each: its arguments, and what it does with them.

pub(crate) mod check;
pub(crate) mod run;

use crate::arguments::Command;
use crate::failure::Failure;

/// Does what the command line says.
///
/// # Errors
/// The command's own.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(arguments),
    }
}
