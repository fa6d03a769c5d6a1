//! Mode `hedge`.

use std::time::Duration;

use smallvec::smallvec;

use super::act::{Act, Acts, Happened, To};
use super::budget::Budget;
use super::event::{RequestFacts, Reuse, Why};
use super::rule::HedgeRule;
use crate::retry::RetryPolicy;

/// What `hedge` must know of a request and its upstream before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgeFacts {
    /// Whether it may be repeated. Also without `body_survives` it may, until [`Happened::ReplayLost`].
    pub request: RequestFacts,
    /// How many servers the upstream has.
    pub servers: usize,
    /// The published percentile of the time to an answer's head; `None` without history.
    pub percentile: Option<Duration>,
}

/// The state of one request in mode `hedge`.
#[derive(Debug)]
pub struct Hedge<'r> {
    rule: &'r HedgeRule,
    policy: &'r RetryPolicy,
    budget: &'r Budget,
    facts: HedgeFacts,
    decided: bool,
}

impl<'r> Hedge<'r> {
    /// The machine of a request.
    pub fn new(rule: &'r HedgeRule, policy: &'r RetryPolicy, budget: &'r Budget, facts: HedgeFacts) -> Self {
        Self { rule, policy, budget, facts, decided: false }
    }

    /// What to do first.
    pub fn begin(&mut self, _now: Duration) -> Acts {
        smallvec![Act::Start { copy: 0, to: To::Balanced, reuse: Reuse::Recent }]
    }

    /// What to do now that this has happened.
    pub fn on(&mut self, happened: Happened, _now: Duration) -> Acts {
        let act = match happened {
            _ if self.decided => return Acts::new(),
            Happened::Head { copy, .. } => Act::Answer { copy },
            Happened::NoServer { .. } => Act::GiveUp(Why::NoServer),
            Happened::NotSent { timed_out, .. } => Act::GiveUp(Why::Unreachable { timed_out }),
            Happened::Failed { cause, .. } => Act::GiveUp(Why::Failed(cause)),
            _ => return Acts::new(),
        };
        self.decided = true;
        smallvec![act]
    }

    /// Whether the server may be picked for the copy that was started last.
    pub fn allows(&self, _server: usize) -> bool {
        true
    }
}
