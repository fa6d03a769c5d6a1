//! The machine of one server's checks: outcomes in, changes of state out.
//!
//! A server needs several failures in a row to be UNREACHABLE and several successes to be HEALTHY, also at the beginning:
//! until then it is NOT_INITIATED, which costs nothing while no other server is known to be better. A single number per
//! direction is what people can predict; shares over a window belong to the ejection by requests, which has enough of them.
//!
//! Checks keep the pace of their beginnings: the next one is due an interval after the last one *began*, so that a slow
//! server is asked as often as a fast one, but never while one is under way. While a server is not HEALTHY the faster
//! interval holds, and also while it is out because it failed its requests: it is checked at once then, so that a server
//! which is away for a moment is seen to be away, and back. Any other HEALTHY server that has failed once keeps its usual pace:
//! `interval × unhealthy_after` is how long a pause of it is borne, and that must not shrink when it matters.

use std::time::Duration;

use super::check::HealthCheck;
use super::state::State;

/// Servers of one upstream that are checked for the first time in one second; what begins together must not hit together.
const FIRST_CHECKS_PER_SECOND: u32 = 1000;

/// When the server with this index, of so many, is checked for the first time: at once, and with many of them a little
/// later, but always within an interval.
pub fn first_check_after(check: &HealthCheck, index: usize, count: usize) -> Duration {
    let [index, count] = [index, count].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    let step =
        (Duration::from_secs(1) / FIRST_CHECKS_PER_SECOND).min(check.unhealthy_interval / count.max(1));
    step * index.min(count)
}

/// A state that checks have come to, other than the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The state: HEALTHY or UNREACHABLE.
    pub to: State,
    /// Why, for people.
    pub reason: Box<str>,
}

/// What the checks of one server have found out.
#[derive(Debug, Clone)]
pub struct Checks {
    state: State,
    /// Of the kind of the last one.
    in_a_row: u32,
    last_failed: bool,
    due: Due,
    done: u64,
    is_doubted: bool,
}

#[derive(Debug, Clone, Copy)]
enum Due {
    At(Duration),
    /// One is under way since then.
    Begun(Duration),
}

impl Checks {
    /// A server that nothing is known of, to be checked at `first`.
    pub fn new(first: Duration) -> Self {
        let (state, due) = (State::NotInitiated, Due::At(first));
        Self { state, in_a_row: 0, last_failed: false, due, done: 0, is_doubted: false }
    }

    /// NOT_INITIATED, HEALTHY or UNREACHABLE.
    pub fn state(&self) -> State {
        self.state
    }

    /// When the next check is to begin; `None` while one is under way.
    pub fn due(&self) -> Option<Duration> {
        match self.due {
            Due::At(at) => Some(at),
            Due::Begun(_) => None,
        }
    }

    /// How many checks in a row have failed; 0 after a success.
    pub fn failures_in_a_row(&self) -> u32 {
        if self.last_failed { self.in_a_row } else { 0 }
    }

    /// Notes whether requests have found the server failing, so that it is out. From the moment on in which it is, it is checked
    /// at once and at the faster pace. Says whether its next check is due earlier than it was.
    pub fn doubt(&mut self, is_doubted: bool, now: Duration) -> bool {
        let begins = is_doubted && !self.is_doubted;
        self.is_doubted = is_doubted;
        let is_sooner = begins && self.due().is_some_and(|due| due > now);
        if is_sooner {
            self.due = Due::At(now);
        }
        is_sooner
    }

    /// When the check that is under way was begun.
    pub fn begun(&self) -> Option<Duration> {
        match self.due {
            Due::Begun(begun) => Some(begun),
            Due::At(_) => None,
        }
    }

    /// Notes that a check begins now. Says whether it may: not while another one is under way.
    pub fn begin(&mut self, now: Duration) -> bool {
        let may = self.due().is_some();
        if may {
            self.due = Due::Begun(now);
        }
        may
    }

    /// Notes what came of the check that is under way, and makes the next one due. `random` spreads it, over all of 64 bits.
    ///
    /// An outcome that nobody waits for any more (the check was [forgotten](Self::restart) meanwhile) changes nothing.
    pub fn end(
        &mut self,
        check: &HealthCheck,
        outcome: Result<(), &str>,
        random: u64,
        now: Duration,
    ) -> Option<Turn> {
        let Due::Begun(begun) = self.due else { return None };
        if outcome.is_err() != self.last_failed {
            self.in_a_row = 0;
        }
        self.last_failed = outcome.is_err();
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.done += 1;
        let (to, enough) = match outcome {
            Ok(()) => (State::Healthy, check.healthy_after),
            Err(_) => (State::Unreachable, check.unhealthy_after),
        };
        let turns = self.in_a_row >= enough && self.state != to;
        if turns {
            self.state = to;
        }
        self.due = Due::At((begun + self.pause(check, random)).max(now));
        turns.then(|| Turn { to, reason: self.reason(outcome) })
    }

    /// Forgets everything, also what is under way: the server is NOT_INITIATED again, and its next check is due at `first`.
    pub fn restart(&mut self, first: Duration) {
        *self = Self::new(first);
    }

    fn reason(&self, outcome: Result<(), &str>) -> Box<str> {
        let checks = match self.in_a_row {
            1 => "a check".to_owned(),
            several => format!("{several} checks in a row"),
        };
        match outcome {
            Ok(()) => format!("{checks} passed"),
            Err(why) => format!("{checks} failed: {why}"),
        }
        .into()
    }

    /// From the beginning of the check that has just ended to the next one.
    fn pause(&self, check: &HealthCheck, random: u64) -> Duration {
        let interval = match self.state {
            State::Healthy if !self.is_doubted => check.interval,
            _ => check.unhealthy_interval,
        };
        // The first checks of all servers begin together. The second ones may lie anywhere, so that from then on the checks
        // of many servers are spread over the interval.
        let share = if self.done == 1 && check.jitter > 0.0 { 1.0 } else { check.jitter };
        let part = random as f64 / u64::MAX as f64;
        interval.mul_f64((1.0 - share * part).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests;
