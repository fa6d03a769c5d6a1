//! The form of a line as it runs: one of the structured ones, or a sentence for people.

use weir_config::model::{AccessLog, AccessLogFormat};

use super::line::{self, Entry};
use super::plain::Plain;

/// How lines are written.
#[derive(Debug)]
pub enum Form {
    /// `common`, `combined` or `json`.
    Structured(AccessLogFormat),
    /// A sentence.
    Plain(Plain),
}

impl Form {
    /// The form that a configuration asks for; `None` when it wants no lines.
    pub fn of(log: &AccessLog) -> Option<Self> {
        match log {
            AccessLog::Off => None,
            AccessLog::On { format, .. } => Some(Self::Structured(*format)),
            AccessLog::Plain { line, .. } => Some(Self::Plain(Plain::new(line))),
        }
    }

    /// Appends the line of a request with its line end.
    pub fn write(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Structured(format) => line::write(*format, entry, out),
            Self::Plain(plain) => plain.write(entry, out),
        }
    }
}
