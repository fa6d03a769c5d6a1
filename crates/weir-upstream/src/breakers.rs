//! What requests find out about a server, and what is held against it.
//!
//! Whoever sends requests says how each went, from whichever worker. The breaker of the server counts; when it opens or
//! closes, the bell of the upstream is rung, and whoever keeps the upstream decides what becomes of the server
//! ([`Ejection`](weir_core::health::Ejection)). While all goes well this costs one look at a word that nobody writes; where
//! a share of failures is watched too, one count per answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use weir_core::health::{Breaker, EjectionRule, Fault, Round, Trial, TripWhy};

use crate::io::deadline::now;

/// How the servers of an upstream are watched.
#[derive(Debug)]
pub struct Breakers {
    /// When one is ejected.
    pub rule: EjectionRule,
    begun: Instant,
    bell: Notify,
}

impl Breakers {
    /// By this rule.
    pub fn new(rule: EjectionRule) -> Self {
        Self { rule, begun: now(), bell: Notify::new() }
    }

    /// A moment as all that is watched counts time.
    pub fn time(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begun)
    }

    /// The moment of such a time; `None` for one that no clock reaches.
    pub fn at(&self, time: Duration) -> Option<Instant> {
        self.begun.checked_add(time)
    }

    /// Waits until a breaker has opened or closed; at once if one has since the last time. For one who waits. Cancel safe.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// What is held against one server.
#[derive(Debug)]
pub struct ServerBreaker {
    /// How it is watched.
    pub of: Arc<Breakers>,
    /// Whether it is asked.
    pub breaker: Breaker,
    /// Ejections, by [`TripWhy::index`].
    ejections: [AtomicU64; TripWhy::NAMES.len()],
}

impl ServerBreaker {
    /// A server against which nothing is held.
    pub fn new(of: Arc<Breakers>) -> Self {
        Self { of, breaker: Breaker::default(), ejections: Default::default() }
    }

    /// A request of this round has got an answer with this status. `sheds_load` is asked of a 503: whether it has a Retry-After.
    #[inline]
    pub(crate) fn answered(&self, round: Round, status: u16, sheds_load: impl FnOnce() -> bool) {
        if status < 400 || !self.of.rule.on.statuses.contains(status) {
            let closed = self.breaker.succeeded(&self.of.rule.breaker, round, || self.of.time(now()));
            self.ring_if(closed);
        } else if !(status == 503 && sheds_load()) {
            self.failed(round, Fault::Status(status));
        }
    }

    /// A request has failed.
    #[cold]
    pub(crate) fn failed(&self, round: Round, fault: Fault) {
        if self.of.rule.on.count(fault) {
            let opened = self.breaker.failed(&self.of.rule.breaker, round, fault, || self.of.time(now()));
            self.ring_if(opened);
        }
    }

    /// An answer that had begun has broken.
    #[cold]
    pub(crate) fn broke(&self, round: Round, fault: Fault) {
        if self.of.rule.on.count(fault) {
            let opened = self.breaker.broke(&self.of.rule.breaker, round, fault, || self.of.time(now()));
            self.ring_if(opened);
        }
    }

    /// Whether a request may go to it, unless another one is quicker.
    #[inline]
    pub(crate) fn admits(&self) -> bool {
        self.breaker.admits(&self.of.rule.breaker)
    }

    /// Lets a request through: with the right to try it, where it has to be tried. `None` when as many try it as may.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Option<Trial>> {
        if !self.breaker.is_half_open() {
            return Some(None);
        }
        match self.breaker.try_it(&self.of.rule.breaker) {
            Some(trial) => Some(Some(trial)),
            // Its trials may have ended just now.
            None => (!self.breaker.is_half_open()).then_some(None),
        }
    }

    /// Counts an ejection.
    pub(crate) fn count(&self, why: TripWhy) {
        self.ejections[why.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// Ejections since the process began, in the order of [`TripWhy::NAMES`].
    pub fn ejections(&self) -> [u64; TripWhy::NAMES.len()] {
        std::array::from_fn(|index| self.ejections[index].load(Ordering::Relaxed))
    }

    fn ring_if(&self, changed: bool) {
        if changed {
            self.of.bell.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::pin::pin;

    use weir_core::health::{BreakerState, Faults};

    use super::*;

    fn held(on: Faults) -> ServerBreaker {
        ServerBreaker::new(Arc::new(Breakers::new(EjectionRule { on, ..EjectionRule::default() })))
    }

    fn is_open(held: &ServerBreaker) -> bool {
        matches!(held.breaker.state(), BreakerState::Open(_))
    }

    #[tokio::test(start_paused = true)]
    async fn the_bell_is_rung_once_and_is_not_lost_when_nobody_waits() {
        let held = held(Faults::default());
        for _ in 0..20 {
            held.failed(Round::default(), Fault::Reset);
        }
        assert!(is_open(&held));
        held.of.rung().await;
        let again = tokio::time::timeout(Duration::from_secs(60), pin!(held.of.rung())).await;
        assert!(again.is_err(), "rung twice");
    }

    #[tokio::test]
    async fn a_503_that_says_when_to_come_again_counts_neither_way() {
        let held = held(Faults::default());
        for _ in 0..4 {
            held.answered(Round::default(), 503, || false);
        }
        for _ in 0..20 {
            held.answered(Round::default(), 503, || true);
        }
        assert!(!is_open(&held));
        held.answered(Round::default(), 503, || false);
        assert!(is_open(&held), "the row went on");
    }

    #[tokio::test]
    async fn what_is_not_written_is_no_failure() {
        let held = held(Faults::NONE.with(Fault::Status(404)));
        for _ in 0..20 {
            held.failed(Round::default(), Fault::Reset);
            held.broke(Round::default(), Fault::Reset);
            held.answered(Round::default(), 503, || false);
            held.answered(Round::default(), 500, || false);
        }
        assert!(!is_open(&held));
        for _ in 0..5 {
            held.answered(Round::default(), 404, || false);
        }
        assert!(is_open(&held));
    }

    #[tokio::test]
    async fn other_answers_begin_a_new_row() {
        let held = held(Faults::default());
        for status in [200, 404, 500, 304, 101] {
            for _ in 0..4 {
                held.failed(Round::default(), Fault::Unreachable);
            }
            held.answered(Round::default(), status, || false);
            assert!(!is_open(&held), "{status}");
        }
    }
}
