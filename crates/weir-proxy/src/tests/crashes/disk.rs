//! What a crash leaves: the rows of writes that were committed, as far as later changes were written too.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use weir_core::queue::{Burial, Effect, Ledger, Restored, Sequence, ServerId};

/// Whoever finds something wrong while he holds it must not hide that behind a second panic.
pub(super) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A write as it is stored.
pub(super) struct Row {
    pub accepted: Duration,
    pub head: Bytes,
    pub body: Bytes,
    pub trailers: Bytes,
    /// The servers that it is not settled with, by their numbers.
    pub targets: BTreeMap<usize, (Option<Burial>, Duration)>,
}

/// A write that was committed at some time. No part of the disk, but of what the test knows.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub sequence: Sequence,
    pub request: usize,
    /// Which servers get a live copy.
    pub live: Vec<usize>,
    /// In which life.
    pub life: usize,
}

#[derive(Default)]
pub(super) struct Disk {
    pub rows: BTreeMap<Sequence, Row>,
    pub last: u64,
    pub commits: Vec<Commit>,
}

impl Disk {
    /// One change, as the ledger has told it.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Settled { sequence, server } => {
                if let Some(row) = self.rows.get_mut(&sequence) {
                    row.targets.remove(&server.index());
                }
            }
            Effect::Gone { sequence } => {
                let row = self.rows.remove(&sequence);
                assert!(row.is_none_or(|row| row.targets.is_empty()), "{sequence} is needed");
            }
            Effect::Buried { sequence, server, burial, at } => {
                if let Some(row) = self.rows.get_mut(&sequence) {
                    row.targets.insert(server.index(), (Some(burial), at));
                }
            }
            Effect::Revived { sequence, server, since } => {
                if let Some(row) = self.rows.get_mut(&sequence) {
                    row.targets.insert(server.index(), (None, since));
                }
            }
        }
    }

    /// Puts everything back that a process finds when it starts.
    pub(super) fn restore(&self, ledger: &mut Ledger) {
        for (sequence, row) in self.rows.iter().filter(|(_, row)| !row.targets.is_empty()) {
            let targets = row
                .targets
                .iter()
                .map(|(server, (burial, since))| (ServerId(*server as u32), *burial, *since));
            let bytes = (row.head.len() + row.body.len() + row.trailers.len()) as u64;
            let (sequence, accepted, targets) = (*sequence, row.accepted, targets.collect());
            ledger.restore(Restored { sequence, accepted, bytes, targets });
        }
    }

    pub(super) fn commit_of(&self, request: usize) -> Option<&Commit> {
        self.commits.iter().find(|commit| commit.request == request)
    }

    /// Whether the row says that the server has yet to get it, or that it is its dead letter.
    pub(super) fn keeps(&self, sequence: Sequence, server: usize) -> bool {
        self.rows.get(&sequence).is_some_and(|row| row.targets.contains_key(&server))
    }

    /// Whether the server has yet to get it.
    pub(super) fn owes(&self, sequence: Sequence, server: usize) -> bool {
        let row = self.rows.get(&sequence);
        row.and_then(|row| row.targets.get(&server)).is_some_and(|(burial, _)| burial.is_none())
    }
}
