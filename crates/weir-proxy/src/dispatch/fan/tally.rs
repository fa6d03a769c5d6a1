//! What became of a copy, counted once and however it ends: also when its exchange is dropped in the middle.

use std::sync::Arc;

use weir_core::dispatch::Mode;
use weir_core::ports::CopyOutcome;

use crate::runtime::counters::WorkerCounters;

/// Counts its copy when it is dropped.
#[derive(Debug)]
pub(super) struct Tally {
    counters: Arc<WorkerCounters>,
    mode: Mode,
    outcome: CopyOutcome,
}

impl Tally {
    /// For a copy that begins. Unless something else is said, its answer was not wanted.
    pub(super) fn new(counters: &Arc<WorkerCounters>, mode: Mode) -> Self {
        Self { counters: Arc::clone(counters), mode, outcome: CopyOutcome::Cancelled }
    }

    /// Says what becomes of it. The last word counts.
    pub(super) fn becomes(&mut self, outcome: CopyOutcome) {
        self.outcome = outcome;
    }

    /// Whether its answer was not wanted, as far as was said.
    pub(super) fn is_cancelled(&self) -> bool {
        self.outcome == CopyOutcome::Cancelled
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.counters.count_copy(self.mode, self.outcome);
    }
}
