//! `weir upstreams`: the servers of a running Weir with their states, and what was changed of them while it ran.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use weir_config::rewrite::{self, Outcome};
use weir_tools::top::report::Report;

use super::admin_arguments::AdminArguments;
use super::check;
use crate::failure::Failure;
use crate::lifetime;
use crate::output;
use crate::upstreams::replace::replace;
use crate::upstreams::wishes::{shown, wishes};
use crate::upstreams::{patch, text};

/// What `weir upstreams` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks the admin listener of the Weir that runs. --write changes the lists of
servers in the file; all else in it stays as it is, byte for byte.

Example:
  weir upstreams --write -c weir.yaml --dry-run")]
pub(crate) struct Arguments {
    /// Only this upstream
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Tell what was changed beside the configuration
    #[arg(long)]
    diff: bool,

    /// Write that into the configuration
    #[arg(long, conflicts_with_all = ["diff", "json"])]
    write: bool,

    /// The file that is written
    #[arg(short, long, value_name = "FILE", default_value = check::DEFAULT_FILE, requires = "write")]
    config: PathBuf,

    /// Show it as a patch, and write nothing
    #[arg(long, requires = "write")]
    dry_run: bool,

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
    if arguments.write {
        return write(&arguments.config, arguments.dry_run, &value);
    }
    let color = output::data_has_color();
    match (arguments.json, arguments.diff) {
        (true, true) => output::data(format_args!("{:#}\n", only_differences(&value)))?,
        (true, false) => output::data(format_args!("{value:#}\n"))?,
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

/// Of each upstream what was changed.
fn only_differences(value: &Value) -> Value {
    let upstreams = value["upstreams"].as_array().map_or(&[][..], Vec::as_slice).iter();
    let each =
        upstreams.map(|upstream| json!({ "name": upstream["name"], "differences": upstream["differences"] }));
    json!({ "upstreams": each.collect::<Vec<_>>() })
}

/// Writes what was changed of these upstreams into the file, or shows it.
fn write(file: &Path, is_dry: bool, upstreams: &Value) -> Result<(), Failure> {
    let name = file.display().to_string();
    // It says what is wrong with a file that can't be used, and how it ends then.
    let wishes = wishes(upstreams, &weir_config::load(file)?.model);
    let cannot = |what: &str, error| Failure::Running(format!("`{name}` can't be {what}: {error}"));
    let before = fs::read(file).map_err(|error| cannot("read", error))?;
    let environment = |name: &str| std::env::var(name).ok();
    let base_dir = file.parent().unwrap_or(Path::new(""));
    let made = rewrite::rewrite(&name, &before, &environment, base_dir, &wishes.changes)
        .map_err(|report| Failure::Refused(Box::new(report)))?;
    for line in &wishes.left {
        output::message(format_args!("not written: {line}\n"));
    }
    let mut is_all = wishes.left.is_empty();
    let mut written = Vec::new();
    for (change, outcome) in wishes.changes.iter().zip(made.outcomes) {
        match outcome {
            Outcome::Written => written.push(shown(change)),
            Outcome::AlreadySo => {}
            Outcome::InInventory(inventory) => {
                is_all = false;
                output::message(format_args!(
                    "not written: {}; edit the inventory `{inventory}`, which is followed\n",
                    shown(change)
                ));
            }
        }
    }
    if written.is_empty() {
        if is_all {
            return Ok(output::data(format_args!("nothing to write: `{name}` says it all already\n"))?);
        }
        return Ok(output::data("nothing was written: all that is different was left out\n")?);
    }
    if is_dry {
        // Both were read as UTF-8 by now.
        let [old, new] = [&before, &made.text].map(|text| String::from_utf8_lossy(text));
        return Ok(output::data(patch::unified(&name, &old, &new))?);
    }
    if let Some(error) = replace(file, &before, &made.text).map_err(|error| cannot("written", error))? {
        output::message(format_args!("a crash of this machine may undo what is written: {error}\n"));
    }
    Ok(output::data(format_args!("written into `{name}`\n  {}\n", written.join("\n  ")))?)
}

#[expect(clippy::disallowed_methods, reason = "the table says how long ago something was")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
