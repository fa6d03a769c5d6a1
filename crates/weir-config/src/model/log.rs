//! What is told of requests and of the program itself, to whom it is told, and what clients may say of it.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use weir_core::log_level::Levels;
use weir_core::log_template::{Piece, Told};

/// The operational log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct OperationalLog {
    /// What is told; `None` when nothing is written.
    pub levels: Option<Levels>,
    /// The form of its lines; `None` when nothing is written.
    pub form: Option<OperationalForm>,
}

/// A share, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl Hash for Share {
    /// Equal shares that are not the same bits there are none: zero has no sign here.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// The form of a line of the operational log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum OperationalForm {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Whose word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Believed {
    /// That of every client.
    #[default]
    Anyone,
    /// That of `trusted_proxies`.
    TrustedProxies,
    /// Nobody's.
    Nobody,
}

/// What becomes of request ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestIds {
    /// Whose ids are kept, if they are valid; others get one of ours.
    pub from: Believed,
    /// Whether answers carry the id.
    pub answer: bool,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self { from: Believed::Anyone, answer: true }
    }
}

/// What becomes of `traceparent` and `tracestate`.
#[derive(Debug, Clone, Copy, PartialEq, Hash)]
pub struct Trace {
    /// What is done.
    pub rule: TraceRule,
    /// Whose traces are continued; those of others are as if they were not there.
    pub from: Believed,
    /// The share of traces that begin here which servers are asked to record.
    pub sampled: Share,
}

impl Default for Trace {
    fn default() -> Self {
        Self { rule: TraceRule::Continue, from: Believed::Anyone, sampled: Share(1.0) }
    }
}

/// What is done about traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum TraceRule {
    /// Both fields go on as they came.
    Off,
    /// One that comes is continued, and one that can't be read begun anew.
    #[default]
    Continue,
    /// The same, and one is begun for requests without.
    Begin,
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Hash)]
pub enum AccessLog {
    /// None.
    Off,
    /// One line per request.
    On {
        /// The form of a line.
        format: LineForm,
        /// Where lines go.
        target: LogTarget,
        /// The share of successful requests that have a line; `None` for all. Failures have one always.
        share: Option<Share>,
    },
    /// One sentence for people per request, as `weir race` writes it.
    Plain {
        /// What stands before it.
        line: PlainLine,
        /// Where lines go.
        target: LogTarget,
    },
}

/// The form of a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LineForm {
    /// One that has a name.
    Known(AccessLogFormat),
    /// One that somebody has written.
    Template(Vec<Piece>),
    /// A JSON object with these fields in this order; no field stands twice.
    Fields(Vec<Told>),
}

/// The form of a line that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum AccessLogFormat {
    /// NCSA common, with our fields behind it.
    #[default]
    Common,
    /// Common plus Referer and User-Agent, with our fields behind it.
    Combined,
    /// One JSON object per line.
    Json,
}

/// What stands before the sentence of [`AccessLog::Plain`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlainLine {
    /// A text at the begin of each line, with a space behind it; empty for none.
    pub prefix: Box<str>,
    /// The date.
    pub date: bool,
    /// The time of day.
    pub time: bool,
    /// The time of day with microseconds.
    pub microseconds: bool,
    /// Both in UTC, and not as the clocks of this place show them.
    pub utc: bool,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(PathBuf),
}
