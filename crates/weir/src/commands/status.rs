//! `weir status`: what is wrong with a running Weir, in a few lines; and whether it is ready, as its exit code.
//!
//! The exit code is about readiness alone, because a machine acts on it (the health check of a container, a script that waits):
//! a server that is ejected is worth a line and no reason to take the proxy away.

use std::time::UNIX_EPOCH;

use clap::Args;
use hyper::Method;
use serde_json::json;
use weir_proxy::runtime::clock::time_of_day;
use weir_tools::admin_client::AskError;
use weir_tools::top::report::Report;

use super::admin_arguments::AdminArguments;
use crate::failure::Failure;
use crate::lifetime;
use crate::output;
use crate::status::findings::{self, Answers};
use crate::status::text;

/// What `weir status` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks the admin listener of the Weir that runs.
Exit codes: 0 it is ready; 1 it is not, or can't be asked.

Example:
  weir status --admin 127.0.0.1:9180")]
pub(crate) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks, and shows the answer.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    lifetime::on_control_thread(perform(&arguments))
}

async fn perform(arguments: &Arguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let answers = Answers {
        status: client.ask(Method::GET, "/status").await?,
        // One that has never heard of these has nothing to say of them.
        queues: client.ask(Method::GET, "/queues").await.unwrap_or_default(),
        failures: client.ask(Method::GET, "/failures").await.unwrap_or_default(),
    };
    let report = Report::read(&answers.status, &answers.queues)
        .ok_or_else(|| AskError::Strange(client.address().to_owned()))?;
    let now = time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
    let found = findings::all(&answers, &report, now);
    if arguments.json {
        let list: Vec<_> = found.iter().map(|one| one.json(client.address())).collect();
        let value = json!({ "version": report.version, "ready": report.is_ready, "findings": list });
        output::data(format_args!("{value:#}\n"))?;
    } else {
        output::data(text::shown(&report, &found, client.address(), output::data_has_color()))?;
    }
    match report.is_ready {
        true => Ok(()),
        false => Err(Failure::Running("it is not ready".to_owned())),
    }
}
