//! `weir run`: a proxy as a file describes it, in the foreground, until a signal ends it.

use std::path::PathBuf;

use clap::Args;

use super::check;
use crate::failure::Failure;
use crate::lifetime::{self, Extras};
use crate::output;
use crate::watching::WatchedFile;

/// What `weir run` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Signals: TERM, INT and QUIT end it when what runs has finished, a second TERM or
INT at once; HUP reads the configuration again; USR1 opens the log files anew;
USR2 replaces the program.
Exit codes: 1 can't start or failed, 2 wrong usage, 3 invalid configuration.

Example:
  weir run -c weir.yaml")]
pub(crate) struct Arguments {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = check::DEFAULT_FILE)]
    pub(crate) config: PathBuf,

    /// Only check the configuration, as `weir check` does
    #[arg(short = 't', long)]
    pub(crate) test: bool,

    /// Show the servers with their states, every second
    #[arg(long)]
    pub(crate) debug: bool,
}

/// Runs until a signal.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    if arguments.test {
        return check::check(&arguments.config, false);
    }
    let file = WatchedFile::before_reading(arguments.config.clone());
    let loaded = weir_config::load(&arguments.config)?;
    output::message(loaded.warnings.render(output::messages_have_color()));
    let extras = Extras { debug: arguments.debug, file: Some(file), ..Extras::default() };
    lifetime::on_control_thread(lifetime::run_with(&loaded.model, extras))
}
