//! `weir completions`: what a shell needs to complete our command lines.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::CommandLine;
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

/// Prints the completions.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "weir", &mut script);
    output::data(String::from_utf8_lossy(&script))
}
