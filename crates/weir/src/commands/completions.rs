//! `weir completions`: what a shell needs to complete our command lines.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::Failure;
use crate::output;

/// What `weir completions` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir completions bash > ~/.local/share/bash-completion/completions/weir")]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the completions of the whole command line.
pub(crate) fn run(arguments: Arguments, mut command_line: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command_line, "weir", &mut script);
    Ok(output::data(String::from_utf8_lossy(&script))?)
}
