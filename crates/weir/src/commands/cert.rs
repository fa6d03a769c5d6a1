//! `weir cert`: which certificates the listeners of a configuration serve, until when, and which one a host gets.

use std::path::PathBuf;

use clap::Args;
use weir_proxy::runtime::clock::time_of_day;

use crate::cert::host::Host;
use crate::cert::{json, served, text};
use crate::failure::Failure;
use crate::output;

use super::check::DEFAULT_FILE;

/// What `weir cert` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
The files are read and checked as at a start; nothing is made. A proxy that runs
serves changed files within seconds.

Example:
  weir cert -c weir.yaml www.example.com")]
pub(crate) struct Arguments {
    /// Tell which certificate this host gets, instead of all
    #[arg(value_name = "HOST", value_parser = Host::parse)]
    host: Option<Host>,

    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,

    /// Print the certificates as JSON
    #[arg(long)]
    json: bool,
}

/// Tells what is served. What is wrong with a file is told as `weir check` tells it.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let loaded = weir_config::load(&arguments.config)?;
    let now = time_of_day();
    let listeners = served::all(&loaded.model, now);
    if arguments.json {
        let value = match &arguments.host {
            Some(host) => json::for_host(&listeners, host, now),
            None => json::overview(&listeners, now),
        };
        return Ok(output::data(format_args!("{value:#}\n"))?);
    }
    output::message(loaded.warnings.render(output::messages_have_color()));
    let color = output::data_has_color();
    Ok(output::data(match &arguments.host {
        Some(host) => text::for_host(&listeners, host, now, color),
        None => text::overview(&listeners, now, color),
    })?)
}
