//! Mode `duplicate`.

use std::time::Duration;

use smallvec::smallvec;

use super::act::{Act, Acts, Happened, To};
use super::event::{Reuse, Why};
use super::rule::DuplicateRule;

/// Who gets a write.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'t> {
    /// How many servers are configured; they are 0 to `servers` - 1.
    pub servers: usize,
    /// The one that is marked as primary, else 0.
    pub primary: usize,
    /// Servers that get no live copy: writes wait for them, or they are UNREACHABLE (`semantics.md` §3.2).
    pub gated: &'t [usize],
    /// Whether the client's body is here already, or there is none.
    pub body_whole: bool,
}

/// The state of one request in mode `duplicate`.
#[derive(Debug)]
pub struct Duplicate {
    rule: DuplicateRule,
    servers: usize,
    decided: bool,
}

impl Duplicate {
    /// The machine of a request.
    pub fn new(rule: &DuplicateRule, targets: Targets<'_>) -> Self {
        Self { rule: *rule, servers: targets.servers, decided: false }
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
