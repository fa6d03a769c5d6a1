//! `weir duplicate`: every write to every server of an inventory.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use weir_config::commandline::duplicate::DUPLICATED;
use weir_config::inventory::Surroundings;
use weir_config::model::Inventory;
use weir_config::{commandline, inventory};

use crate::failure::Failure;
use crate::lifetime::{self, Extras};

/// What `weir duplicate` takes.
#[derive(Debug, Args)]
#[command(
    infer_long_args = true,
    after_help = "\
POST, PUT, PATCH and DELETE go to every server; the client gets the first
success, and copies that failed are tried again until they succeed. Everything
else goes to one server in turn. What waits is lost when this ends.
Inventory: one host:port per line (port 80 without one), comments behind #.
When it is edited, servers join and leave without a restart.

Example:
  weir duplicate -i inventory.conf -p 8000 -m 9000"
)]
pub(crate) struct Arguments {
    /// The servers
    #[arg(short, long, value_name = "FILE", default_value = "inventory.conf")]
    inventory_path: PathBuf,

    /// Where clients are accepted, on all addresses; 0 takes a free port
    #[arg(short, long, value_name = "PORT", default_value = "80")]
    port: u16,

    /// Where metrics are served and nothing else, on all addresses
    #[arg(short, long, value_name = "PORT", default_value = "9000")]
    metrics_port: u16,
}

/// Runs until a signal.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { inventory_path, port, metrics_port } = arguments;
    let name = inventory_path.display().to_string();
    let text = fs::read(&inventory_path).map_err(|error| {
        Failure::Running(format!(
            "the inventory `{name}` can't be read: {error}\n\nhint: name another one with `-i FILE`; it has one `host:port` on each line"
        ))
    })?;
    let servers = inventory::parse(&name, &text, &Surroundings::default())
        .map_err(|report| Failure::Configuration(Box::new(report)))?;
    // What comes through a pipe can be read once.
    let is_followed = fs::metadata(&inventory_path).is_ok_and(|data| data.is_file());
    let mut introduction = introduction(servers.len());
    if is_followed {
        introduction.push_str(&format!("; `{name}` is followed: who is added joins, who is gone leaves"));
    }
    let inventory = is_followed.then(|| Inventory {
        file: inventory_path,
        base_dir: PathBuf::new(),
        content: text.into(),
    });
    let model = commandline::duplicate::duplicate(servers, inventory, port, metrics_port);
    let model = model.map_err(Failure::usage)?;
    let extras = Extras { introduction: Some(introduction), ..Extras::default() };
    lifetime::on_control_thread(lifetime::run_with(&model, extras))
}

/// What becomes of which method.
fn introduction(servers: usize) -> String {
    let (last, others) = DUPLICATED.split_last().unwrap_or((&"", &[]));
    format!(
        "{} and {last} go to every one of {servers} servers, the first success is the answer, and what failed is \
         tried again from memory; GET, HEAD, OPTIONS and the rest go to one server in turn",
        others.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_place_in_the_line_at_the_start() {
        let line = introduction(3);
        assert!(line.starts_with("POST, PUT, PATCH and DELETE go to every one of 3 servers"), "{line}");
        assert!(line.contains("GET, HEAD, OPTIONS and the rest go to one server in turn"), "{line}");
    }
}
