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
mod tests {
    use std::thread;

    use super::*;

    fn taken(budget: &Budget) -> u64 {
        (0..).take_while(|_| budget.take()).count() as u64
    }

    #[test]
    fn it_starts_full_and_never_gets_fuller() {
        for share in [0.0, 0.05, 1.0] {
            let budget = Budget::new(share);
            (0..1000).for_each(|_| budget.request());
            budget.give_back();
            assert_eq!(taken(&budget), 10, "{share}");
        }
    }

    /// Not by the part of a token either.
    #[test]
    fn what_would_overflow_is_lost() {
        let budget = Budget::new(0.7);
        assert!(budget.take());
        (0..2).for_each(|_| budget.request());
        assert_eq!(taken(&budget), 10);
        budget.request();
        assert_eq!(taken(&budget), 0);
        budget.request();
        assert_eq!(taken(&budget), 1);
    }

    #[test]
    fn requests_bring_their_share() {
        let after = |share: f64, requests: u64| {
            let budget = Budget::new(share);
            taken(&budget);
            (0..requests).for_each(|_| budget.request());
            taken(&budget)
        };
        assert_eq!(after(0.05, 19), 0);
        assert_eq!(after(0.05, 20), 1);
        assert_eq!(after(0.05, 199), 9);
        assert_eq!(after(0.1, 10), 1);
        assert_eq!(after(0.000_001, 999_999), 0);
        assert_eq!(after(0.000_001, 1_000_000), 1);
        assert_eq!(after(0.0, 1000), 0);
        assert_eq!(after(1.0, 3), 3);
    }

    #[test]
    fn shares_that_make_no_sense_do_no_harm() {
        for (share, expected) in
            [(-1.0, 0), (f64::NAN, 0), (f64::NEG_INFINITY, 0), (7.0, 3), (f64::INFINITY, 3)]
        {
            let budget = Budget::new(share);
            taken(&budget);
            (0..3).for_each(|_| budget.request());
            assert_eq!(taken(&budget), expected, "{share}");
        }
    }

    #[test]
    fn a_token_that_comes_back_can_be_taken_again() {
        let budget = Budget::new(0.0);
        assert_eq!(taken(&budget), 10);
        budget.give_back();
        assert_eq!(taken(&budget), 1);
    }

    /// All workers ask at the same time; nobody gets a token twice, and none is lost.
    #[test]
    fn it_is_never_exceeded_by_many_at_a_time() {
        const THREADS: u64 = 4;
        const REQUESTS: u64 = 50_000;
        let budget = Budget::new(0.05);
        let launched: u64 = thread::scope(|scope| {
            let worker = || {
                (0..REQUESTS)
                    .map(|number| {
                        budget.request();
                        let taken = budget.take();
                        // Some find no server for it.
                        if taken && number % 3 == 0 {
                            budget.give_back();
                            return 0;
                        }
                        u64::from(taken)
                    })
                    .sum::<u64>()
            };
            let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().map(|worker| worker.join().expect("no worker panics")).sum()
        });
        let left = taken(&budget);
        // Exactly, but for what the full budget did not take: at most the ten at the start.
        let earned = THREADS * REQUESTS / 20;
        assert!(launched + left <= 10 + earned, "{launched} launched, {left} left, {earned} earned");
        assert!(launched + left >= earned, "{launched} launched, {left} left, {earned} earned");
    }
}
