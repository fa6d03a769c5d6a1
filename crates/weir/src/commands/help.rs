//! `weir help`: what `--help` shows, for those who ask for it like this. It is not listed, so that the list fits on a screen.

use clap::{Args, Command};

use crate::failure::Failure;
use crate::output;

/// What `weir help` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// Prints the help of a command, or of the whole program.
pub(crate) fn run(arguments: Arguments, mut command_line: Command) -> Result<(), Failure> {
    command_line.build();
    let asked = match &arguments.command {
        None => Some(&mut command_line),
        Some(name) => command_line.find_subcommand_mut(name),
    };
    let Some(asked) = asked else {
        let name = arguments.command.unwrap_or_default();
        return Err(Failure::Usage(vec![format!(
            "there is no command `{name}`\n\nhint: `weir --help` lists them"
        )]));
    };
    let help = asked.render_help();
    Ok(match output::data_has_color() {
        true => output::data(help.ansi()),
        false => output::data(help),
    }?)
}
