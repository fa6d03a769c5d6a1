//! Mode `balance`: one server answers; another is asked only when that does no harm.
//!
//! A server that can't be connected to is *passed over*: that is free, and it is not asked again for this request
//! (`semantics.md` §2.1). So is a connection on which not one byte of the request could be sent. Everything else that fails
//! is an *attempt*, counted and repeated by the policy where [`may_repeat`] allows it (§2.2). A repeat goes to a server that
//! has not been asked yet; only when none is left, those that were asked come again, the last one last.
//!
//! The machine ends: every start either counts as an attempt, takes a server out, or is the one start after which only fresh
//! connections are used.

use super::event::{Action, Attempt, Event, RequestFacts, Reuse, Why};
use super::marks::Marks;
use crate::retry::{Cause, Progress, RetryPolicy, may_repeat};

/// The state of one request in mode `balance`.
///
/// A driver performs its actions one after the other:
///
/// ```
/// use weir_core::dispatch::{Action, Attempt, Balance, Event, RequestFacts, Why};
/// use weir_core::retry::RetryPolicy;
///
/// let policy = RetryPolicy::default();
/// let mut machine = Balance::new(&policy, RequestFacts { safe: true, body_survives: true });
/// let mut action = machine.begin();
/// let end = loop {
///     action = match action {
///         // Here `balance::pick` chooses among the servers that the machine allows, and the request is sent.
///         Action::Start { number, reuse: _ } => match (0..2).find(|server| machine.allows(*server)) {
///             Some(server) => {
///                 machine.on(Event::ConnectFailed { attempt: Attempt { number, server }, timed_out: false })
///             }
///             None => machine.on(Event::NoServer { number }),
///         },
///         end @ (Action::Answer { .. } | Action::GiveUp(_)) => break end,
///     }
/// };
/// assert_eq!(end, Action::GiveUp(Why::Unreachable { timed_out: false }));
/// ```
#[derive(Debug, Clone)]
pub struct Balance<'p> {
    policy: &'p RetryPolicy,
    request: RequestFacts,
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
    /// The machine of a request under the policy of its upstream. Allocates nothing.
    pub fn new(policy: &'p RetryPolicy, request: RequestFacts) -> Self {
        Self {
            policy,
            request,
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
        self.start()
    }

    /// Whether the server may be picked for the attempt that was asked for last.
    pub fn allows(&self, server: usize) -> bool {
        !self.unreachable.has(server) && !self.asked.has(server)
    }

    /// Attempts so far of which a byte may have been sent.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What to do now that this has happened. There is one attempt at a time, and every event is about it.
    pub fn on(&mut self, event: Event) -> Action {
        match event {
            Event::NoServer { number } => {
                debug_assert_eq!(number + 1, self.starts, "events are about the last start");
                self.next_round()
            }
            Event::ConnectFailed { attempt, timed_out } => {
                self.expect_live(attempt);
                self.unreachable.add(attempt.server);
                self.why = Why::Unreachable { timed_out };
                self.start()
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
                self.on_failed(attempt, progress, cause)
            }
            Event::Head { attempt, progress, status } => {
                self.expect_live(attempt);
                self.on_head(attempt, progress, status)
            }
        }
    }

    /// Passing over: not one byte was sent, so that nothing has happened yet (`semantics.md` §2.1, §2.2 a).
    fn on_nothing_sent(&mut self, attempt: Attempt, progress: Progress, cause: Cause) -> Action {
        if !may_repeat(self.request.safe, progress) {
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
        self.start()
    }

    fn on_failed(&mut self, attempt: Attempt, progress: Progress, cause: Cause) -> Action {
        self.attempts += 1;
        self.mark_asked(attempt.server);
        self.why = Why::Failed(cause);
        let wanted = self.policy.wants(cause) && self.attempts < self.policy.attempts;
        if !(wanted && may_repeat(self.request.safe, progress)) {
            return Action::GiveUp(self.why);
        }
        self.fresh |= cause == Cause::Reset;
        self.start()
    }

    fn on_head(&mut self, attempt: Attempt, progress: Progress, status: u16) -> Action {
        debug_assert!(status >= 200, "interim answers decide nothing");
        self.attempts += 1;
        let wanted = self.policy.wants_status(status) && self.attempts < self.policy.attempts;
        // The server has read the request and acted on it, whatever we believe to have sent.
        let progress = Progress { bytes_sent: progress.bytes_sent.max(1), ..progress };
        if !(wanted && may_repeat(self.request.safe, progress)) {
            return Action::Answer { number: attempt.number };
        }
        self.mark_asked(attempt.server);
        self.why = Why::Discarded { status };
        self.start()
    }

    /// No server is left that was not asked: those that were come again, the last one only if it is alone.
    fn next_round(&mut self) -> Action {
        let alone = self.asked.count() <= 1;
        let Some(last) = self.last_asked.filter(|last| self.asked.has(*last)) else {
            return Action::GiveUp(self.why);
        };
        self.asked.clear();
        if !alone {
            self.asked.add(last);
        }
        self.start()
    }

    fn start(&mut self) -> Action {
        let number = self.starts;
        self.starts += 1;
        Action::Start { number, reuse: self.reuse() }
    }

    /// A kept connection may be dead. That does no harm if the request would then be repeated (`semantics.md` §2.2).
    fn reuse(&self) -> Reuse {
        let survives = self.request.safe && self.request.body_survives;
        let repeats = self.policy.wants(Cause::Reset) && self.attempts + 1 < self.policy.attempts;
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
