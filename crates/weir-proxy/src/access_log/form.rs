//! The form of a line as it runs, and which requests have one.

use weir_config::model::{AccessLog, AccessLogFormat, LineForm};
use weir_core::log_template::{Piece, Told};

use super::entry::Entry;
use super::plain::Plain;
use super::{field, json, line};

/// Statuses from here on are failures.
const FAILED_STATUS: u16 = 400;

/// Which requests have a line, and what it looks like.
#[derive(Debug)]
pub struct Wanted {
    /// Its form.
    pub form: Form,
    /// How many of all random numbers of 32 bits pick a successful request; `None` when all of them have a line.
    picked: Option<u32>,
}

impl Wanted {
    /// What a configuration asks for; `None` when it wants no lines.
    pub fn of(log: &AccessLog) -> Option<Self> {
        let share = match log {
            AccessLog::On { share, .. } => *share,
            AccessLog::Off | AccessLog::Plain { .. } => None,
        };
        // A share is from 0 to 1, so the product is a number of 32 bits.
        let picked = share.map(|share| (share.0 * f64::from(u32::MAX)) as u32);
        Form::of(log).map(|form| Self { form, picked })
    }

    /// Whether a request has a line that got this status, perhaps with a reason of ours.
    pub fn takes(&self, status: u16, reason: Option<&str>) -> bool {
        let Some(picked) = self.picked else { return true };
        reason.is_some() || !(1..FAILED_STATUS).contains(&status) || fastrand::u32(..) < picked
    }
}

/// How lines are written.
#[derive(Debug)]
pub enum Form {
    /// `common`, `combined` or `json`.
    Structured(AccessLogFormat),
    /// As somebody has written it.
    Template(Vec<Piece>),
    /// A JSON object with these fields.
    Fields(Vec<Told>),
    /// A sentence.
    Plain(Plain),
}

impl Form {
    /// The form that a configuration asks for; `None` when it wants no lines.
    fn of(log: &AccessLog) -> Option<Self> {
        match log {
            AccessLog::Off => None,
            AccessLog::On { format: LineForm::Known(format), .. } => Some(Self::Structured(*format)),
            AccessLog::On { format: LineForm::Template(pieces), .. } => Some(Self::Template(pieces.clone())),
            AccessLog::On { format: LineForm::Fields(fields), .. } => Some(Self::Fields(fields.clone())),
            AccessLog::Plain { line, .. } => Some(Self::Plain(Plain::new(line))),
        }
    }

    /// Appends the line of a request with its line end.
    pub fn write(&self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Structured(format) => line::write(*format, entry, out),
            Self::Template(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                        Piece::Value { told, quoted } => field::write(told, *quoted, entry, out),
                    }
                }
                out.push(b'\n');
            }
            Self::Fields(fields) => json::chosen(fields, entry, out),
            Self::Plain(plain) => plain.write(entry, out),
        }
    }
}

#[cfg(test)]
mod tests;
