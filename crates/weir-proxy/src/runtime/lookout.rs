//! Whether somebody looks on, so that what nobody else needs is measured.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    asked: AtomicBool,
    begun: Notify,
}

impl Lookout {
    /// Somebody asks.
    pub(super) fn look_on(&self) {
        if !self.asked.swap(true, Ordering::Relaxed) {
            self.begun.notify_one();
        }
    }

    /// Whether somebody has asked since the last time.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    /// Waits until somebody asks; perhaps it was asked long ago. Cancel safe.
    pub(super) async fn asked(&self) {
        self.begun.notified().await;
    }
}
