//! Mode `race`: several servers are asked, and the first usable answer wins (`semantics.md` §3.4).
//!
//! All servers are asked at once, unless `width` holds some back (so many at a time) or `stagger` does (one after the other,
//! so much later). Those held back are there for when somebody fails: a copy that can't be sent, breaks, or brings an
//! answer that is not usable lets the next server start at once, without waiting for its turn.
//!
//! The head decides: a usable status is passed on from its first byte, and every other copy is cancelled in that moment.
//! Answers that are not usable are remembered only as far as one of them may yet be needed: at any time at most one is
//! held back, the best so far, and the others are cancelled when they can no longer be the best. So a race costs one held
//! connection beside those under way, however many servers there are.
//!
//! No server is asked twice. What is unusable is not repeated: the other servers are the repeat.

use std::time::Duration;

use super::act::{Act, Acts, Happened, To};
use super::event::{Reuse, Why};
use super::marks::Marks;
use super::rule::{Otherwise, RaceRule};

/// The state of one request in mode `race`. What it promises: [`Fan`](super::Fan).
///
/// The driver asks for one server at a time: it answers each `Start` with `Picked` or `NoServer` and is then told of the
/// next one. Allocates nothing for up to 128 servers.
///
/// ```
/// use std::time::Duration;
/// use weir_core::dispatch::{Act, Happened, Otherwise, Race, RaceRule, StatusSet};
///
/// let rule = RaceRule {
///     usable: StatusSet::USABLE,
///     width: None,
///     stagger: Duration::ZERO,
///     otherwise: Otherwise::Status(500),
/// };
/// let mut race = Race::new(&rule, 2);
/// let now = Duration::ZERO;
/// assert!(matches!(race.begin(now)[..], [Act::Start { copy: 0, .. }]));
/// assert!(matches!(race.on(Happened::Picked { copy: 0, server: 1 }, now)[..], [Act::Start { copy: 1, .. }]));
/// assert!(race.on(Happened::Picked { copy: 1, server: 0 }, now).is_empty());
/// let acts = race.on(Happened::Head { copy: 1, status: 200 }, now);
/// assert_eq!(acts[..], [Act::Cancel { copy: 0 }, Act::Answer { copy: 1 }]);
/// ```
#[derive(Debug)]
pub struct Race<'r> {
    rule: &'r RaceRule,
    servers: usize,
    /// Copies so far; the number of the next one.
    started: u32,
    /// Copies that have no head yet.
    live: Marks,
    /// Servers that were picked.
    asked: Marks,
    /// Nobody else can be picked.
    exhausted: bool,
    /// When `stagger` lets the next one start.
    next_at: Duration,
    /// The answer that is passed on if nothing better comes.
    held: Option<Held>,
    /// What to say if there is none.
    why: Why,
    decided: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    copy: u32,
    /// As `Otherwise::rank`.
    rank: usize,
}

impl<'r> Race<'r> {
    /// The machine of a request to an upstream of so many servers.
    pub fn new(rule: &'r RaceRule, servers: usize) -> Self {
        Self {
            rule,
            servers,
            started: 0,
            live: Marks::default(),
            asked: Marks::default(),
            exhausted: false,
            next_at: Duration::ZERO,
            held: None,
            why: Why::NoServer,
            decided: false,
        }
    }

    /// What to do first.
    pub fn begin(&mut self, now: Duration) -> Acts {
        let mut acts = Acts::new();
        self.start_next(now, &mut acts);
        self.settle(&mut acts);
        acts
    }

    /// What to do now that this has happened. What is told of a copy that has ended is ignored.
    pub fn on(&mut self, happened: Happened, now: Duration) -> Acts {
        let mut acts = Acts::new();
        if self.decided {
            return acts;
        }
        match happened {
            Happened::Picked { copy, server } => {
                debug_assert!(self.allows(server) && copy + 1 == self.started, "allowed, and the last start");
                self.asked.add(server);
                self.start_staggered(now, &mut acts);
            }
            Happened::NoServer { copy } => {
                self.live.remove(copy as usize);
                self.exhausted = true;
            }
            Happened::NotSent { copy, timed_out } => {
                self.on_failed(copy, Why::Unreachable { timed_out }, now, &mut acts);
            }
            Happened::Failed { copy, cause, .. } => {
                self.on_failed(copy, Why::Failed(cause), now, &mut acts);
            }
            Happened::Head { copy, status } => self.on_head(copy, status, now, &mut acts),
            // The answer that was held back is gone.
            Happened::Broken { copy } => {
                self.held.take_if(|held| held.copy == copy);
            }
            Happened::ReplayLost => self.decide(Act::GiveUp(Why::ReplayLost), &mut acts),
            Happened::Timer => self.start_staggered(now, &mut acts),
            Happened::RetryAfter { .. }
            | Happened::Whole { .. }
            | Happened::Delivered { .. }
            | Happened::Refused { .. }
            | Happened::Dropped { .. }
            | Happened::BodyWhole => {}
        }
        self.settle(&mut acts);
        acts
    }

    /// Whether the server may be picked for the copy that was started last.
    pub fn allows(&self, server: usize) -> bool {
        !self.asked.has(server)
    }

    /// Copies that have gone to a server, or were about to.
    pub fn copies(&self) -> usize {
        self.asked.count()
    }

    fn on_failed(&mut self, copy: u32, why: Why, now: Duration, acts: &mut Acts) {
        if self.live.remove(copy as usize) {
            self.why = why;
            self.start_next(now, acts);
        }
    }

    fn on_head(&mut self, copy: u32, status: u16, now: Duration, acts: &mut Acts) {
        debug_assert!(status >= 200, "interim answers decide nothing");
        if !self.live.remove(copy as usize) {
            return;
        }
        if self.rule.usable.contains(status) {
            return self.decide(Act::Answer { copy }, acts);
        }
        self.hold(copy, status, acts);
        self.start_next(now, acts);
    }

    /// Keeps the answer if it is the best so far. Of two that are equally good the first one stays.
    fn hold(&mut self, copy: u32, status: u16, acts: &mut Acts) {
        let better = match (self.rule.otherwise.rank(status), self.held) {
            (None, _) => None,
            (Some(rank), Some(held)) if rank >= held.rank => None,
            (Some(rank), _) => Some(Held { copy, rank }),
        };
        let unwanted = match better {
            Some(better) => self.held.replace(better).map(|held| held.copy),
            None => Some(copy),
        };
        acts.extend(unwanted.map(|copy| Act::Cancel { copy }));
    }

    /// Starts the next one in its turn, or says when that is.
    fn start_staggered(&mut self, now: Duration, acts: &mut Acts) {
        if !self.has_next() {
            return;
        }
        match now >= self.next_at {
            true => self.start_next(now, acts),
            false => acts.push(Act::WakeAt(self.next_at)),
        }
    }

    /// Starts the next one, if somebody is held back.
    fn start_next(&mut self, now: Duration, acts: &mut Acts) {
        if !self.has_next() {
            return;
        }
        let copy = self.started;
        self.started += 1;
        self.live.add(copy as usize);
        self.next_at = now.saturating_add(self.rule.stagger);
        acts.push(Act::Start { copy, to: To::Balanced, reuse: Reuse::Recent });
    }

    /// Whether somebody may start as far as `width` is concerned.
    fn has_next(&self) -> bool {
        let width = self.rule.width.map_or(usize::MAX, |width| width.max(1) as usize);
        !self.decided
            && !self.exhausted
            && (self.started as usize) < self.servers
            && self.live.count() < width
    }

    /// Decides if nothing is under way any more: nobody was usable.
    fn settle(&mut self, acts: &mut Acts) {
        if self.decided || !self.live.is_empty() {
            return;
        }
        let decision = match (self.held, &self.rule.otherwise) {
            (Some(held), _) => Act::Answer { copy: held.copy },
            (None, Otherwise::Status(status)) if !self.asked.is_empty() => {
                Act::GiveUp(Why::NothingUsable { status: *status })
            }
            (None, _) => Act::GiveUp(self.why),
        };
        self.decide(decision, acts);
    }

    fn decide(&mut self, decision: Act, acts: &mut Acts) {
        self.decided = true;
        let held = self.held.take().map(|held| held.copy);
        let losers = self.live.iter().map(|copy| copy as u32).chain(held);
        let losers = losers.filter(|copy| decision != Act::Answer { copy: *copy });
        acts.extend(losers.map(|copy| Act::Cancel { copy }));
        self.live.clear();
        acts.push(decision);
    }
}

#[cfg(test)]
mod tests;
