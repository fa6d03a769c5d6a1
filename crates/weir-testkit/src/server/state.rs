//! What a scripted server has seen, which its threads and the test share.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::message::Message;
use crate::socket::PATIENCE;

#[derive(Default)]
pub(super) struct State {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct Seen {
    pub requests: Vec<Message>,
    pub connections: usize,
    /// Connections whose function has returned.
    pub ended: usize,
    pub failures: Vec<String>,
    /// Why handshakes of TLS failed.
    pub refusals: Vec<String>,
    pub closing: bool,
}

impl State {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.changed.notify_all();
    }

    /// Waits until there are so many.
    pub(super) fn wait(&self, what: &str, count: usize, of: impl Fn(&Seen) -> usize) {
        let waited = self.changed.wait_timeout_while(self.seen(), PATIENCE, |seen| of(seen) < count);
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let found = of(&seen);
        drop(seen);
        assert!(found >= count, "{found} {what} instead of {count}");
    }
}
