//! Where in JSON a comparison is.

use std::fmt;

use super::path::{At, JsonPath};
use super::secret::{is_secret, masked};

/// Characters of a name that are shown; whoever answers chooses it.
const NAME_CHARACTERS_MAX: usize = 40;

/// Steps of a way that are shown.
const STEPS_MAX: usize = 16;

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
        for (step, at) in self.way.iter().enumerate() {
            if step == STEPS_MAX {
                return f.write_str("…");
            }
            match at {
                // What is in something secret may have secrets for names.
                At::Name(name) if is_secret(name) => {
                    let more = if step + 1 < self.way.len() { "…" } else { "" };
                    return write!(f, ".{}{more}", shortened(name));
                }
                At::Name(name) if is_simple(name) => write!(f, ".{}", shortened(name))?,
                At::Name(name) => write!(f, "['{}']", shortened(name))?,
                At::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The beginning of a name. A URL may be one, with secrets in it.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARACTERS_MAX) {
        None => masked(name),
        Some((end, _)) => format!("{}…", masked(&name[..end])),
    }
}
