//! Why a text is not what it should be, without a place: whoever knows where it stood adds that.

use std::error::Error;
use std::fmt;

/// What is wrong with a text and, where we can say it, what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong: lower case, no final period.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Complaint {
    /// A complaint without a hint.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Complaint {
    /// The message, then an empty line and `hint: …` when there is one.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\n\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Error for Complaint {}
