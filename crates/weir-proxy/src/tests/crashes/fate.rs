//! When the process dies: behind one of the steps that everybody here counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

/// What becomes of one life of the process.
pub(super) struct Fate {
    steps: AtomicUsize,
    /// The last step that it sees.
    last: usize,
    is_dead: AtomicBool,
    died: Notify,
}

impl Fate {
    /// It dies behind so many steps, or lives to its end.
    pub(super) fn new(last: Option<usize>) -> Arc<Self> {
        let last = last.unwrap_or(usize::MAX);
        Arc::new(Self {
            steps: AtomicUsize::new(0),
            last,
            is_dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// Something has happened.
    pub(super) fn step(&self) {
        if self.steps.fetch_add(1, Relaxed) == self.last {
            self.is_dead.store(true, Relaxed);
            self.died.notify_one();
        }
    }

    /// Whatever the process does now has not happened.
    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Relaxed)
    }

    pub(super) async fn died(&self) {
        self.died.notified().await;
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> usize {
        self.steps.load(Relaxed)
    }
}
