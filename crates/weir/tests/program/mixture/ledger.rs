//! What clients were told and what servers got, held against each other when nothing is on its way any more.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Servers that are asked together.
pub(crate) const SERVERS: usize = 3;

/// The books of one mixture.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    acknowledged: Mutex<Vec<u64>>,
    received: [Mutex<HashSet<u64>>; SERVERS],
    delayed: Mutex<HashSet<u64>>,
    complaints: Mutex<Vec<String>>,
    /// Requests that were answered and of which a mirror may have a copy.
    pub(crate) mirrored: AtomicU64,
    /// Copies that a mirror got.
    pub(crate) copies: AtomicU64,
}

impl Ledger {
    /// A client was told that this write was taken.
    pub(super) fn acknowledge(&self, id: u64) {
        locked(&self.acknowledged).push(id);
    }

    /// A server got this write.
    pub(super) fn receive(&self, place: usize, id: u64) {
        locked(&self.received[place]).insert(id);
    }

    /// Whether this is the first time that somebody asks for this.
    pub(super) fn is_first(&self, id: u64) -> bool {
        locked(&self.delayed).insert(id)
    }

    /// A server saw what no client sent like that.
    pub(super) fn complain(&self, of: String) {
        let mut complaints = locked(&self.complaints);
        // One tells everything.
        if complaints.len() < 10 {
            complaints.push(of);
        }
    }

    /// Closes the books: every server has every acknowledged write, and none has seen anything strange. Gives the number of writes.
    ///
    /// # Panics
    /// When that is not so.
    pub(crate) fn close(&self) -> usize {
        let complaints = locked(&self.complaints);
        assert!(complaints.is_empty(), "servers got what nobody sent: {complaints:#?}");
        let acknowledged = std::mem::take(&mut *locked(&self.acknowledged));
        for (place, received) in self.received.iter().enumerate() {
            let received = std::mem::take(&mut *locked(received));
            let lost: Vec<_> = acknowledged.iter().filter(|id| !received.contains(id)).take(10).collect();
            assert!(lost.is_empty(), "server {place} never got {lost:x?}, which were acknowledged");
        }
        locked(&self.delayed).clear();
        acknowledged.len()
    }

    pub(super) fn count_mirrored(&self) {
        self.mirrored.fetch_add(1, Relaxed);
    }

    pub(super) fn count_copy(&self) {
        self.copies.fetch_add(1, Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
