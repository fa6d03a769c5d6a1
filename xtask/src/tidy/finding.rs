//! What a rule says when it found something.

use std::fmt;

/// One thing to repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// The file, from the project's root.
    pub path: String,
    /// The line, counted from one; zero for the file as a whole.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Finding {
    /// A finding in a file.
    pub(super) fn new(rule: &'static str, path: &str, line: usize, message: String) -> Self {
        Self { rule, path: path.to_owned(), line, message }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {} [{}]", self.path, self.message, self.rule),
            line => write!(f, "{}:{line}: {} [{}]", self.path, self.message, self.rule),
        }
    }
}
