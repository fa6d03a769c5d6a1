//! Mode `balance`: one server answers; another is asked only when that does no harm.
//!
//! A server that can't be connected to is *passed over*: that is free, and it is not asked again for this request
//! (`semantics.md` §2.1). So is a connection on which not one byte of the request could be sent. Everything else that fails
//! is an *attempt*, counted and repeated where that is safe, wanted and paid for ([`Repeats`], §2.2). A repeat goes to a
//! server that has not been asked yet; only when none is left, those that were asked come again, the last one last.
//!
//! The machine ends: every start either counts as an attempt, takes a server out, or is the one start after which only fresh
//! connections are used.

use std::time::Duration;

use super::event::{Action, Attempt, Event, RequestFacts, Reuse, Why};
use super::marks::Marks;
use crate::retry::{
    Cause, Ended, Moment, Progress, Repeats, RetryBudget, RetryPolicy, RetryReason, may_repeat,
};

/// The state of one request in mode `balance`.
///
/// A driver performs its actions one after the other:
///
/// ```
/// use std::time::Duration;
///
/// use weir_core::dispatch::{Action, Attempt, Balance, Event, RequestFacts, Why};
/// use weir_core::retry::{Moment, RetryPolicy};
///
/// let policy = RetryPolicy::default();
/// let mut machine = Balance::new(&policy, None, RequestFacts { safe: true, body_survives: true });
/// // Asked only where a repeat is wanted.
/// let moment = |machine: &Balance<'_>| Moment {
///     now: Duration::ZERO,
///     left: Duration::MAX,
///     others: (0..2).any(|server| machine.allows(server)),
///     random: 0,
/// };
/// let mut action = machine.begin();
/// let end = loop {
///     action = match action {
///         // Here it waits, `balance::pick` chooses among the servers that the machine allows, and the request is sent.
///         Action::Start { number, .. } => match (0..2).find(|server| machine.allows(*server)) {
///             Some(server) => {
///                 let attempt = Attempt { number, server };
///                 machine.on(Event::ConnectFailed { attempt, timed_out: false }, moment)
///             }
///             None => machine.on(Event::NoServer { number }, moment),
///         },
///         end @ (Action::Answer { .. } | Action::GiveUp(_)) => break end,
///     }
/// };
/// assert_eq!(end, Action::GiveUp(Why::Unreachable { timed_out: false }));
/// ```
#[derive(Debug, Clone)]
pub struct Balance<'p> {
    repeats: Repeats<'p>,
    body_survives: bool,
    /// Attempts of which a byte may have been sent.
    attempts: u32,
    /// Starts so far; the number of the next one.
    starts: u32,
    /// Whether only fresh connections are used from now on.
    fresh: bool,
    /// Servers that can't be connected to.
    unreachable: Marks,
    /// Servers that were asked in this round.
    asked: Marks,
    last_asked: Option<usize>,
    /// What to say if nothing more can be done.
    why: Why,
}

impl<'p> Balance<'p> {
    /// The machine of a request under the policy of its upstream, whose repeats are paid from this budget. Allocates
    /// nothing.
    pub fn new(policy: &'p RetryPolicy, budget: Option<&'p RetryBudget>, request: RequestFacts) -> Self {
        Self {
            repeats: Repeats::new(policy, budget, request.safe),
            body_survives: request.body_survives,
            attempts: 0,
            starts: 0,
            fresh: false,
            unreachable: Marks::default(),
            asked: Marks::default(),
            last_asked: None,
            why: Why::NoServer,
        }
    }

    /// The first action.
    pub fn begin(&mut self) -> Action {
        self.start(Duration::ZERO)
    }

    /// Whether the server may be picked for the attempt that was asked for last.
    pub fn allows(&self, server: usize) -> bool {
        !self.unreachable.has(server) && !self.asked.has(server)
    }

    /// Attempts so far of which a byte may have been sent.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Why a repeat was granted since this was asked last.
    pub fn take_granted(&mut self) -> Option<RetryReason> {
        self.repeats.take_granted()
    }

    /// Whether a repeat was wanted and safe that the budget could not pay.
    pub fn is_unpaid(&self) -> bool {
        self.repeats.is_unpaid()
    }

    /// What to do now that this has happened. There is one attempt at a time, and every event is about it. `moment` is asked
    /// only where a repeat is wanted and safe, or nobody is left; the server that was asked last counts as asked then.
    pub fn on(&mut self, event: Event, moment: impl FnOnce(&Self) -> Moment) -> Action {
        match event {
            Event::NoServer { number } => {
                debug_assert_eq!(number + 1, self.starts, "events are about the last start");
                self.next_round(moment)
            }
            Event::ConnectFailed { attempt, timed_out } => {
                self.expect_live(attempt);
                self.unreachable.add(attempt.server);
                self.why = Why::Unreachable { timed_out };
                self.start(Duration::ZERO)
            }
            Event::ConnectDeadline { attempt } => {
                self.expect_live(attempt);
                Action::GiveUp(Why::Unreachable { timed_out: true })
            }
            Event::Failed { attempt, progress, cause } if progress.bytes_sent == 0 => {
                self.expect_live(attempt);
                self.on_nothing_sent(attempt, progress, cause)
            }
            Event::Failed { attempt, progress, cause } => {
                self.expect_live(attempt);
                self.on_failed(attempt, progress, cause, moment)
            }
            Event::Head { attempt, progress, status, retry_after } => {
                self.expect_live(attempt);
                debug_assert!(status >= 200, "interim answers decide nothing");
                // The server has read the request and acted on it, whatever we believe to have sent.
                let progress = Progress { bytes_sent: progress.bytes_sent.max(1), ..progress };
                self.on_head(attempt, progress, status, retry_after, moment)
            }
        }
    }

    /// Passing over: not one byte was sent, so that nothing has happened yet (`semantics.md` §2.1, §2.2 a).
    fn on_nothing_sent(&mut self, attempt: Attempt, progress: Progress, cause: Cause) -> Action {
        if !may_repeat(self.repeats.is_safe(), progress) {
            return Action::GiveUp(Why::Failed(cause));
        }
        if self.fresh {
            // A connection made just now that takes no byte is as good as none.
            self.unreachable.add(attempt.server);
        } else {
            // It may have been a kept connection that was dead, which says nothing about the server.
            self.mark_asked(attempt.server);
            self.fresh = true;
        }
        self.why = Why::Failed(cause);
        self.start(Duration::ZERO)
    }

    fn on_failed(
        &mut self,
        attempt: Attempt,
        progress: Progress,
        cause: Cause,
        moment: impl FnOnce(&Self) -> Moment,
    ) -> Action {
        self.attempts += 1;
        self.mark_asked(attempt.server);
        self.why = Why::Failed(cause);
        match self.repeat(Ended::Failed(cause), progress, moment) {
            Some(wait) => {
                self.fresh |= cause == Cause::Reset;
                self.start(wait)
            }
            None => Action::GiveUp(self.why),
        }
    }

    #[inline]
    fn on_head(
        &mut self,
        attempt: Attempt,
        progress: Progress,
        status: u16,
        retry_after: Option<Duration>,
        moment: impl FnOnce(&Self) -> Moment,
    ) -> Action {
        self.attempts += 1;
        if !self.repeats.policy().wants_status(status) {
            return Action::Answer { number: attempt.number };
        }
        self.mark_asked(attempt.server);
        match self.repeat(Ended::Answered { status, retry_after }, progress, moment) {
            Some(wait) => {
                self.why = Why::Discarded { status };
                self.start(wait)
            }
            None => Action::Answer { number: attempt.number },
        }
    }

    /// How long to wait before the repeat, if there is one.
    fn repeat(
        &mut self,
        ended: Ended,
        progress: Progress,
        moment: impl FnOnce(&Self) -> Moment,
    ) -> Option<Duration> {
        if !self.repeats.wants(ended, self.attempts, progress) {
            return None;
        }
        let moment = moment(self);
        self.repeats.decide(ended, self.attempts, moment)
    }

    /// No server is left that was not asked: those that were come again, the last one only if it is alone.
    fn next_round(&mut self, moment: impl FnOnce(&Self) -> Moment) -> Action {
        let alone = self.asked.count() <= 1;
        let Some(last) = self.last_asked.filter(|last| self.asked.has(*last)) else {
            return Action::GiveUp(self.why);
        };
        let Some(wait) = self.repeats.again(moment(self)) else { return Action::GiveUp(self.why) };
        self.asked.clear();
        if !alone {
            self.asked.add(last);
        }
        self.start(wait)
    }

    fn start(&mut self, wait: Duration) -> Action {
        let number = self.starts;
        self.starts += 1;
        Action::Start { number, reuse: self.reuse(), wait }
    }

    /// A kept connection may be dead. That does no harm if the request would then be repeated (`semantics.md` §2.2).
    fn reuse(&self) -> Reuse {
        let survives = self.repeats.is_safe() && self.body_survives;
        let policy = self.repeats.policy();
        let repeats =
            policy.wants(Cause::Reset) && self.attempts + 1 < policy.attempts && !self.repeats.is_held_up();
        match (self.fresh, survives && repeats) {
            (true, _) => Reuse::Never,
            (false, true) => Reuse::Any,
            (false, false) => Reuse::Recent,
        }
    }

    fn mark_asked(&mut self, server: usize) {
        self.asked.add(server);
        self.last_asked = Some(server);
    }

    fn expect_live(&self, attempt: Attempt) {
        debug_assert_eq!(attempt.number + 1, self.starts, "events are about the last start");
        debug_assert!(self.allows(attempt.server), "only allowed servers are picked");
    }
}

#[cfg(test)]
mod tests;
