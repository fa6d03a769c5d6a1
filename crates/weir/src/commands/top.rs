//! `weir top`: the live view of a running Weir.

use std::io::{self, IsTerminal};

use clap::Args;
use weir_tools::top;

use super::admin_arguments::AdminArguments;
use crate::failure::Failure;
use crate::lifetime;
use crate::output;

/// What `weir top` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks the admin listener of the Weir that runs, every second. Keys are shown
at the bottom; `?` explains them. What it changes is asked about before.

Example:
  weir top --admin 127.0.0.1:9180")]
pub(crate) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
}

/// Shows it until somebody quits.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    if !io::stdout().is_terminal() {
        return Err(Failure::Running(
            "stdout is no terminal\n\nhint: `weir upstreams` prints what there is to see once".to_owned(),
        ));
    }
    lifetime::on_control_thread(async {
        let mut signals = lifetime::listen()?;
        Ok(top::run(client, output::data_has_color(), signals.end()).await?)
    })
}
