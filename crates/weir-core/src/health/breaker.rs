//! The circuit breaker of a server, in one word that every worker changes.
//!
//! *Closed*: requests go through, and failures are counted, in a row and as a share of the requests of a window. *Open*:
//! there were too many; what is heard of the server changes nothing until whoever keeps the server lets it be tried.
//! *Half-open*: a few requests at a time are let through; when enough of them have succeeded it is closed, and the first one
//! that fails opens it again.
//!
//! A request may take a minute to fail, and much happens in a minute. So the life of a breaker is counted in *rounds*: one
//! ends when it is let be tried, or when it is known otherwise that its server is well again. An outcome is news in the round
//! in which its request began; of an earlier one it says how the server was then, and changes nothing.
//!
//! Workers close and open it, each change by one of them alone. How long it is open, and whether it may be open at all, is
//! decided in one place beside requests (`ejection.rs`), which is the only one that ends the open state. While all goes well and no
//! share is watched, a request costs one look at a word that nobody writes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::fault::Fault;
use super::window::{self, ShareRule, Sum};

/// When a breaker opens, and when it closes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BreakerRule {
    /// Failures in a row that open it, from 1 to [`BreakerRule::CONSECUTIVE_MAX`]; `None` for any number.
    pub consecutive: Option<u32>,
    /// The share of failures that opens it.
    pub share: Option<ShareRule>,
    /// Requests that may try it at a time while it is half-open, and successes that close it; from 1 to
    /// [`BreakerRule::TRIALS_MAX`].
    pub trials: u32,
}

impl BreakerRule {
    /// As many failures in a row as are counted.
    pub const CONSECUTIVE_MAX: u32 = 255;
    /// As many trials as are counted.
    pub const TRIALS_MAX: u32 = 100;

    /// Why this opens a breaker, if it does.
    fn opens(&self, row: u64, fault: Fault, sum: Option<Sum>) -> Option<Trip> {
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        if self.consecutive.is_some_and(|consecutive| row >= consecutive) {
            return Some(Trip { why: TripWhy::Consecutive { failures: row }, fault });
        }
        let (rule, sum) = (self.share?, sum?);
        let Sum { failures, requests } = sum;
        rule.is_over(sum).then_some(Trip { why: TripWhy::Share { failures, requests }, fault })
    }
}

/// Why a breaker opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trip {
    /// By which rule.
    pub why: TripWhy,
    /// The last thing that failed.
    pub fault: Fault,
}

/// The rule that opened a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TripWhy {
    /// So many failures in a row.
    Consecutive {
        /// How many.
        failures: u32,
    },
    /// So many of so many requests.
    Share {
        /// How many failed.
        failures: u32,
        /// Of how many.
        requests: u32,
    },
    /// A request failed that tried it.
    Trial,
}

impl TripWhy {
    /// The names of all of them, as labels, in the order of [`TripWhy::index`].
    pub const NAMES: [&'static str; 3] = ["consecutive", "share", "trial"];

    /// Its place in [`TripWhy::NAMES`].
    pub fn index(self) -> usize {
        match self {
            Self::Consecutive { .. } => 0,
            Self::Share { .. } => 1,
            Self::Trial => 2,
        }
    }
}

impl fmt::Display for Trip {
    /// For people: `5 failures in a row, the last: connection reset`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.fault;
        match self.why {
            TripWhy::Consecutive { failures: 1 } => write!(f, "a failure: {fault}"),
            TripWhy::Consecutive { failures } => write!(f, "{failures} failures in a row, the last: {fault}"),
            TripWhy::Share { failures, requests } => {
                write!(f, "{failures} of {requests} requests failed, the last: {fault}")
            }
            TripWhy::Trial => write!(f, "a trial failed: {fault}"),
        }
    }
}

/// What a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// Too many have failed.
    Open(Trip),
    /// Some requests try it.
    HalfOpen {
        /// They are on their way.
        on_trial: u32,
        /// They have succeeded.
        succeeded: u32,
    },
}

/// The round of a breaker in which a request began: its outcome counts in that one only. There are 256 of them before they
/// come again, which no request lives to see.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Round(u8);

impl Round {
    fn of(word: u64) -> Self {
        Self((word >> ROUND_SHIFT) as u8)
    }

    /// The word in the next one.
    fn next(self) -> u64 {
        u64::from(self.0.wrapping_add(1)) << ROUND_SHIFT
    }
}

/// A request that tries a half-open breaker. Whoever got one gives it back when the request is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a trial that is not given back is lost"]
pub struct Trial {
    /// Its outcome counts in this one.
    pub round: Round,
}

/// A breaker.
///
/// The word, from its lowest bit: 2 bits say which state it is. Closed: 8 bits of failures in a row. Open: 2 bits of the
/// rule, 10 of the fault, 16 of failures, 16 of requests. Half-open: 8 bits on trial, 8 that have succeeded. The highest 8 bits
/// count the rounds, so that what began in an earlier one changes nothing, and a late trial of it gives nothing back.
#[derive(Debug, Default)]
pub struct Breaker {
    word: AtomicU64,
    /// What was counted for the share, where there is one.
    window: AtomicU64,
}

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const ROUND_SHIFT: u32 = 56;
const ROUND_MASK: u64 = 0xff << ROUND_SHIFT;

fn field(word: u64, shift: u32, bits: u32) -> u64 {
    word >> shift & ((1 << bits) - 1)
}

/// What a number becomes that has so many bits.
fn fitted(number: u32, bits: u32) -> u64 {
    u64::from(number).min((1 << bits) - 1)
}

fn small(field: u64) -> u32 {
    u32::try_from(field).unwrap_or(u32::MAX)
}

fn open(trip: Trip) -> u64 {
    let (why, failures, requests) = match trip.why {
        TripWhy::Consecutive { failures } => (0, failures, 0),
        TripWhy::Share { failures, requests } => (1, failures, requests),
        TripWhy::Trial => (2, 0, 0),
    };
    OPEN | why << 2 | trip.fault.number() << 4 | fitted(failures, 16) << 14 | fitted(requests, 16) << 30
}

fn trip(word: u64) -> Trip {
    let failures = small(field(word, 14, 16));
    let why = match field(word, 2, 2) {
        0 => TripWhy::Consecutive { failures },
        1 => TripWhy::Share { failures, requests: small(field(word, 30, 16)) },
        _ => TripWhy::Trial,
    };
    Trip { why, fault: Fault::of_number(field(word, 4, 10)) }
}

fn half_open(on_trial: u64, succeeded: u64) -> u64 {
    HALF_OPEN | on_trial << 2 | succeeded << 10
}

/// Requests on trial, and those that have succeeded.
fn trials(word: u64) -> (u64, u64) {
    (field(word, 2, 8), field(word, 10, 8))
}

impl Breaker {
    /// What it is now.
    pub fn state(&self) -> BreakerState {
        let word = self.word.load(Ordering::Acquire);
        match word & 3 {
            OPEN => BreakerState::Open(trip(word)),
            HALF_OPEN => {
                let (on_trial, succeeded) = trials(word);
                BreakerState::HalfOpen { on_trial: small(on_trial), succeeded: small(succeeded) }
            }
            _ => BreakerState::Closed,
        }
    }

    /// The round it is in now: for a request that begins.
    #[inline]
    pub fn round(&self) -> Round {
        Round::of(self.word.load(Ordering::Relaxed))
    }

    /// Notes a request of this round that has succeeded. Says whether this has closed it: whoever keeps the server wants to know.
    ///
    /// `now` is asked for the time since a fixed moment, only where a share is watched.
    #[inline]
    #[must_use = "whoever keeps the server must be told"]
    pub fn succeeded(&self, rule: &BreakerRule, round: Round, now: impl FnOnce() -> Duration) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        if Round::of(word) != round {
            return false;
        }
        if let Some(share) = &rule.share {
            window::count(&self.window, share, false, now());
        }
        // Nearly always nothing has failed since the last success, and there is nothing to write.
        word & !ROUND_MASK != CLOSED && self.forgive(rule, round)
    }

    #[cold]
    fn forgive(&self, rule: &BreakerRule, round: Round) -> bool {
        let next = |word: u64| match word & 3 {
            _ if Round::of(word) != round => None,
            CLOSED => Some(word & ROUND_MASK),
            HALF_OPEN => {
                let (on_trial, succeeded) = trials(word);
                let is_enough = succeeded + 1 >= u64::from(rule.trials);
                let state = if is_enough { CLOSED } else { half_open(on_trial, succeeded + 1) };
                Some(word & ROUND_MASK | state)
            }
            _ => None,
        };
        self.change(next).is_some_and(|(old, new)| old & 3 == HALF_OPEN && new & 3 == CLOSED)
    }

    /// Notes a request of this round that has failed. Says whether this has opened it.
    #[must_use = "whoever keeps the server must be told"]
    pub fn failed(
        &self,
        rule: &BreakerRule,
        round: Round,
        fault: Fault,
        now: impl FnOnce() -> Duration,
    ) -> bool {
        if self.round() != round {
            return false;
        }
        let sum = rule.share.as_ref().map(|share| window::count(&self.window, share, true, now()));
        self.fail(rule, round, fault, sum)
    }

    /// Notes that a request has failed after all that was noted as a success: its answer broke. It is not counted twice.
    #[must_use = "whoever keeps the server must be told"]
    pub fn broke(
        &self,
        rule: &BreakerRule,
        round: Round,
        fault: Fault,
        now: impl FnOnce() -> Duration,
    ) -> bool {
        if self.round() != round {
            return false;
        }
        let sum = rule.share.as_ref().map(|share| window::recount(&self.window, share, now()));
        self.fail(rule, round, fault, sum)
    }

    fn fail(&self, rule: &BreakerRule, round: Round, fault: Fault, sum: Option<Sum>) -> bool {
        let next = |word: u64| match word & 3 {
            _ if Round::of(word) != round => None,
            CLOSED => {
                let row = (field(word, 2, 8) + 1).min(0xff);
                let state = rule.opens(row, fault, sum).map_or(CLOSED | row << 2, open);
                Some(word & ROUND_MASK | state)
            }
            HALF_OPEN => Some(word & ROUND_MASK | open(Trip { why: TripWhy::Trial, fault })),
            _ => None,
        };
        self.change(next).is_some_and(|(_, new)| new & 3 == OPEN)
    }

    /// Whether a request may go through, unless another one is quicker. An open one admits all: who is ejected gets nothing
    /// because its share is 0, and where health is ignored it is asked all the same.
    #[inline]
    pub fn admits(&self, rule: &BreakerRule) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        word & 3 != HALF_OPEN || trials(word).0 < u64::from(rule.trials)
    }

    /// Whether too many have failed, and nobody has let it be tried since.
    pub fn is_open(&self) -> bool {
        self.word.load(Ordering::Relaxed) & 3 == OPEN
    }

    /// Whether some requests try it now.
    #[inline]
    pub fn is_half_open(&self) -> bool {
        self.word.load(Ordering::Relaxed) & 3 == HALF_OPEN
    }

    /// The right to try it; `None` when it is not half-open or as many try it as may.
    pub fn try_it(&self, rule: &BreakerRule) -> Option<Trial> {
        let next = |word: u64| {
            let (on_trial, succeeded) = trials(word);
            let admits = word & 3 == HALF_OPEN && on_trial < u64::from(rule.trials);
            admits.then(|| word & ROUND_MASK | half_open(on_trial + 1, succeeded))
        };
        self.change(next).map(|(old, _)| Trial { round: Round::of(old) })
    }

    /// Says that the request is over, however it ended.
    pub fn give_back(&self, trial: Trial) {
        let next = |word: u64| {
            let (on_trial, succeeded) = trials(word);
            let is_same = word & 3 == HALF_OPEN && Round::of(word) == trial.round;
            is_same.then(|| word & ROUND_MASK | half_open(on_trial.saturating_sub(1), succeeded))
        };
        self.change(next);
    }

    /// Lets it be tried. For the one who keeps the server.
    pub(super) fn half_open(&self) {
        self.window.store(0, Ordering::Relaxed);
        self.change(|word| Some(Round::of(word).next() | HALF_OPEN));
    }

    /// Closes it. For the one who keeps the server.
    pub(super) fn close(&self) {
        self.window.store(0, Ordering::Relaxed);
        self.change(|word| Some(word & ROUND_MASK | CLOSED));
    }

    /// Begins a new round in which nothing has failed yet, if it is closed. Who tries it goes on trying it otherwise. For the
    /// one who keeps the server.
    pub fn renew(&self) {
        let renewed = self.change(|word| (word & 3 == CLOSED).then(|| Round::of(word).next() | CLOSED));
        if renewed.is_some() {
            self.window.store(0, Ordering::Relaxed);
        }
    }

    /// Changes the word, if there is something to change; what it was and what it is.
    fn change(&self, next: impl Fn(u64) -> Option<u64>) -> Option<(u64, u64)> {
        let old = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, &next).ok()?;
        next(old).map(|new| (old, new))
    }
}

#[cfg(test)]
mod tests;
