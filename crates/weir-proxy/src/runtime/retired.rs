//! Configurations that were in force: freed when nobody works by them any more, and by nobody who serves requests.
//!
//! Freeing ten thousand routes takes milliseconds. Whoever was the last to work by them (a worker, with the end of an exchange) would
//! stand still for so long; so they are held here until nobody else holds them.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use weir_upstream::io::deadline::pause;

use super::snapshot::Snapshot;

/// How often it is looked who is still needed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Retired {
    snapshots: Mutex<Vec<Arc<Snapshot>>>,
    more: Notify,
}

impl Retired {
    /// One more.
    pub(super) fn add(&self, snapshot: Arc<Snapshot>) {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).push(snapshot);
        self.more.notify_one();
    }

    /// How many somebody else holds.
    pub(super) fn held(&self) -> u64 {
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.iter().filter(|snapshot| Arc::strong_count(snapshot) > 1).count() as u64
    }

    /// Takes out those that nobody else holds. Says whether there are others.
    fn sort(&self) -> (Vec<Arc<Snapshot>>, bool) {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can take hold of one anew: it is published no more.
        let free = snapshots.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1).collect();
        (free, !snapshots.is_empty())
    }
}

/// Frees what nobody needs, for as long as somebody else holds the list.
pub(super) async fn watch(retired: Weak<Retired>) {
    loop {
        let Some(list) = retired.upgrade() else { return };
        let (free, are_others) = list.sort();
        drop(free);
        if are_others {
            drop(list);
            pause(LOOK_INTERVAL).await;
        } else {
            list.more.notified().await;
        }
    }
}
