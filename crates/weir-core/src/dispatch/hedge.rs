//! Mode `hedge`: one server is asked, and a second one if the first is slow (`semantics.md` §3.5).
//!
//! Most of what makes the slowest answers slow is bad luck of one server in one moment (a pause, a full queue), and a second
//! server asked at that moment answers sooner than the first one recovers. The hedge waits until the first has taken longer
//! than nearly all answers do, so it is rare; and it is paid for from a [`Budget`], so that it stays rare when everything is
//! slow. The first final answer wins, whoever gave it, and the other copy is cancelled.
//!
//! The wait counts from the start of the copy, connecting included, but not before the client's body is whole: a client that
//! uploads slowly does not make its server slow. What the driver measures counts from the same moment. A server that does not
//! take a large body holds up its end, and with it the hedge; that is for the deadlines of the connection.
//!
//! Beside that one copy the mode is `balance`: passing over is free, and what failed is repeated by the retry policy where
//! that is safe. The two meet in one rule: **while another copy is under way, it is the repeat.** Only when the last one
//! under way has failed, the policy and its budget are asked for a new one, which waits as in `balance`. An answer that the
//! policy would repeat is held back meanwhile, at most one, and is the answer if nothing better comes. A hedge counts as an attempt of the policy, so that a request is
//! never sent more often than `attempts` says for the sake of repeats; the policy does not limit the hedge itself.

use std::time::Duration;

use smallvec::SmallVec;

use super::act::{Act, Acts, Happened, To};
use super::budget::Budget;
use super::event::{RequestFacts, Reuse, Why};
use super::marks::Marks;
use super::rule::HedgeRule;
use crate::retry::{
    Cause, Ended, Moment, Progress, Repeats, RetryBudget, RetryPolicy, RetryReason, may_repeat,
};

/// What `hedge` must know of a request and its upstream before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgeFacts {
    /// Whether it may be repeated. What is safe may be hedged until [`Happened::ReplayLost`]; `body_survives` only says
    /// whether that can come.
    pub request: RequestFacts,
    /// How many servers the upstream has.
    pub servers: usize,
    /// The published percentile of the time to an answer's head; `None` without history.
    pub percentile: Option<Duration>,
    /// Whether the client's body is here already, or there is none; else [`Happened::BodyWhole`] says when it is.
    pub body_whole: bool,
    /// When the exchange began, on the clock of the retry budget.
    pub began: Duration,
    /// How long the whole request may take from there on.
    pub time_max: Duration,
    /// Even over all of `u64`.
    pub random: u64,
}

/// The state of one request in mode `hedge`. What it promises: [`Fan`](super::Fan).
///
/// There are at most two copies at a time, and one of them was launched by the clock. Allocates nothing for up to 128
/// servers.
#[derive(Debug)]
pub struct Hedge<'r> {
    repeats: Repeats<'r>,
    budget: &'r Budget,
    request: RequestFacts,
    servers: usize,
    began: Duration,
    time_max: Duration,
    random: u64,
    delay: Duration,
    body_whole: bool,
    /// Copies so far; the number of the next one.
    started: u32,
    /// Copies of which a byte may have been sent, those under way not counted.
    sent: u32,
    live: SmallVec<[Live; 2]>,
    /// Whether there was a hedge, or there can't be one any more.
    hedged: bool,
    /// The last copy that was the hedge.
    hedge: Option<u32>,
    /// When the hedge is due, or the repeat that waits.
    due: Duration,
    /// Servers that can't be connected to.
    unreachable: Marks,
    /// Servers that were asked in this round, also those that are asked now.
    asked: Marks,
    last_asked: Option<usize>,
    /// Only fresh connections are used from now on.
    fresh: bool,
    replay_lost: bool,
    /// How the last copy ended that was sent.
    ended: Option<Ended>,
    /// A repeat was granted and has not been sent yet.
    granted: bool,
    /// It waits until `due`, as a hedge would.
    rests: bool,
    /// A copy whose answer will say that its server wants to be left alone for so long.
    asked_for_rest: Option<(u32, Duration)>,
    /// The answer that the policy would repeat, and that is passed on if nothing better comes.
    held: Option<u32>,
    /// What to say if there is none.
    why: Why,
    decided: bool,
}

/// A copy that is under way.
#[derive(Debug, Clone, Copy)]
struct Live {
    copy: u32,
    /// Not known until it was picked.
    server: Option<usize>,
}

impl<'r> Hedge<'r> {
    /// The machine of a request. `budget` is that of the route, `repeats` that of the upstream.
    pub fn new(
        rule: &HedgeRule,
        policy: &'r RetryPolicy,
        budget: &'r Budget,
        repeats: Option<&'r RetryBudget>,
        facts: HedgeFacts,
    ) -> Self {
        Self {
            repeats: Repeats::new(policy, repeats, facts.request.safe),
            budget,
            request: facts.request,
            servers: facts.servers,
            began: facts.began,
            time_max: facts.time_max,
            random: facts.random,
            delay: rule.delay(facts.percentile),
            body_whole: facts.body_whole,
            started: 0,
            sent: 0,
            live: SmallVec::new(),
            hedged: !facts.request.safe,
            hedge: None,
            due: Duration::ZERO,
            unreachable: Marks::default(),
            asked: Marks::default(),
            last_asked: None,
            fresh: false,
            replay_lost: false,
            ended: None,
            granted: false,
            rests: false,
            asked_for_rest: None,
            held: None,
            why: Why::NoServer,
            decided: false,
        }
    }

    /// What to do first. The request brings its share to the budget.
    pub fn begin(&mut self, now: Duration) -> Acts {
        self.budget.request();
        let mut acts = Acts::new();
        self.start(now, &mut acts);
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
                debug_assert!(self.allows(server), "only allowed servers are picked");
                self.asked.add(server);
                if let Some(live) = self.live.iter_mut().find(|live| live.copy == copy) {
                    live.server = Some(server);
                }
            }
            Happened::NoServer { copy } => self.on_no_server(copy, now, &mut acts),
            Happened::NotSent { copy, timed_out } => {
                self.on_not_sent(copy, Why::Unreachable { timed_out }, now, &mut acts);
            }
            Happened::Failed { copy, cause, bytes_sent: 0 } => {
                self.on_not_sent(copy, Why::Failed(cause), now, &mut acts);
            }
            Happened::Failed { copy, cause, .. } => self.on_failed(copy, cause, now, &mut acts),
            Happened::Head { copy, status } => self.on_head(copy, status, now, &mut acts),
            // The answer that was held back is gone.
            Happened::Broken { copy } => {
                self.held.take_if(|held| *held == copy);
            }
            Happened::RetryAfter { copy, wait } => self.asked_for_rest = Some((copy, wait)),
            Happened::ReplayLost => self.replay_lost = true,
            Happened::Timer => self.on_timer(now, &mut acts),
            Happened::BodyWhole if !self.body_whole => {
                self.body_whole = true;
                self.wait(now, &mut acts);
            }
            Happened::Whole { .. }
            | Happened::Delivered { .. }
            | Happened::Refused { .. }
            | Happened::Dropped { .. }
            | Happened::BodyWhole => {}
        }
        acts
    }

    /// Whether the server may be picked for the copy that was started last.
    pub fn allows(&self, server: usize) -> bool {
        !self.unreachable.has(server) && !self.asked.has(server)
    }

    /// Copies so far of which a byte may have been sent.
    pub fn attempts(&self) -> u32 {
        self.sent + self.live.len() as u32
    }

    /// The copy that was launched because the first one was slow.
    pub fn hedge(&self) -> Option<u32> {
        self.hedge
    }

    /// Why a repeat was granted since this was asked last.
    pub fn take_granted(&mut self) -> Option<RetryReason> {
        self.repeats.take_granted()
    }

    /// Whether a repeat was wanted and safe that the budget could not pay.
    pub fn is_unpaid(&self) -> bool {
        self.repeats.is_unpaid()
    }

    /// The hedge is due: it is launched if the request may be sent again, somebody else can be asked, and it can be paid.
    fn on_timer(&mut self, now: Duration, acts: &mut Acts) {
        if self.rests {
            return self.on_rested(now, acts);
        }
        if self.hedged || self.replay_lost || !self.body_whole {
            return;
        }
        if now < self.due {
            return acts.push(Act::WakeAt(self.due));
        }
        if self.others() && self.budget.take() {
            self.hedged = true;
            self.hedge = Some(self.started);
            self.start(now, acts);
        }
    }

    /// Whether a server is left that was not asked in this round.
    fn others(&self) -> bool {
        self.servers > self.asked.count() + self.unreachable.count()
    }

    fn on_no_server(&mut self, copy: u32, now: Duration, acts: &mut Acts) {
        if self.end(copy).is_none() {
            return;
        }
        self.refund(copy);
        if self.live.is_empty() {
            self.next_round(now, acts);
        }
    }

    /// Passing over (`semantics.md` §2.1): another server gets the copy; a hedge stays a hedge and is not paid again.
    fn on_not_sent(&mut self, copy: u32, why: Why, now: Duration, acts: &mut Acts) {
        let Some(live) = self.end(copy) else { return };
        self.why = why;
        if let Some(server) = live.server {
            self.asked.remove(server);
            self.unreachable.add(server);
        }
        if !may_repeat(self.request.safe, self.progress(0)) {
            self.refund(copy);
            return self.go_on(now, acts);
        }
        if self.hedge == Some(copy) {
            self.hedge = Some(self.started);
        }
        self.start(now, acts);
    }

    fn on_failed(&mut self, copy: u32, cause: Cause, now: Duration, acts: &mut Acts) {
        let Some(live) = self.end(copy) else { return };
        self.was_sent(live, Ended::Failed(cause));
        self.why = Why::Failed(cause);
        self.fresh |= cause == Cause::Reset;
        self.go_on(now, acts);
    }

    fn on_head(&mut self, copy: u32, status: u16, now: Duration, acts: &mut Acts) {
        debug_assert!(status >= 200, "interim answers decide nothing");
        let Some(live) = self.end(copy) else { return };
        let rest = self.asked_for_rest.take_if(|(of, _)| *of == copy).map(|(_, wait)| wait);
        self.repeats.note_rest(rest.unwrap_or_default(), self.began.saturating_add(now));
        self.was_sent(live, Ended::Answered { status, retry_after: rest });
        if !self.repeats.policy().wants_status(status) {
            return self.decide(Act::Answer { copy }, acts);
        }
        acts.extend(self.held.replace(copy).map(|copy| Act::Cancel { copy }));
        self.why = Why::Discarded { status };
        self.go_on(now, acts);
    }

    /// Something has ended without an answer. Whoever is under way is the repeat; else the policy says whether there is one,
    /// and the budget whether it is paid.
    fn go_on(&mut self, now: Duration, acts: &mut Acts) {
        if !self.live.is_empty() {
            return;
        }
        let others = self.others();
        match self.repeat(others, now) {
            Some(wait) => self.start_after(wait, now, acts),
            None => self.settle(acts),
        }
    }

    /// Nobody is left who was not asked, and nothing is under way: those that were asked come again, the last one only if it
    /// is alone.
    fn next_round(&mut self, now: Duration, acts: &mut Acts) {
        let alone = self.asked.count() <= 1;
        let Some(last) = self.last_asked.filter(|last| self.asked.has(*last)) else {
            return self.settle(acts);
        };
        let wait = match self.granted {
            true => self.repeats.again(self.moment(false, now)),
            false => self.repeat(false, now),
        };
        let Some(wait) = wait.filter(|_| !self.replay_lost) else { return self.settle(acts) };
        self.asked.clear();
        if !alone {
            self.asked.add(last);
        }
        self.start_after(wait, now, acts);
    }

    /// How long to wait before the repeat of what ended last, if there is one.
    fn repeat(&mut self, others: bool, now: Duration) -> Option<Duration> {
        let ended = self.ended?;
        if !self.repeats.wants(ended, self.sent, self.progress(1)) {
            return None;
        }
        let wait = self.repeats.decide(ended, self.sent, self.moment(others, now))?;
        self.granted = true;
        Some(wait)
    }

    fn moment(&self, others: bool, now: Duration) -> Moment {
        // Another one for each repeat: a step of a Weyl sequence.
        let random = self.random.wrapping_add(u64::from(self.sent).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Moment {
            now: self.began.saturating_add(now),
            left: self.time_max.saturating_sub(now),
            others,
            random,
        }
    }

    fn start_after(&mut self, wait: Duration, now: Duration, acts: &mut Acts) {
        if wait.is_zero() {
            return self.start(now, acts);
        }
        self.rests = true;
        self.due = now.saturating_add(wait);
        acts.push(Act::WakeAt(self.due));
    }

    /// The wait before a repeat is over.
    fn on_rested(&mut self, now: Duration, acts: &mut Acts) {
        if now < self.due {
            return acts.push(Act::WakeAt(self.due));
        }
        self.rests = false;
        if self.replay_lost { self.settle(acts) } else { self.start(now, acts) }
    }

    fn start(&mut self, now: Duration, acts: &mut Acts) {
        let copy = self.started;
        let reuse = self.reuse();
        self.started += 1;
        self.live.push(Live { copy, server: None });
        acts.push(Act::Start { copy, to: To::Balanced, reuse });
        self.wait(now, acts);
    }

    /// From now on the copy that was started last is waited for, if there may be a hedge.
    fn wait(&mut self, now: Duration, acts: &mut Acts) {
        if !self.rests && !self.hedged && !self.replay_lost && self.body_whole && self.servers > 1 {
            self.due = now.saturating_add(self.delay);
            acts.push(Act::WakeAt(self.due));
        }
    }

    /// As in `balance`: a kept connection may be dead, which does no harm if the request would then be repeated. A copy beside
    /// another one would not be.
    fn reuse(&self) -> Reuse {
        let survives = self.request.safe && self.request.body_survives && !self.replay_lost;
        let policy = self.repeats.policy();
        let repeats = policy.wants(Cause::Reset) && self.sent + 1 < policy.attempts;
        match (self.fresh, survives && repeats && self.live.is_empty()) {
            (true, _) => Reuse::Never,
            (false, true) => Reuse::Any,
            (false, false) => Reuse::Recent,
        }
    }

    /// If this was the hedge, nothing was launched after all.
    fn refund(&mut self, copy: u32) {
        if self.hedge.take_if(|hedge| *hedge == copy).is_some() {
            self.budget.give_back();
        }
    }

    fn progress(&self, bytes_sent: u64) -> Progress {
        Progress { bytes_sent, body_whole: !self.replay_lost, answer_begun: false }
    }

    fn was_sent(&mut self, live: Live, ended: Ended) {
        self.sent += 1;
        self.granted = false;
        self.ended = Some(ended);
        self.last_asked = live.server;
    }

    /// The copy is not under way any more; `None` if it was not.
    fn end(&mut self, copy: u32) -> Option<Live> {
        let index = self.live.iter().position(|live| live.copy == copy)?;
        Some(self.live.remove(index))
    }

    fn settle(&mut self, acts: &mut Acts) {
        match self.held.take() {
            Some(copy) => self.decide(Act::Answer { copy }, acts),
            None => self.decide(Act::GiveUp(self.why), acts),
        }
    }

    fn decide(&mut self, decision: Act, acts: &mut Acts) {
        self.decided = true;
        let losers = self.live.iter().map(|live| live.copy).chain(self.held.take());
        acts.extend(losers.map(|copy| Act::Cancel { copy }));
        self.sent += self.live.len() as u32;
        self.live.clear();
        acts.push(decision);
    }
}

#[cfg(test)]
mod tests;
