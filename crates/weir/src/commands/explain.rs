//! `weir explain`: which service, route, upstream and mode a request gets, and why not the others.

use std::path::PathBuf;

use clap::Args;
use weir_proxy::runtime::authentication::verifiers::Verifiers;
use weir_proxy::runtime::build;
use weir_proxy::runtime::queues::{Queues, no_queues};

use crate::explain::answer::Answer;
use crate::explain::request::{Unreadable, Written};
use crate::explain::{json, text};
use crate::failure::Failure;
use crate::output;

use super::check::DEFAULT_FILE;

/// What `weir explain` takes.
#[derive(Debug, Args)]
#[command(
    allow_missing_positional = true,
    after_help = "\
Nothing is sent. The request is taken as one of a client that is no trusted proxy.

Example:
  weir explain -c weir.yaml POST http://api.example.com/orders/7"
)]
pub(crate) struct Arguments {
    /// The method
    #[arg(default_value = "GET")]
    method: String,

    /// `http://host/path`, `https://…`, or `/path` with `-H 'Host: …'`
    url: String,

    /// A header field of the request; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,

    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,

    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
}

/// Explains. A request that no route takes, or that is refused, is explained too and no failure.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let model = weir_config::load(&arguments.config)?.model;
    let Arguments { method, url, headers, json: as_json, .. } = &arguments;
    let color = output::data_has_color();
    let request = match (Written { method, url, fields: headers }).read(&model.limits) {
        Ok(request) => request,
        Err(Unreadable::Usage(text)) => return Err(Failure::Usage(vec![text])),
        Err(Unreadable::Refused { status, reason }) if *as_json => {
            return Ok(output::data(format_args!("{:#}\n", json::refused(method, url, status, &reason)))?);
        }
        Err(Unreadable::Refused { status, reason }) => {
            return Ok(output::data(text::refused(method, url, status, &reason, color))?);
        }
    };
    // The very table that the workers would ask.
    let snapshot = build::snapshot(&model, &Verifiers::default(), &Queues::new(no_queues()));
    let answer = Answer::new(&model, &snapshot.table, &request);
    if *as_json {
        return Ok(output::data(format_args!("{:#}\n", json::render(&model, &answer)))?);
    }
    Ok(output::data(text::render(&model, &answer, color))?)
}
