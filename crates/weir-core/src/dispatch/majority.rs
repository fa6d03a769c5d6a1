//! Mode `majority`: every server is asked, and what more than half of them say is the answer (`semantics.md` §3.6).
//!
//! Two answers are the same if status and body are. More than half is counted of the *configured* servers: a server that is
//! down has no voice, but it still counts, so that two groups of servers which don't see each other can't both be right.
//!
//! It is decided as early as it is certain, in both directions: with the answer that completes a majority, and also as soon
//! as none is possible any more. Bodies have to be read whole before they can vote, and the driver keeps what was read. So of
//! every group of equal answers only the first is kept, and that only as long as it may still be passed on.

use std::time::Duration;

use smallvec::SmallVec;

use super::act::{Act, Acts, Happened, To};
use super::event::{Reuse, Why};
use super::rule::{MajorityRule, Otherwise};
use crate::retry::Cause;

/// The state of one request in mode `majority`. What it promises: [`Fan`](super::Fan).
///
/// Allocates nothing for up to four servers.
#[derive(Debug)]
pub struct Majority<'r> {
    rule: &'r MajorityRule,
    /// All that are configured, also those that can't be asked.
    servers: usize,
    copies: SmallVec<[Voice; 4]>,
    /// The server of each copy.
    targets: SmallVec<[usize; 4]>,
    groups: SmallVec<[Group; 4]>,
    /// What to say if nobody answered.
    why: Why,
    decided: bool,
}

/// What is known of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    /// It has no head yet.
    Waiting,
    /// Its body is being read.
    Reading { status: u16 },
    /// It has voted, or it never will.
    Over,
}

/// Equal answers, in the order in which the first of each came.
#[derive(Debug, Clone, Copy)]
struct Group {
    status: u16,
    digest: u64,
    votes: usize,
    /// The first one, as long as it is kept.
    kept: Option<u32>,
}

impl<'r> Majority<'r> {
    /// The machine of a request to an upstream of so many configured servers. Those that can't be asked, because they are
    /// UNREACHABLE or taken out, get no copy and have no voice.
    pub fn new(rule: &'r MajorityRule, servers: usize, can_be_asked: impl Fn(usize) -> bool) -> Self {
        let targets: SmallVec<[usize; 4]> = (0..servers).filter(|server| can_be_asked(*server)).collect();
        Self {
            rule,
            servers,
            copies: SmallVec::from_elem(Voice::Waiting, targets.len()),
            targets,
            groups: SmallVec::new(),
            why: Why::NoServer,
            decided: false,
        }
    }

    /// What to do first.
    pub fn begin(&mut self, _now: Duration) -> Acts {
        let in_vain = match self.rule.otherwise {
            Otherwise::Status(status) if !self.is_possible() => Some(Why::NoMajority { status }),
            Otherwise::Status(_) | Otherwise::Best(_) => None,
        };
        let mut acts = Acts::new();
        match (self.targets.is_empty(), in_vain) {
            (true, _) => self.decide(Act::GiveUp(Why::NoServer), &mut acts),
            (false, Some(why)) => {
                self.copies.fill(Voice::Over);
                self.decide(Act::GiveUp(why), &mut acts);
            }
            (false, None) => {
                let to = self.targets.iter().map(|server| To::Server(*server));
                acts.extend((0..).zip(to).map(|(copy, to)| Act::Start { copy, to, reuse: Reuse::Recent }));
            }
        }
        acts
    }

    /// What to do now that this has happened. What is told of a copy that has ended is ignored.
    pub fn on(&mut self, happened: Happened, _now: Duration) -> Acts {
        let mut acts = Acts::new();
        if self.decided {
            return acts;
        }
        match happened {
            Happened::NoServer { copy } => {
                self.move_on(copy, Voice::Over);
            }
            Happened::NotSent { copy, timed_out } => self.on_failed(copy, Why::Unreachable { timed_out }),
            Happened::Failed { copy, cause, .. } => self.on_failed(copy, Why::Failed(cause)),
            Happened::Broken { copy } => self.on_failed(copy, Why::Failed(Cause::Reset)),
            Happened::Head { copy, status } => {
                debug_assert!(status >= 200, "interim answers decide nothing");
                self.move_on(copy, Voice::Reading { status });
            }
            Happened::Whole { copy, digest } => self.on_whole(copy, digest, &mut acts),
            Happened::ReplayLost => {
                self.decide(Act::GiveUp(Why::ReplayLost), &mut acts);
                return acts;
            }
            Happened::Picked { .. }
            | Happened::RetryAfter { .. }
            | Happened::Delivered { .. }
            | Happened::Refused { .. }
            | Happened::Dropped { .. }
            | Happened::BodyWhole
            | Happened::Timer => return acts,
        }
        self.count(&mut acts);
        acts
    }

    /// Every server is asked by its number; nothing is picked.
    pub fn allows(&self, _server: usize) -> bool {
        true
    }

    /// A copy changes its state unless it has ended; says what it was.
    fn move_on(&mut self, copy: u32, to: Voice) -> Option<Voice> {
        let voice = self.copies.get_mut(copy as usize).filter(|voice| **voice != Voice::Over)?;
        Some(std::mem::replace(voice, to))
    }

    fn on_failed(&mut self, copy: u32, why: Why) {
        if self.move_on(copy, Voice::Over).is_some() {
            self.why = why;
        }
    }

    fn on_whole(&mut self, copy: u32, digest: u64, acts: &mut Acts) {
        let Some(Voice::Reading { status }) = self.move_on(copy, Voice::Over) else { return };
        let same = |group: &&mut Group| group.status == status && group.digest == digest;
        match self.groups.iter_mut().find(same) {
            Some(group) => {
                group.votes += 1;
                acts.push(Act::Cancel { copy });
            }
            None => self.groups.push(Group { status, digest, votes: 1, kept: Some(copy) }),
        }
    }

    /// Decides if it is certain, and frees what can't be the answer any more.
    fn count(&mut self, acts: &mut Acts) {
        let elected = self.groups.iter().find(|group| group.votes >= self.needed());
        if let Some(copy) = elected.and_then(|group| group.kept) {
            return self.decide(Act::Answer { copy }, acts);
        }
        let rule = self.rule;
        let (possible, best) = (self.is_possible(), self.best());
        for index in 0..self.groups.len() {
            let group = self.groups[index];
            let is_best = best.is_some_and(|(best, _)| group.kept == Some(best));
            if !is_best && !self.may_win(group.status, group.votes) {
                acts.extend(self.groups[index].kept.take().map(|copy| Act::Cancel { copy }));
            }
        }
        match (possible, &rule.otherwise) {
            (true, _) => {}
            (false, Otherwise::Best(_)) => self.settle(best, acts),
            (false, Otherwise::Status(status)) => {
                self.decide(Act::GiveUp(Why::NoMajority { status: *status }), acts);
            }
        }
    }

    /// No majority is possible: the best answer is passed on as soon as no better one can come.
    fn settle(&mut self, best: Option<(u32, usize)>, acts: &mut Acts) {
        let rule = self.rule;
        // Of two that are equally good the first one wins, so only a better one is worth waiting for.
        let may_be_better = |status| best.is_none_or(|(_, best)| rule.otherwise.rank(status) < Some(best));
        let mut is_open = false;
        for (copy, voice) in self.copies.iter_mut().enumerate() {
            match *voice {
                Voice::Waiting => is_open |= best.is_none_or(|(_, rank)| rank > 0),
                Voice::Reading { status } if may_be_better(status) => is_open = true,
                Voice::Reading { .. } => {
                    *voice = Voice::Over;
                    acts.push(Act::Cancel { copy: copy as u32 });
                }
                Voice::Over => {}
            }
        }
        match best {
            _ if is_open => {}
            Some((copy, _)) => self.decide(Act::Answer { copy }, acts),
            None => self.decide(Act::GiveUp(self.why), acts),
        }
    }

    /// The best whole answer by the stated order, and how good it is.
    fn best(&self) -> Option<(u32, usize)> {
        let rank = |group: &Group| Some((group.kept?, self.rule.otherwise.rank(group.status)?));
        self.groups.iter().filter_map(rank).min_by_key(|(_, rank)| *rank)
    }

    /// More than half of the configured servers.
    fn needed(&self) -> usize {
        self.servers / 2 + 1
    }

    /// Whether a group of this status with so many votes may still become a majority: all whose status is not known yet, and
    /// all whose body is not, might join it.
    fn may_win(&self, status: u16, votes: usize) -> bool {
        let joins = |voice: &&Voice| match **voice {
            Voice::Waiting => true,
            Voice::Reading { status: read } => read == status,
            Voice::Over => false,
        };
        votes + self.copies.iter().filter(joins).count() >= self.needed()
    }

    /// Whether any answer may still become that of the majority.
    fn is_possible(&self) -> bool {
        let known = self.groups.iter().any(|group| self.may_win(group.status, group.votes));
        known
            || self.copies.iter().any(|voice| match *voice {
                Voice::Reading { status } => self.may_win(status, 0),
                // A status that nobody has said yet; one for all is enough.
                Voice::Waiting => self.may_win(0, 0),
                Voice::Over => false,
            })
    }

    fn decide(&mut self, decision: Act, acts: &mut Acts) {
        self.decided = true;
        let open = self.copies.iter().enumerate().filter(|(_, voice)| **voice != Voice::Over);
        let open = open.map(|(copy, _)| copy as u32);
        let kept = self.groups.iter().filter_map(|group| group.kept);
        let losers = open.chain(kept).filter(|copy| decision != Act::Answer { copy: *copy });
        acts.extend(losers.map(|copy| Act::Cancel { copy }));
        acts.push(decision);
    }
}

#[cfg(test)]
mod tests;
