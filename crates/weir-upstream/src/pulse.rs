//! Whether a thread that serves clients still comes to what it does at regular times: what a watchdog asks of all of them.
//!
//! The thread says by when it comes again at the latest, and whoever looks from outside sees by how much it is overdue. One that hangs
//! says nothing any more, which is all that there is to see. It costs the thread one word, once in a second.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::io::deadline::now;

/// Where the time of all threads begins; the first of them has made it.
static BEGINNING: LazyLock<Instant> = LazyLock::new(now);

/// See the module. One thread writes it, and everybody reads.
#[derive(Debug, Default)]
pub struct Pulse {
    /// When it is due again at the latest, in nanoseconds since the beginning; 0 while it has not begun, and at its end.
    due_nanos: AtomicU64,
}

impl Pulse {
    /// The thread comes to it within this time.
    pub fn expect(&self, period: Duration) {
        self.due_nanos.store(nanos_since_beginning(now() + period), Ordering::Relaxed);
    }

    /// The thread comes to it no more.
    pub fn end(&self) {
        self.due_nanos.store(0, Ordering::Relaxed);
    }

    /// By how much it is overdue.
    pub fn overdue(&self) -> Duration {
        match self.due_nanos.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            due => Duration::from_nanos(nanos_since_beginning(now()).saturating_sub(due)),
        }
    }
}

fn nanos_since_beginning(now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(*BEGINNING).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that hung in its first second was never late, because it had never been on time.
    #[test]
    fn a_thread_that_never_comes_to_it_is_overdue_too() {
        let pulse = Pulse::default();
        assert_eq!(pulse.overdue(), Duration::ZERO);
        pulse.expect(Duration::from_millis(1));
        // Far longer than a millisecond.
        let is_overdue = (0..10_000_000).any(|_| {
            std::thread::yield_now();
            !pulse.overdue().is_zero()
        });
        assert!(is_overdue);
        pulse.end();
        assert_eq!(pulse.overdue(), Duration::ZERO);
    }
}
