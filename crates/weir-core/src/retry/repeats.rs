//! The repeats of one request: whether there is another one, and how long to wait before it.
//!
//! What the modes have in common when an attempt has ended without an answer for the client. They say where a repeat goes and
//! what becomes of the answer that it would replace.

use std::time::Duration;

use super::budget::RetryBudget;
use super::policy::RetryPolicy;
use super::safety::{Cause, Progress, may_repeat};

/// How an attempt ended that may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Without the head of an answer.
    Failed(Cause),
    /// With an answer.
    Answered {
        /// Its status.
        status: u16,
        /// Its Retry-After, if that counts: with 429 and 503.
        retry_after: Option<Duration>,
    },
}

/// Why a request was repeated. The names are the labels of `weir_retries_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryReason {
    /// The connection broke before the answer's head was whole.
    Reset,
    /// The answer's head did not come in time.
    Timeout,
    /// The answer's status.
    Status,
}

impl RetryReason {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Reset, Self::Timeout, Self::Status];

    /// The name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Status => "status",
        }
    }
}

/// What a decision depends on beside what happened. Finding out costs something, and mostly nobody wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// On the clock of the budget.
    pub now: Duration,
    /// How long the whole request may still take.
    pub left: Duration,
    /// Whether a server is left that was not asked yet.
    pub others: bool,
    /// Even over all of `u64`.
    pub random: u64,
}

/// The repeats of one request.
#[derive(Debug, Clone)]
pub struct Repeats<'p> {
    policy: &'p RetryPolicy,
    budget: Option<&'p RetryBudget>,
    safe: bool,
    /// Waits so far.
    waits: u32,
    /// When a server that was asked already may be asked again.
    again_at: Duration,
    /// Until then some server wants to be left alone.
    rests_until: Duration,
    held_up: bool,
    granted: Option<RetryReason>,
    unpaid: bool,
}

impl<'p> Repeats<'p> {
    /// Those of a request. `safe` is what [`is_safe`](super::is_safe) says.
    pub fn new(policy: &'p RetryPolicy, budget: Option<&'p RetryBudget>, safe: bool) -> Self {
        Self {
            policy,
            budget,
            safe,
            waits: 0,
            again_at: Duration::ZERO,
            rests_until: Duration::ZERO,
            held_up: false,
            granted: None,
            unpaid: false,
        }
    }

    /// The policy of the upstream.
    pub fn policy(&self) -> &'p RetryPolicy {
        self.policy
    }

    /// Whether doing the request twice is like doing it once.
    pub fn is_safe(&self) -> bool {
        self.safe
    }

    /// Whether a repeat is wanted and safe after so many attempts, the one that ended so included. Whether there is one is
    /// then said by [`decide`](Self::decide).
    pub fn wants(&self, ended: Ended, attempts: u32, progress: Progress) -> bool {
        let wanted = match ended {
            Ended::Failed(cause) => self.policy.wants(cause),
            Ended::Answered { status, .. } => self.policy.wants_status(status),
        };
        wanted && attempts < self.policy.attempts && may_repeat(self.safe, progress)
    }

    /// Whether the repeat that is wanted after so many attempts is made: how long to wait before it.
    ///
    /// The first one goes to another server at once, because a failure mostly says something of one server; and after a reset
    /// also to the same one, because a server closes connections that were idle for as long as it likes, in just the moment
    /// in which they are used. All others wait, longer each time. A Retry-After with 503 is the word of one server about
    /// itself: others may be asked meanwhile; one with 429 is about the client, and holds for all. One that is too long to be
    /// waited for means no repeat: the client is told instead.
    pub fn decide(&mut self, ended: Ended, attempts: u32, moment: Moment) -> Option<Duration> {
        let backoff = self.policy.backoff.wait(self.waits, moment.random);
        let is_first = attempts <= 1;
        let mut wait = if is_first { Duration::ZERO } else { backoff };
        if let Ended::Answered { status, retry_after: Some(asked) } = ended {
            self.note_rest(asked, moment.now);
            if status == 429 {
                wait = wait.max(asked);
            }
        }
        let is_alike = is_first && ended == Ended::Failed(Cause::Reset);
        self.again_at = moment.now.saturating_add(if is_alike { Duration::ZERO } else { backoff });
        if !moment.others {
            wait = wait.max(self.again(moment)?);
        }
        if wait > self.patience() || wait >= moment.left {
            return None;
        }
        if !self.budget.is_none_or(|budget| budget.take(moment.now)) {
            self.unpaid = true;
            return None;
        }
        self.waits += u32::from(!wait.is_zero());
        self.granted = Some(reason(ended));
        Some(wait)
    }

    /// A server that was asked wants to be left alone for so long, whatever is made of its answer.
    pub fn note_rest(&mut self, asked: Duration, now: Duration) {
        self.rests_until = self.rests_until.max(now.saturating_add(asked));
        self.held_up |= asked > self.patience();
    }

    /// Whether some server wants to be left alone for longer than is waited for: then a repeat may be impossible for want of others.
    pub fn is_held_up(&self) -> bool {
        self.held_up
    }

    /// Nobody is left who was not asked: how long to wait before those are asked again that were; `None` when they may not be.
    pub fn again(&self, moment: Moment) -> Option<Duration> {
        let wait = self.again_at.max(self.rests_until).saturating_sub(moment.now);
        (wait.is_zero() || (wait <= self.patience() && wait < moment.left)).then_some(wait)
    }

    /// The longest wait.
    fn patience(&self) -> Duration {
        self.policy.backoff.retry_after.max(self.policy.backoff.at_most)
    }

    /// Why a repeat was granted since this was asked last.
    pub fn take_granted(&mut self) -> Option<RetryReason> {
        self.granted.take()
    }

    /// Whether a repeat was wanted and safe that the budget could not pay.
    pub fn is_unpaid(&self) -> bool {
        self.unpaid
    }
}

fn reason(ended: Ended) -> RetryReason {
    match ended {
        Ended::Failed(Cause::Reset | Cause::Garbage) => RetryReason::Reset,
        Ended::Failed(Cause::Timeout) => RetryReason::Timeout,
        Ended::Answered { .. } => RetryReason::Status,
    }
}

#[cfg(test)]
mod tests;
