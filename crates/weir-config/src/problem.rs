//! One thing that is wrong or odd in a configuration, and the collector that every step writes into.
//!
//! Steps do not stop at the first problem: they note it, leave the value out and go on, so that one run shows all.

use crate::complaint::Complaint;
use crate::source::Span;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// It is used; somebody should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no final period.
    pub message: String,
    /// Where; `None` when it is about no place in the file.
    pub span: Option<Span>,
    /// What to do about it.
    pub hint: Option<String>,
    /// A second place that belongs to it, and what is there.
    pub other_place: Option<(Span, String)>,
}

impl Problem {
    /// An error at a place.
    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span: Some(span),
            hint: None,
            other_place: None,
        }
    }

    /// A warning at a place.
    pub(crate) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// An error about no place.
    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self { span: None, ..Self::error(Span::default(), message) }
    }

    /// What a text's own parser said of it, with the place.
    pub(crate) fn complaint(span: Span, complaint: Complaint) -> Self {
        Self { hint: complaint.hint, ..Self::error(span, complaint.message) }
    }

    /// The same with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a second place.
    pub(crate) fn beside(mut self, span: Span, label: impl Into<String>) -> Self {
        self.other_place = Some((span, label.into()));
        self
    }
}

/// Problems kept in memory. Far more than are shown: a file that has more than this is not the file that was meant.
const KEPT_MAX: usize = 1000;

/// Problems for which a near word is searched; beyond it nobody reads them, and searching costs the square of the file.
const HINTED_MAX: usize = 100;

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    /// Places that nobody is shown.
    hidden: Vec<Span>,
    dropped: usize,
    errors: usize,
}

impl Problems {
    /// Notes a problem. Beyond the limit it is only counted.
    pub(crate) fn push(&mut self, problem: Problem) {
        if problem.severity == Severity::Error {
            self.errors += 1;
        }
        if self.list.len() < KEPT_MAX {
            self.list.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    /// Keeps what stands at this place out of what people are shown.
    pub(crate) fn hide(&mut self, span: Span) {
        self.hidden.push(span);
    }

    /// The places that nobody is shown.
    pub(crate) fn hidden(&self) -> &[Span] {
        &self.hidden
    }

    /// Whether a search for what was meant is still worth its time.
    pub(crate) fn wants_hints(&self) -> bool {
        self.list.len() < HINTED_MAX
    }

    /// Whether there is an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether something inside `span` was an error already: what is missing there may only be missing because of it,
    /// and complaining about both would send the reader to the wrong place.
    pub(crate) fn has_error_in(&self, span: Span) -> bool {
        self.list.iter().any(|problem| {
            problem.severity == Severity::Error && problem.span.is_none_or(|place| span.holds(place))
        })
    }

    /// The problems in the order of their places, each once, and how many more there were.
    pub(crate) fn into_sorted(mut self) -> (Vec<Problem>, usize) {
        // An alias repeats what its anchor holds, and so its problems: they have the same place and are told once.
        let mut seen = std::collections::HashSet::new();
        self.list.retain(|problem| seen.insert(problem.clone()));
        self.list.sort_by_key(|problem| (problem.span.unwrap_or_default().start, problem.severity));
        (self.list, self.dropped)
    }
}
