//! `weir upstreams`: the servers of a running Weir with their states, and what was changed of them while it ran.

use std::time::{Duration, SystemTime};

use clap::Args;
use hyper::Method;
use weir_tools::admin_client::AdminClient;
use weir_tools::top::report::Report;

use crate::failure::Failure;
use crate::lifetime;
use crate::output;
use crate::upstreams::text;

/// What `weir upstreams` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks the admin listener of the Weir that runs.

Example:
  weir upstreams --diff")]
pub(crate) struct Arguments {
    /// Only this upstream
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Tell what was changed beside the configuration
    #[arg(long)]
    diff: bool,

    /// Where the admin listener is
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9180")]
    admin: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks, and shows the answer.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    lifetime::on_control_thread(perform(&arguments))
}

async fn perform(arguments: &Arguments) -> Result<(), Failure> {
    let client = AdminClient::new(&arguments.admin)?;
    let mut value = client.ask(Method::GET, "/upstreams").await?;
    if let (Some(name), Some(upstreams)) = (&arguments.name, value["upstreams"].as_array_mut()) {
        let names: Vec<String> =
            upstreams.iter().filter_map(|upstream| upstream["name"].as_str().map(str::to_owned)).collect();
        upstreams.retain(|upstream| upstream["name"] == **name);
        if upstreams.is_empty() {
            return Err(Failure::Running(format!(
                "there is no upstream `{name}`\n\nhint: there are {}",
                names.join(", ")
            )));
        }
    }
    let color = output::data_has_color();
    match (arguments.json, arguments.diff) {
        (true, _) => output::data(format_args!("{value:#}\n"))?,
        (false, true) => output::data(text::differences(&value, color))?,
        (false, false) => {
            // One that has never heard of queues has no backlogs to show.
            let queues = client.ask(Method::GET, "/queues").await.unwrap_or_default();
            let report = Report::read(&value, &queues).unwrap_or_default();
            output::data(text::servers(&report, now(), color))?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the table says how long ago something was")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
