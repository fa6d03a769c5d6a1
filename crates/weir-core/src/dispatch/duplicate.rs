//! Mode `duplicate`: every server gets the write, at least once (`semantics.md` §3.1 to §3.3).
//!
//! Two things are kept apart. *Delivery*: each server ends in exactly one of `Done` (it took the write), `Queue` (it gets it
//! from its backlog) and `DeadLetter` (it refused it), which the machine says and the queue, told of the same outcomes, does (see
//! `act.rs`); without a catch-up, what failed is only counted. *The client's
//! answer*: it comes as soon as the rule of acknowledgement is met, can't be met any more, or has taken too long. Delivery
//! goes on after that: copies that are still under way are kept, never cancelled, and their fate is told here.
//!
//! The client has no answer before its body is whole. A server may answer earlier; but if the client then broke off, the
//! others would never get a write that it believes to be done. For the same reason `answer_timeout` counts from the last byte
//! of the body. The exception is a write that nobody will have: if all servers have refused it, the client need not send the
//! rest.
//!
//! The driver reads the body to its end by itself: the copies may all have stopped reading it.
//!
//! The machine keeps no order: who must not get a live copy (because earlier writes wait for it, `order: strict`, or because
//! it is UNREACHABLE) is told by whoever keeps the gates, and goes to the queue at once. It repeats nothing either; what
//! the queue delivers later is told to it as long as the client waits.

use std::time::Duration;

use smallvec::SmallVec;

use super::act::{Act, Acts, Happened, QueueWhy, To};
use super::event::{Reuse, Why};
use super::rule::{Acknowledge, CatchUp, DuplicateRule};
use crate::queue::Verdict;

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

/// The state of one write in mode `duplicate`. What it promises: [`Fan`](super::Fan).
///
/// It borrows nothing, so that it can outlive its exchange while copies are kept: until [`is_over`](Self::is_over). If the
/// client's body never becomes whole, there is no write: the driver ends all copies, takes back what was queued, and drops
/// the machine. Once the client has its answer, that can't happen any more. Allocates nothing for up to four servers.
#[derive(Debug)]
pub struct Duplicate {
    needs: Needs,
    answer_timeout: Duration,
    catches_up: bool,
    servers: SmallVec<[Fate; 4]>,
    /// The server of each copy.
    targets: SmallVec<[usize; 4]>,
    successes: usize,
    /// The answer that is passed on when the body is whole: it meets the rule, or it is that of the primary.
    answer: Option<Source>,
    /// The primary did not take the write. It may yet, from its backlog, but the client does not wait for that.
    primary_failed: bool,
    /// The refusal that is passed on if there can be no acknowledgement.
    refusal: Option<Source>,
    body_whole: bool,
    /// When the client has waited long enough; counts from the end of its body.
    deadline: Duration,
    decided: bool,
}

/// Whose success the client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// That of so many servers.
    Number(usize),
    /// That of this one.
    Primary(usize),
}

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// A copy is on its way to it.
    Waiting,
    /// It gets the write from its backlog.
    Queued,
    /// It has taken the write.
    Taken,
    /// It will not take it: it has refused, or nobody tries any more.
    Lost,
}

/// Where an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Copy(u32),
    /// The catch-up has it.
    CatchUp {
        server: usize,
    },
}

impl Source {
    fn answer(self) -> Act {
        match self {
            Self::Copy(copy) => Act::Answer { copy },
            Self::CatchUp { server } => Act::AnswerDelivered { server },
        }
    }
}

impl Duplicate {
    /// The machine of a write.
    pub fn new(rule: &DuplicateRule, targets: Targets<'_>) -> Self {
        let configured = targets.servers;
        let needs = match rule.acknowledge {
            Acknowledge::First => Needs::Number(1),
            Acknowledge::All => Needs::Number(configured),
            Acknowledge::Quorum => Needs::Number(configured / 2 + 1),
            Acknowledge::Primary => Needs::Primary(targets.primary),
            Acknowledge::Number(number) => Needs::Number(number.max(1) as usize),
        };
        let catches_up = rule.catch_up != CatchUp::Off;
        let gated = if catches_up { Fate::Queued } else { Fate::Lost };
        let is_gated = |server: &usize| targets.gated.contains(server);
        Self {
            needs,
            answer_timeout: rule.answer_timeout,
            catches_up,
            servers: (0..configured)
                .map(|server| if is_gated(&server) { gated } else { Fate::Waiting })
                .collect(),
            targets: (0..configured).filter(|server| !is_gated(server)).collect(),
            successes: 0,
            answer: None,
            primary_failed: false,
            refusal: None,
            body_whole: targets.body_whole,
            deadline: Duration::ZERO,
            decided: false,
        }
    }

    /// What to do first: a copy for each server, or its place in the queue.
    pub fn begin(&mut self, now: Duration) -> Acts {
        let mut acts = Acts::new();
        for server in (0..self.servers.len()).filter(|server| self.servers[*server] == Fate::Queued) {
            acts.push(Act::Queue { server, why: QueueWhy::Gated });
        }
        for (copy, server) in (0..).zip(&self.targets) {
            acts.push(Act::Start { copy, to: To::Server(*server), reuse: Reuse::Recent });
        }
        if self.servers.iter().all(|fate| *fate == Fate::Lost) {
            self.decide(Act::GiveUp(Why::NoServer), &mut acts);
            return acts;
        }
        self.wait(now, &mut acts);
        self.settle(&mut acts);
        acts
    }

    /// What to do now that this has happened, also after the client has its answer.
    pub fn on(&mut self, happened: Happened, now: Duration) -> Acts {
        let mut acts = Acts::new();
        match happened {
            Happened::Head { copy, status } => self.on_head(copy, status, &mut acts),
            Happened::NoServer { copy } => self.on_failed(copy, QueueWhy::Gated, &mut acts),
            Happened::NotSent { copy, timed_out } => {
                self.on_failed(copy, QueueWhy::Unreachable { timed_out }, &mut acts);
            }
            Happened::Failed { copy, cause, .. } => self.on_failed(copy, QueueWhy::Failed(cause), &mut acts),
            Happened::Delivered { server, .. } => self.on_caught_up(server, Fate::Taken),
            Happened::Refused { server, .. } => {
                let is_queued = self.servers.get(server) == Some(&Fate::Queued);
                if is_queued && self.refusal.is_none() && self.counts(server) {
                    self.refusal = Some(Source::CatchUp { server });
                }
                self.on_caught_up(server, Fate::Lost);
            }
            Happened::Dropped { server } => self.on_caught_up(server, Fate::Lost),
            Happened::Broken { copy } => {
                // The answer that was held back is gone; what it said of the delivery stays.
                self.answer.take_if(|source| *source == Source::Copy(copy));
                self.refusal.take_if(|source| *source == Source::Copy(copy));
            }
            Happened::BodyWhole if !self.body_whole => {
                self.body_whole = true;
                self.wait(now, &mut acts);
            }
            Happened::ReplayLost if !self.body_whole && !self.decided => {
                self.abort(&mut acts);
                return acts;
            }
            Happened::Timer => self.on_timer(now, &mut acts),
            Happened::BodyWhole
            | Happened::ReplayLost
            | Happened::Picked { .. }
            | Happened::RetryAfter { .. }
            | Happened::Whole { .. } => {}
        }
        self.settle(&mut acts);
        acts
    }

    /// Every server is asked by its number; nothing is picked.
    pub fn allows(&self, _server: usize) -> bool {
        true
    }

    /// Whether the client has its answer and the fate of every copy is known, so that the machine may be dropped.
    pub fn is_over(&self) -> bool {
        self.decided && !self.servers.contains(&Fate::Waiting)
    }

    /// Servers that have taken the write so far.
    pub fn successes(&self) -> usize {
        self.successes
    }

    fn on_head(&mut self, copy: u32, status: u16, acts: &mut Acts) {
        debug_assert!(status >= 200, "interim answers decide nothing");
        let Some(server) = self.waiting(copy) else { return };
        match Verdict::of(status) {
            Verdict::Delivered => {
                acts.push(Act::Done { server });
                let last_needed = self.take(server, Source::Copy(copy));
                if !last_needed && !self.decided {
                    // Not cancelled: an early answer does not mean that the server has the whole body.
                    acts.push(Act::Keep { copy });
                }
            }
            Verdict::Refused => {
                self.servers[server] = Fate::Lost;
                if self.catches_up {
                    acts.push(Act::DeadLetter { server, status });
                }
                if self.decided {
                    return;
                }
                match self.refusal.is_none() && self.counts(server) {
                    true => self.refusal = Some(Source::Copy(copy)),
                    false => acts.push(Act::Cancel { copy }),
                }
            }
            Verdict::Again => {
                self.queue(server, QueueWhy::Status(status), acts);
                if self.decided {
                    return;
                }
                match self.needs == Needs::Primary(server) {
                    true => self.answer = Some(Source::Copy(copy)),
                    false => acts.push(Act::Cancel { copy }),
                }
            }
        }
    }

    fn on_failed(&mut self, copy: u32, why: QueueWhy, acts: &mut Acts) {
        let Some(server) = self.waiting(copy) else { return };
        self.queue(server, why, acts);
    }

    /// The queue has come to an end with a server.
    fn on_caught_up(&mut self, server: usize, fate: Fate) {
        if self.servers.get(server) != Some(&Fate::Queued) {
            return;
        }
        match fate {
            Fate::Taken => {
                self.take(server, Source::CatchUp { server });
            }
            Fate::Waiting | Fate::Queued | Fate::Lost => self.servers[server] = fate,
        }
    }

    fn on_timer(&mut self, now: Duration, acts: &mut Acts) {
        if self.decided || !self.body_whole {
            return;
        }
        match now >= self.deadline {
            true => self.decide(Act::GiveUp(Why::NotAcknowledged), acts),
            false => acts.push(Act::WakeAt(self.deadline)),
        }
    }

    /// The server of a copy whose fate is not known.
    fn waiting(&self, copy: u32) -> Option<usize> {
        let server = *self.targets.get(copy as usize)?;
        (self.servers[server] == Fate::Waiting).then_some(server)
    }

    /// A server has taken the write. Says whether that meets the rule, so that this answer is the one to pass on.
    fn take(&mut self, server: usize, source: Source) -> bool {
        self.servers[server] = Fate::Taken;
        self.successes += 1;
        let is_met = match self.needs {
            Needs::Number(number) => self.successes >= number,
            Needs::Primary(primary) => server == primary,
        };
        let is_last_needed = is_met && self.answer.is_none() && !self.decided;
        if is_last_needed {
            self.answer = Some(source);
        }
        is_last_needed
    }

    /// A server did not take the write this time.
    fn queue(&mut self, server: usize, why: QueueWhy, acts: &mut Acts) {
        self.servers[server] = if self.catches_up { Fate::Queued } else { Fate::Lost };
        self.primary_failed |= self.needs == Needs::Primary(server);
        if self.catches_up {
            acts.push(Act::Queue { server, why });
        }
    }

    /// Whether the client may get the refusal of this server.
    fn counts(&self, server: usize) -> bool {
        match self.needs {
            Needs::Number(_) => true,
            Needs::Primary(primary) => server == primary,
        }
    }

    /// From the moment when the body is whole, the client waits for so long.
    fn wait(&mut self, now: Duration, acts: &mut Acts) {
        if self.body_whole && !self.decided {
            self.deadline = now.saturating_add(self.answer_timeout);
            acts.push(Act::WakeAt(self.deadline));
        }
    }

    /// Decides if the rule is met or can't be met any more.
    fn settle(&mut self, acts: &mut Acts) {
        let is_lost = self.servers.iter().all(|fate| *fate == Fate::Lost);
        if self.decided || !(self.body_whole || is_lost) {
            return;
        }
        match self.answer.or(self.refusal.filter(|_| !self.is_possible())) {
            Some(source) => self.decide(source.answer(), acts),
            None if self.is_possible() => {}
            None => self.decide(Act::GiveUp(Why::NotAcknowledged), acts),
        }
    }

    /// Whether a success may still come that meets the rule.
    fn is_possible(&self) -> bool {
        let is_open = |fate: &&Fate| matches!(fate, Fate::Waiting | Fate::Queued);
        match self.needs {
            Needs::Number(number) => {
                let open = self.servers.iter().filter(is_open).count();
                // At least one: an answer must come, also if the one that met the rule was lost.
                open >= number.saturating_sub(self.successes).max(1)
            }
            Needs::Primary(primary) => {
                !self.primary_failed && self.servers.get(primary).filter(is_open).is_some()
            }
        }
    }

    /// The body can't be kept, so that no server may have it: the copies end, and with them the write.
    fn abort(&mut self, acts: &mut Acts) {
        let waiting = (0..).zip(&self.targets).filter(|(_, server)| self.servers[**server] == Fate::Waiting);
        acts.extend(waiting.map(|(copy, _)| Act::Cancel { copy }));
        for fate in self.servers.iter_mut().filter(|fate| **fate == Fate::Waiting) {
            *fate = Fate::Lost;
        }
        self.decide(Act::GiveUp(Why::ReplayLost), acts);
    }

    fn decide(&mut self, decision: Act, acts: &mut Acts) {
        self.decided = true;
        for (copy, server) in (0..).zip(&self.targets) {
            if self.servers[*server] == Fate::Waiting {
                acts.push(Act::Keep { copy });
            }
        }
        for held in [self.answer, self.refusal].into_iter().flatten() {
            if let Source::Copy(copy) = held
                && held.answer() != decision
            {
                acts.push(Act::Cancel { copy });
            }
        }
        acts.push(decision);
    }
}

#[cfg(test)]
mod tests;
