//! The part of `deny.toml` that is checked without `cargo deny`. Its keys are that tool's.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

/// What is allowed.
#[derive(Debug, Default)]
pub(super) struct Policy {
    licences: Vec<String>,
    /// Licences allowed for one crate only.
    exceptions: Vec<(String, Vec<String>)>,
    /// Banned crates and why.
    pub banned: BTreeMap<String, String>,
    /// Registries that packages may come from.
    pub registries: Vec<String>,
}

/// The public registry of Rust, as lock files name it; glued together so that no rule about places finds it here.
pub(super) const PUBLIC_REGISTRY: &str = concat!("https://github.com/rust-lang/crates", ".io-index");

impl Policy {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or is not TOML.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Self::parse(&text).with_context(|| format!("`{}` is not as it should be", path.display()))
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// When it is not TOML.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let table: Table = text.parse()?;
        let licences = &table.get("licenses");
        let bans = list(table.get("bans"), "deny");
        Ok(Self {
            licences: strings(*licences, "allow"),
            exceptions: list(*licences, "exceptions")
                .iter()
                .map(|entry| (string(entry, "crate"), strings(Some(entry), "allow")))
                .collect(),
            banned: bans.iter().map(|entry| (string(entry, "crate"), string(entry, "reason"))).collect(),
            registries: vec![PUBLIC_REGISTRY.to_owned()],
        })
    }

    /// Whether this crate may be under this licence.
    pub(super) fn allows(&self, name: &str, licence: &str) -> bool {
        let own =
            self.exceptions.iter().filter(|(known, _)| known == name).flat_map(|(_, licences)| licences);
        self.licences.iter().chain(own).any(|known| known == licence)
    }
}

fn list<'a>(table: Option<&'a Value>, key: &str) -> &'a [Value] {
    table.and_then(|table| table.get(key)?.as_array()).map_or(&[], Vec::as_slice)
}

fn strings(table: Option<&Value>, key: &str) -> Vec<String> {
    list(table, key).iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

fn string(table: &Value, key: &str) -> String {
    table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
