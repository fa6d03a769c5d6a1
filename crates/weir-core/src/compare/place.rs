//! Where in JSON a comparison is.

use std::fmt;

use super::path::{At, JsonPath};
use super::shown::is_secret;

/// A way from the root to a value, and what is passed over on it.
pub(super) struct Place<'a> {
    way: Vec<At<'a>>,
    ignored: &'a [JsonPath],
}

impl<'a> Place<'a> {
    /// The root.
    pub(super) fn new(ignored: &'a [JsonPath]) -> Self {
        Self { way: Vec::new(), ignored }
    }

    pub(super) fn is_ignored(&self) -> bool {
        self.ignored.iter().any(|path| path.is(&self.way))
    }

    /// Whether it is in something that has the name of a secret.
    pub(super) fn is_secret(&self) -> bool {
        self.way.iter().any(|at| matches!(at, At::Name(name) if is_secret(name)))
    }

    pub(super) fn enter_name(&mut self, name: &'a str) {
        self.way.push(At::Name(name));
    }

    pub(super) fn enter_index(&mut self, index: usize) {
        self.way.push(At::Index(index));
    }

    pub(super) fn leave(&mut self) {
        self.way.pop();
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        let is_simple = |name: &str| {
            !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || character == '_')
        };
        for at in &self.way {
            match at {
                At::Name(name) if is_simple(name) => write!(f, ".{name}")?,
                At::Name(name) => write!(f, "['{name}']")?,
                At::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
