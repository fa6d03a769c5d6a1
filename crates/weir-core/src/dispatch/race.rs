//! Mode `race`.

use std::time::Duration;

use smallvec::smallvec;

use super::act::{Act, Acts, Happened, To};
use super::event::{Reuse, Why};
use super::rule::RaceRule;

/// The state of one request in mode `race`.
#[derive(Debug)]
pub struct Race<'r> {
    rule: &'r RaceRule,
    servers: usize,
    decided: bool,
}

impl<'r> Race<'r> {
    /// The machine of a request.
    pub fn new(rule: &'r RaceRule, servers: usize) -> Self {
        Self { rule, servers, decided: false }
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
