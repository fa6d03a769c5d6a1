//! The one list of exceptions from the rules. It may only shrink: an entry that excuses nothing is an error.

use super::finding::Finding;

/// A finding that stays, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exception {
    /// The rule's name.
    pub rule: &'static str,
    /// The file, from the project's root.
    pub path: &'static str,
    /// How the message begins, up to the end of a word; empty for every finding of this rule in this file.
    pub about: &'static str,
    /// Why the rule does not hold here. Read by people only.
    #[expect(dead_code, reason = "for the reader of the list")]
    pub reason: &'static str,
}

impl Exception {
    /// Whether this entry excuses the finding.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        let about = finding.message.strip_prefix(self.about);
        self.rule == finding.rule
            && self.path == finding.path
            && about.is_some_and(|rest| self.about.is_empty() || rest.starts_with([' ', ':', ',']))
    }
}

/// All of them.
pub(super) const EXCEPTIONS: &[Exception] = &[];
