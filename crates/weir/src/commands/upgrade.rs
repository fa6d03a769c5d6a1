//! `weir upgrade`: a running Weir starts the program that follows it and hands over, asked over its admin listener.

use std::path::PathBuf;

use clap::Args;
use hyper::Method;
use weir_tools::admin_client::encoded;

use super::admin_arguments::AdminArguments;
use crate::failure::Failure;
use crate::lifetime;
use crate::output;

/// What `weir upgrade` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
The new process gets every listening socket; the old one ends when its
connections have. If the new one does not start, the old one goes on.

Example:
  weir upgrade --program /opt/weir-2/weir")]
pub(crate) struct Arguments {
    /// Start this program instead of the one at the same path
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,

    /// How long it may take to be ready, up to 50s
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: String,

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
    let mut query = vec![format!("timeout={}", encoded(&arguments.timeout))];
    if let Some(program) = &arguments.program {
        // Weir has another working directory.
        let path = std::path::absolute(program).ok().and_then(|path| path.to_str().map(encoded));
        let path = path.ok_or_else(|| Failure::Usage(vec!["`--program` is no path".to_owned()]))?;
        query.push(format!("program={path}"));
    }
    let answer = client.ask(Method::POST, &format!("/upgrade?{}", query.join("&"))).await?;
    if arguments.json {
        output::data(format_args!("{answer:#}\n"))?;
    } else {
        let (pid, version) = (&answer["pid"], answer["version"].as_str().unwrap_or("unknown"));
        output::data(format_args!("process {pid} is in charge, version {version}\n"))?;
    }
    Ok(())
}
