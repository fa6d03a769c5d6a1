//! The time of a queue: that of 1970, but it never goes back while the process lives.
//!
//! `keep` counts over restarts, so the moments in a file are those of the calendar. Waiting must not stop when somebody sets
//! the clock of the machine, so after the start only the monotonic clock moves it on.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The clock of one queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Duration,
    at: Instant,
}

impl Clock {
    /// One that agrees with the machine's now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock module of the queue")]
    pub(super) fn new() -> Self {
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { start, at: Instant::now() }
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock module of the queue")]
    pub(super) fn now(&self) -> Duration {
        self.start + Instant::now().saturating_duration_since(self.at)
    }

    /// Waits until this time; for ever without one.
    #[expect(clippy::disallowed_methods, reason = "this is the clock module of the queue")]
    pub(super) async fn wait(&self, until: Option<Duration>) {
        match until {
            Some(until) => tokio::time::sleep_until(self.at + until.saturating_sub(self.start)).await,
            None => std::future::pending().await,
        }
    }
}
