//! What the program is made of besides its own code, with the licence of each: who ships a binary owes its authors their names.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::workspace;

/// One line for each crate that a build contains.
pub(super) fn list() -> Result<String> {
    let metadata = workspace::metadata(&["--locked"])?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` has no packages")?;
    let built = workspace::built_packages()?;
    let lines: BTreeSet<String> = packages
        .iter()
        .filter(|package| !package["source"].is_null())
        .filter(|package| package["name"].as_str().is_some_and(|name| built.contains(name)))
        .map(line)
        .collect();
    let lines: Vec<String> = lines.into_iter().collect();
    Ok(format!("Crates that are built with weir, and their licences\n\n{}\n", lines.join("\n")))
}

fn line(package: &Value) -> String {
    let word = |key: &str| package[key].as_str().unwrap_or("unknown").to_owned();
    let place = package["repository"].as_str().map(|place| format!("  {place}")).unwrap_or_default();
    format!("{} {}  {}{place}", word("name"), word("version"), word("license"))
}
