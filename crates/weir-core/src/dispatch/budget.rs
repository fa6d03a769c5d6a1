//! How many hedges a route may launch.
//!
//! A hedge is a request that nobody asked for. When all servers become slow at once, every request would have one, and the
//! load would double just when it hurts. So hedges are paid for with tokens that the clients' requests bring in.

use std::sync::atomic::{AtomicU64, Ordering};

/// Parts of a token, so that shares of a token add up without rounding away.
const TOKEN: u64 = 1_000_000;
/// The most tokens there are, also at the start (`semantics.md` §3.5).
const FULL: u64 = 10 * TOKEN;

/// The tokens of one route, shared by all workers.
///
/// After any number of requests, at most 10 + requests × share hedges were launched, however many threads ask at the same
/// time. No lock; while the budget is full, a request only reads.
#[derive(Debug)]
pub struct Budget {
    tokens: AtomicU64,
    share: u64,
}

impl Budget {
    /// A full one. `share` is what a request adds, in tokens; below 0 or no number counts as 0, above 1 as 1.
    pub fn new(share: f64) -> Self {
        // A float becomes an integer by saturation: what is no number becomes 0.
        let share = (share.clamp(0.0, 1.0) * TOKEN as f64).round() as u64;
        Self { tokens: AtomicU64::new(FULL), share }
    }

    /// A request of a client came.
    pub fn request(&self) {
        self.add(self.share);
    }

    /// Takes a token for a hedge; false when there is none.
    pub fn take(&self) -> bool {
        let less = |tokens: u64| tokens.checked_sub(TOKEN);
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Brings back the token of a hedge of which nothing was sent.
    pub fn give_back(&self) {
        self.add(TOKEN);
    }

    fn add(&self, parts: u64) {
        let more = |tokens: u64| (parts > 0 && tokens < FULL).then(|| (tokens + parts).min(FULL));
        // Nothing to add, or full already.
        let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

#[cfg(test)]
mod tests;
