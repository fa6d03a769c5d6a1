//! Everybody who waits for the same thing.
//!
//! A source of bytes wakes only whoever asked it last. Readers in several tasks all wait for it, and the one that asked last
//! may be dropped, or may look elsewhere when it is woken; so the source gets a waker that wakes all of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use smallvec::SmallVec;

/// The tasks that wait. Each is woken once and then registers again.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    // Only readers of one replay come here, and the thread of the source or of its file: nobody waits for this lock.
    wakers: Mutex<SmallVec<[Waker; 2]>>,
}

impl Waiters {
    /// Adds a task, once.
    pub(super) fn register(&self, waker: &Waker) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|other| other.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    /// Wakes all but `own`, who knows already.
    pub(super) fn wake_others(&self, own: Option<&Waker>) {
        let wakers = std::mem::take(&mut *self.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in wakers {
            if !own.is_some_and(|own| own.will_wake(&waker)) {
                waker.wake();
            }
        }
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.wake_others(None);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_others(None);
    }
}
