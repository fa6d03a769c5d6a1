//! Whether and how often a request is tried again.

use std::time::Duration;

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryOn {
    /// The server could not be connected to. Passing over it is free and always done; this word only states it.
    ConnectFailure,
    /// The connection broke before the answer's head was whole.
    Reset,
    /// The answer's head did not come in time.
    Timeout,
    /// This status.
    Status(u16),
}

/// The retry policy of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in total, the first included; counts those of which a byte may have been sent. At least 1.
    pub attempts: u32,
    /// What is tried again.
    pub on: Vec<RetryOn>,
    /// Time for each try until the answer's head; `None` leaves it to the upstream's `head` timeout.
    pub per_try_timeout: Option<Duration>,
}

impl Default for RetryPolicy {
    /// One repeat on reset, beside passing over (`semantics.md` §4.4).
    fn default() -> Self {
        Self { attempts: 2, on: vec![RetryOn::ConnectFailure, RetryOn::Reset], per_try_timeout: None }
    }
}
