//! `weir queue`: what waits for servers in a running Weir, and what to do about it, over its admin listener.

use std::io::{self, BufRead, IsTerminal};

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::Value;
use weir_tools::admin_client::{AdminClient, encoded};

use super::admin_arguments::AdminArguments;
use crate::failure::Failure;
use crate::lifetime;
use crate::output;
use crate::queue::text;

/// Writes that are listed when nobody says how many.
const WRITES_LISTED: u16 = 100;

/// What `weir queue` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks the admin listener of the Weir that runs. What is dropped is gone.

Example:
  weir queue list --dead")]
pub(crate) struct Arguments {
    /// What to do
    #[command(subcommand)]
    act: Act,

    #[command(flatten)]
    admin: AdminArguments,

    /// The queue (its upstream's name), where there are several
    #[arg(long, global = true, value_name = "NAME")]
    queue: Option<String>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Tell what waits for which server, or which writes
    #[command(after_help = "Example:\n  weir queue list --writes --server 10.0.0.1:8080")]
    List(List),
    /// Show a write
    #[command(after_help = "Example:\n  weir queue show 17")]
    Show {
        /// Its number
        #[arg(value_name = "N")]
        write: u64,
    },
    /// Let dead letters wait again, and try what waits at once
    #[command(after_help = "Example:\n  weir queue retry --all")]
    Retry(Which),
    /// Throw away what waits or is dead
    #[command(after_help = "Example:\n  weir queue drop --dead --yes")]
    Drop {
        /// What
        #[command(flatten)]
        which: Which,

        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct List {
    /// List writes
    #[arg(short, long)]
    writes: bool,

    /// Only those that this server has yet to get
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,

    /// Only dead letters
    #[arg(long)]
    dead: bool,

    /// From this number on
    #[arg(long, value_name = "N")]
    from: Option<u64>,

    /// At most so many, up to 1000 [default: 100]
    #[arg(long, value_name = "N")]
    max: Option<u16>,
}

impl List {
    /// Whether single writes are meant: whoever says which ones wants to see them.
    fn is_of_writes(&self) -> bool {
        self.writes || self.dead || self.server.is_some() || self.from.is_some() || self.max.is_some()
    }

    /// As parameters of the admin API.
    fn query(&self) -> Vec<String> {
        let mut query = vec![format!("from={}", self.from.unwrap_or(0))];
        query.push(format!("max={}", self.max.unwrap_or(WRITES_LISTED)));
        query.extend(self.server.as_ref().map(|server| format!("server={}", encoded(server))));
        query.extend(self.dead.then(|| "dead=true".to_owned()));
        query
    }
}

/// Which writes.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// Only this write
    #[arg(value_name = "N", conflicts_with = "all")]
    write: Option<u64>,

    /// Only what this server has yet to get
    #[arg(long, value_name = "SERVER", conflicts_with = "all")]
    server: Option<String>,

    /// Only dead letters
    #[arg(long)]
    dead: bool,

    /// Everything
    #[arg(long)]
    all: bool,
}

impl Which {
    /// As people say it.
    fn words(&self) -> String {
        let write = self.write.map(|write| format!("write {write}"));
        let what = match (write, self.dead) {
            (Some(write), true) => format!("{write} where it is a dead letter"),
            (Some(write), false) => write,
            (None, true) => "all dead letters".to_owned(),
            (None, false) => "everything that waits or is dead".to_owned(),
        };
        self.server.as_ref().map_or(what.clone(), |server| format!("{what} for `{server}`"))
    }

    /// As parameters of the admin API.
    fn query(&self) -> Vec<String> {
        let server = self.server.as_ref().map(|server| format!("server={}", encoded(server)));
        server.into_iter().chain(self.dead.then(|| "dead=true".to_owned())).collect()
    }
}

/// Asks, and shows the answer.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    lifetime::on_control_thread(perform(&arguments))
}

async fn perform(arguments: &Arguments) -> Result<(), Failure> {
    let client = arguments.admin.client()?;
    let wanted = arguments.queue.as_deref();
    match &arguments.act {
        Act::List(list) if !list.is_of_writes() => {
            let mut value = client.ask(Method::GET, "/queues").await?;
            if let (Some(name), Some(queues)) = (wanted, value["queues"].as_array_mut()) {
                // The error that there is no such queue is the listener's.
                client.ask(Method::GET, &format!("/queues/{}", encoded(name))).await?;
                queues.retain(|queue| queue["name"] == name);
            }
            show(arguments, &value, text::queues)
        }
        Act::List(list) => {
            let path = format!("{}/writes?{}", the_queue(&client, wanted).await?, list.query().join("&"));
            show(arguments, &client.ask(Method::GET, &path).await?, text::writes)
        }
        Act::Show { write } => {
            let path = format!("{}/writes/{write}", the_queue(&client, wanted).await?);
            show(arguments, &client.ask(Method::GET, &path).await?, text::write)
        }
        Act::Retry(which) => {
            let mut query = which.query();
            query.extend(which.write.map(|write| format!("write={write}")));
            let path = format!("{}/retry?{}", the_queue(&client, wanted).await?, query.join("&"));
            show(arguments, &client.ask(Method::POST, &path).await?, text::retried)
        }
        Act::Drop { which, yes } => {
            let queue = the_queue(&client, wanted).await?;
            if !yes && !confirmed(&which.words())? {
                return Err(Failure::Running("nothing was dropped".to_owned()));
            }
            let mut query = which.query();
            query.extend(which.all.then(|| "all=true".to_owned()));
            let write = which.write.map(|write| format!("/{write}")).unwrap_or_default();
            let path = format!("{queue}/writes{write}?{}", query.join("&"));
            show(arguments, &client.ask(Method::DELETE, &path).await?, text::dropped)
        }
    }
}

fn show(arguments: &Arguments, value: &Value, as_text: fn(&Value, bool) -> String) -> Result<(), Failure> {
    match arguments.json {
        true => output::data(format_args!("{value:#}\n"))?,
        false => output::data(as_text(value, output::data_has_color()))?,
    }
    Ok(())
}

/// The path of the queue that is meant: the one that was named, or the only one.
async fn the_queue(client: &AdminClient, wanted: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = wanted {
        return Ok(format!("/queues/{}", encoded(name)));
    }
    let value = client.ask(Method::GET, "/queues").await?;
    let queues = value["queues"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = queues.iter().filter_map(|queue| queue["name"].as_str()).collect();
    match names.as_slice() {
        [] => Err(Failure::Running(
            "this Weir has no queue\n\nhint: one comes with `dispatch: {mode: duplicate}`".to_owned(),
        )),
        [name] => Ok(format!("/queues/{}", encoded(name))),
        names => Err(Failure::Usage(vec![format!(
            "there are several queues\n\nhint: choose one with `--queue NAME`: {}",
            names.join(", ")
        )])),
    }
}

/// Asks on a terminal. Where nobody can be asked, whoever wrote the command has decided.
fn confirmed(what: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    output::message(format_args!("drop {what}? Servers that have not got it will not get it. [y/N] "));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::Running(format!("the answer can't be read: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
