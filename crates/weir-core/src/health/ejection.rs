//! Taking a server out that fails its requests, and letting it back.
//!
//! The breaker of a server is opened by whoever sees it fail. What that means is decided here, in one place for each pool: a
//! server is *ejected* for a while, the longer the more often it was ejected lately; then it is *tried*; and it is *back* when
//! its trials have succeeded. Only a part of a pool may be out at a time, because what fails everywhere is mostly no fault
//! of servers, and what is left must carry the load. A part so small that it is no server is one server; but a server that is
//! alone is never ejected: asking it is all that can be done.

use std::time::Duration;

use super::breaker::{Breaker, BreakerRule, BreakerState, Trip};
use super::fault::Faults;

/// When servers of a pool are ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EjectionRule {
    /// When a breaker opens, and when it closes again.
    pub breaker: BreakerRule,
    /// What counts as a failure.
    pub on: Faults,
    /// How long a first ejection lasts; the second one lately twice as long, and so on. Each such time without an ejection
    /// takes one back.
    pub time: Duration,
    /// How long one lasts at most.
    pub time_max: Duration,
    /// Of a thousand servers of a pool so many may be out at a time; one may always be, where it is not alone.
    pub at_most_per_mille: u32,
}

impl Default for EjectionRule {
    /// What holds for an upstream that says nothing: five failures in a row, at most half of the servers.
    fn default() -> Self {
        Self {
            breaker: BreakerRule { consecutive: Some(5), share: None, trials: 3 },
            on: Faults::default(),
            time: Duration::from_secs(10),
            time_max: Duration::from_secs(300),
            at_most_per_mille: 500,
        }
    }
}

impl EjectionRule {
    /// Whether one more server may be out where so many are, of a pool of so many.
    pub fn has_room(&self, out: usize, servers: usize) -> bool {
        let allowed = servers.saturating_mul(self.at_most_per_mille as usize) / 1000;
        servers > 1 && out < allowed.max(1)
    }

    fn time(&self, times: u32) -> Duration {
        self.time.saturating_mul(times).min(self.time_max)
    }
}

/// Where a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It takes part.
    In {
        /// Since when.
        since: Duration,
        /// Until when it was spared last.
        spared_until: Option<Duration>,
    },
    /// It would be out if not so many others were.
    Spared {
        /// Its failures are not held against it any more then.
        until: Duration,
        /// Since when it takes part.
        since: Duration,
    },
    /// It gets nothing.
    Out {
        /// Since when.
        since: Duration,
        /// It is tried then.
        until: Duration,
        /// Whether checks that have passed since say enough, also if none of them has failed.
        is_of_connection: bool,
        /// Whether a check fails that is not older, or has failed since.
        has_failed_checks: bool,
        /// Checks in a row that have begun since and passed.
        passed: u32,
    },
    /// Some requests try it.
    Tried,
}

/// A check of a server, as it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// When it was begun: what a server said before it failed its requests is no news.
    pub begun: Duration,
    /// Whether the server was as it should be.
    pub has_passed: bool,
    /// Whether checks say by now that the server is well: as many as it takes have passed.
    pub is_well: bool,
}

/// What became of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EjectionChange {
    /// It gets nothing.
    Ejected {
        /// Why.
        trip: Trip,
        /// How long.
        time: Duration,
        /// How often lately, this one included.
        times: u32,
    },
    /// It would have been ejected, and too many others are.
    Spared {
        /// Why.
        trip: Trip,
    },
    /// Some requests try it.
    Tried,
    /// Its trials have succeeded.
    Returned,
}

/// What one server has behind it. Times are since a fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    phase: Phase,
    /// Ejections lately, as of when it came in.
    times: u32,
    /// Whether a check that was heard of has failed, and it is not well again since.
    fails_checks: bool,
}

impl Ejection {
    /// A server against which nothing speaks.
    pub fn new(now: Duration) -> Self {
        Self { phase: Phase::In { since: now, spared_until: None }, times: 0, fails_checks: false }
    }

    /// Looks what workers have made of its breaker, and what time it is. `has_room` says whether one more server may be
    /// out. To be asked when a worker rings, when it is [`due`](Self::due), and when another server has come back; until it
    /// says nothing more.
    pub fn review(
        &mut self,
        rule: &EjectionRule,
        breaker: &Breaker,
        has_room: bool,
        now: Duration,
    ) -> Option<EjectionChange> {
        match (self.phase, breaker.state()) {
            (Phase::In { .. }, BreakerState::Closed) => None,
            // Nobody but us lets it be tried.
            (Phase::In { .. }, BreakerState::HalfOpen { .. }) => {
                breaker.close();
                None
            }
            (Phase::In { since, .. } | Phase::Spared { since, .. }, BreakerState::Open(trip)) if has_room => {
                self.times = self.recent_times(rule, since, now);
                Some(self.eject(rule, trip, now))
            }
            (Phase::In { since, spared_until }, BreakerState::Open(trip)) => {
                self.phase = Phase::Spared { until: now.saturating_add(rule.time), since };
                // One that goes on failing all the time is told of once.
                let goes_on = spared_until.is_some_and(|until| now < until.saturating_add(rule.time));
                (!goes_on).then_some(EjectionChange::Spared { trip })
            }
            (Phase::Spared { until, .. }, BreakerState::Open(_)) if now < until => None,
            (Phase::Spared { since, until }, _) => {
                breaker.close();
                self.phase = Phase::In { since, spared_until: Some(until) };
                None
            }
            (Phase::Out { until, .. }, _) if now < until => None,
            (Phase::Out { .. }, _) => {
                self.try_it(breaker);
                Some(EjectionChange::Tried)
            }
            (Phase::Tried, BreakerState::HalfOpen { .. }) => None,
            (Phase::Tried, BreakerState::Open(trip)) => Some(self.eject(rule, trip, now)),
            (Phase::Tried, BreakerState::Closed) => {
                self.phase = Phase::In { since: now, spared_until: None };
                Some(EjectionChange::Returned)
            }
        }
    }

    /// When time alone changes something.
    pub fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Out { until, .. } | Phase::Spared { until, .. } => Some(until),
            Phase::In { .. } | Phase::Tried => None,
        }
    }

    /// Whether it gets nothing.
    pub fn is_out(&self) -> bool {
        matches!(self.phase, Phase::Out { .. })
    }

    /// Whether it has yet to show that it can: it is out, or tried.
    pub fn is_doubted(&self) -> bool {
        matches!(self.phase, Phase::Out { .. } | Phase::Tried)
    }

    /// Ejections lately: they grow with each, and one is forgotten in each `time` without.
    pub fn times(&self, rule: &EjectionRule, now: Duration) -> u32 {
        match self.phase {
            Phase::In { since, .. } | Phase::Spared { since, .. } => self.recent_times(rule, since, now),
            Phase::Out { .. } | Phase::Tried => self.times,
        }
    }

    /// A check of it has ended. After `healthy_after` of them that speak for it, it need not wait to be tried. To be told of
    /// all checks while it is out, and of each that ends otherwise than the one before.
    pub fn hear(&mut self, breaker: &Breaker, heard: Heard, healthy_after: u32) -> Option<EjectionChange> {
        // The first that passes after others is not the end of it: requests that began before may fail still.
        self.fails_checks = !heard.has_passed || self.fails_checks && !heard.is_well;
        let is_first = self.times == 1;
        let Phase::Out { since, is_of_connection, has_failed_checks, passed, .. } = &mut self.phase else {
            return None;
        };
        if !heard.has_passed {
            (*has_failed_checks, *passed) = (true, 0);
            return None;
        }
        if heard.begun < *since {
            return None;
        }
        *passed = passed.saturating_add(1);
        let can_tell = *has_failed_checks || (*is_of_connection && is_first);
        (can_tell && *passed >= healthy_after).then(|| {
            self.try_it(breaker);
            EjectionChange::Tried
        })
    }

    /// Forgets all that speaks against it, and what is heard late of the time before: an operator says so, or the rule is
    /// another one.
    pub fn pardon(&mut self, breaker: &Breaker, now: Duration) {
        breaker.close();
        breaker.renew();
        *self = Self::new(now);
    }

    fn try_it(&mut self, breaker: &Breaker) {
        breaker.half_open();
        self.phase = Phase::Tried;
    }

    fn eject(&mut self, rule: &EjectionRule, trip: Trip, now: Duration) -> EjectionChange {
        self.times = self.times.saturating_add(1);
        let time = rule.time(self.times);
        self.phase = Phase::Out {
            since: now,
            until: now.saturating_add(time),
            is_of_connection: trip.fault.is_of_connection(),
            has_failed_checks: self.fails_checks,
            passed: 0,
        };
        EjectionChange::Ejected { trip, time, times: self.times }
    }

    fn recent_times(&self, rule: &EjectionRule, since: Duration, now: Duration) -> u32 {
        let good = now.saturating_sub(since).as_nanos() / rule.time.as_nanos().max(1);
        self.times.saturating_sub(u32::try_from(good).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
