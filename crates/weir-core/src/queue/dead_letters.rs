//! The dead letters of a queue that wait for nobody any more, and which of them may be forgotten.
//!
//! A write that all of its servers have refused was acknowledged by none, so no client was told that it is kept: those go first
//! when there are too many. Any other may have been acknowledged, and `semantics.md` §3.3 promises that it is here.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::{Full, QueueLimits};
use super::write::{Sequence, Write};

/// The dead letters.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    writes: BTreeMap<Sequence, Write>,
    bytes: u64,
    /// Those of them that all servers have refused.
    refused: BTreeSet<Sequence>,
    refused_bytes: u64,
}

impl DeadLetters {
    pub(super) fn get(&self, sequence: Sequence) -> Option<&Write> {
        self.writes.get(&sequence)
    }

    pub(super) fn all(&self) -> &BTreeMap<Sequence, Write> {
        &self.writes
    }

    /// How many must be kept, with their bytes, and how many all servers have refused.
    pub(super) fn counts(&self) -> ((usize, u64), (usize, u64)) {
        let refused = (self.refused.len(), self.refused_bytes);
        ((self.writes.len() - refused.0, self.bytes - refused.1), refused)
    }

    pub(super) fn insert(&mut self, sequence: Sequence, write: Write) {
        self.bytes += write.bytes;
        if write.is_refused_by_all() {
            self.refused_bytes += write.bytes;
            self.refused.insert(sequence);
        }
        self.writes.insert(sequence, write);
    }

    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Write> {
        let write = self.writes.remove(&sequence)?;
        self.bytes -= write.bytes;
        if self.refused.remove(&sequence) {
            self.refused_bytes -= write.bytes;
        }
        Some(write)
    }

    /// Whether there are more than their bounds allow.
    pub(super) fn is_beyond(&self, limits: &QueueLimits) -> bool {
        self.bytes > limits.dead_bytes_max || self.writes.len() > limits.dead_writes_max
    }

    /// Whether those that may not be forgotten leave no room for others.
    pub(super) fn is_full(&self, limits: &QueueLimits) -> bool {
        let ((writes, bytes), _) = self.counts();
        bytes >= limits.dead_bytes_max || writes >= limits.dead_writes_max
    }

    /// The one to forget when there are too many: the oldest that all servers have refused, then, with `full: drop_oldest`, the
    /// oldest. Never `newest`, however large it is: a dead letter that nobody has had time to look at is of no use.
    pub(super) fn to_forget(&self, newest: Sequence, full: Full) -> Option<Sequence> {
        let refused = self.refused.iter().copied().find(|sequence| *sequence != newest);
        refused.or_else(|| match full {
            Full::Reject => None,
            Full::DropOldest => self.writes.keys().copied().find(|sequence| *sequence != newest),
        })
    }

    #[cfg(test)]
    pub(super) fn check(&self, seed: u64) {
        let refused = || self.writes.iter().filter(|(_, write)| write.is_refused_by_all());
        let bytes: u64 = self.writes.values().map(|write| write.bytes).sum();
        assert_eq!(self.bytes, bytes, "seed {seed}");
        assert!(refused().map(|(sequence, _)| sequence).eq(&self.refused), "seed {seed}");
        let bytes: u64 = refused().map(|(_, write)| write.bytes).sum();
        assert_eq!(self.refused_bytes, bytes, "seed {seed}");
    }
}
