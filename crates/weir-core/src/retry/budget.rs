//! How many requests an upstream may repeat.
//!
//! A repeat is load that nobody asked for. When servers fail because they have too much to do, repeats give them more; so
//! repeats are paid for, with a share of the clients' requests and a little that comes with time. Servers then get at most so
//! much more than their clients send, whatever happens.
//!
//! What has been earned is not stored but calculated, from the number of requests and the clock, and only when somebody wants
//! to repeat. So a request that goes well pays for nothing but being counted, and what has been spent is one atomic number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Parts of a repeat, so that shares add up without rounding away. A microsecond at one repeat per second is one part.
const REPEAT: u64 = 1_000_000;

/// How much of what was earned and not used may be used at once: what comes in so much time. It pays for the requests that a
/// server takes along when it dies.
const RESERVE_MICROS: u64 = 10_000_000;

/// What repeats are paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BudgetRule {
    /// What each request adds, in millionths of a repeat.
    pub share_millionths: u32,
    /// What each second adds, in repeats: what a proxy with few requests has for them.
    pub least: u32,
}

impl Default for BudgetRule {
    /// 20 % of the requests, and 10 per second.
    fn default() -> Self {
        Self { share_millionths: 200_000, least: 10 }
    }
}

/// The repeats of one upstream, over all workers.
///
/// After any number of requests, at most `requests × share + (time + 10 s) × least` were taken; and in any time, at most what
/// was earned in it, and the *reserve*: what is earned in 10 s, on the average since the beginning. However many threads ask
/// at the same time, and without a lock.
#[derive(Debug)]
pub struct RetryBudget {
    rule: BudgetRule,
    begun: Duration,
    requests: AtomicU64,
    /// In parts. What was earned and could not be kept counts as spent.
    spent: AtomicU64,
}

impl RetryBudget {
    /// One whose reserve is full. `begun` is now, counted from a moment that is the same for all callers.
    pub fn new(rule: BudgetRule, begun: Duration) -> Self {
        Self { rule, begun, requests: AtomicU64::new(0), spent: AtomicU64::new(0) }
    }

    /// Its rule.
    pub fn rule(&self) -> BudgetRule {
        self.rule
    }

    /// A request of a client came. Returns how many came before it.
    #[inline]
    pub fn request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a repeat; false when there is none.
    pub fn take(&self, now: Duration) -> bool {
        let (earned, reserve) = self.earned(now);
        let pay = |spent: u64| {
            let spent = spent.max(earned.saturating_sub(reserve)).saturating_add(REPEAT);
            (spent <= earned).then_some(spent)
        };
        self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok()
    }

    /// What has been earned since the beginning, and the reserve.
    fn earned(&self, now: Duration) -> (u64, u64) {
        let micros = u64::try_from(now.saturating_sub(self.begun).as_micros()).unwrap_or(u64::MAX);
        let least = u64::from(self.rule.least);
        let share = u64::from(self.rule.share_millionths);
        let at_first = least * RESERVE_MICROS;
        let by_time = least.saturating_mul(micros);
        let by_requests = self.requests.load(Ordering::Relaxed).saturating_mul(share);
        let average =
            u128::from(by_requests) * u128::from(RESERVE_MICROS) / u128::from(micros.max(RESERVE_MICROS));
        let reserve = u64::try_from(average).unwrap_or(u64::MAX).saturating_add(at_first);
        // One can always be kept, or a proxy that is hardly used could never pay.
        (at_first.saturating_add(by_time).saturating_add(by_requests), reserve.max(REPEAT))
    }
}

#[cfg(test)]
mod tests;
