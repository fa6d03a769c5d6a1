//! What Weir has promised, held against what clients and servers saw.
//!
//! A check that can't know what Weir knew at a moment (both may happen at once) takes the side of Weir.

mod duplicate;
mod hedge;
mod majority;
mod race;

use std::time::Duration;

use tokio::time::Instant;
use weir_core::dispatch::Mode;
use weir_core::ports::{CopyOutcome, Status};

use super::journal::{Answer, By, From, Journal, Request, Visit};
use super::queue::Backlogs;
use super::scene::{ANSWER_BODY, ANSWER_HEAD, CONNECT, KEPT_BYTES_MAX, REQUEST_BODY, Rule};
use super::world::World;
use crate::tests::rig::Rig;

/// The shortest time after which a server may be given up.
const PATIENCE_MIN: Duration =
    if ANSWER_BODY.as_millis() < ANSWER_HEAD.as_millis() { ANSWER_BODY } else { ANSWER_HEAD };

/// A request with what came of it.
pub(super) struct Case<'j> {
    pub journal: &'j Journal,
    pub number: usize,
    pub request: &'j Request,
    pub servers: usize,
}

/// Checks everything.
pub(super) fn check(world: &World, rig: &Rig, backlogs: &Backlogs) {
    let journal = &*world.journal.borrow();
    let servers = world.scene.servers.len();
    for (number, request) in journal.requests.iter().enumerate() {
        let case = Case { journal, number, request, servers };
        case.check_visits(world.scene.rule);
        case.check_answer(world.is_cut.get());
        if world.is_cut.get() {
            continue;
        }
        match world.scene.rule {
            Rule::Race { only_2xx, width, stagger, otherwise } => {
                race::check(&case, only_2xx, width, stagger, otherwise);
            }
            Rule::Hedge => hedge::check(&case),
            Rule::Majority { best } => majority::check(&case, best),
            Rule::Duplicate { acknowledge, catch_up } => {
                duplicate::check(&case, acknowledge, catch_up.then_some(backlogs));
            }
        }
    }
    backlogs.check_bodies();
    check_counters(world, rig, backlogs);
}

impl Case<'_> {
    pub(super) fn visits(&self) -> impl Iterator<Item = &Visit> {
        self.journal.visits_of(self.number)
    }

    /// The answer of a client that was there all the time.
    pub(super) fn answer(&self) -> Option<&Answer> {
        self.request.answer.as_ref().filter(|_| self.request.left.is_none())
    }

    /// The visit whose answer the client got.
    pub(super) fn winner(&self) -> Option<&Visit> {
        match self.answer()?.from {
            From::Visit(visit) => Some(&self.journal.visits[visit]),
            From::Weir | From::Delivery { .. } => None,
        }
    }

    /// Whether more could have come of a visit after this moment, as far as its server and the deadlines are concerned.
    pub(super) fn is_open(&self, visit: &Visit, at: Instant) -> bool {
        let is_resolved = visit.resolved().is_some_and(|stamp| stamp.at <= at);
        let may_be_given_up = visit.began.at + PATIENCE_MIN <= at;
        !is_resolved && !may_be_given_up
    }

    /// Whether a connection was still waited for, and could have been for longer.
    pub(super) fn is_connecting(&self, at: Instant) -> bool {
        let first = self.journal.dials.iter().filter(|dial| dial.request == Some(self.number));
        // All copies share the time, from the first one that waits.
        let since = first.clone().map(|dial| dial.began.at).min();
        since.is_some_and(|since| since + CONNECT > at)
            && first.clone().any(|dial| dial.outcome.is_none_or(|(stamp, _)| stamp.at > at))
    }

    /// Whether a server was asked, in vain or not.
    pub(super) fn is_asked(&self, server: usize) -> bool {
        let mut dials = self.journal.dials.iter().filter(|dial| dial.request == Some(self.number));
        // A kept connection may have died before its server had the head of the request.
        let died = |visit: &Visit| {
            let ended =
                visit.ended.is_some_and(|(stamp, by)| by == By::Server && stamp >= self.request.began);
            visit.server == server && visit.done.is_some() && ended
        };
        self.visits().any(|visit| visit.server == server)
            || dials.any(|dial| dial.server == server)
            || self.journal.visits.iter().any(died)
    }

    /// Whether the body is larger than what can be kept.
    pub(super) fn is_too_large(&self) -> bool {
        self.request.content.len() > KEPT_BYTES_MAX
    }

    /// What servers got of a request.
    fn check_visits(&self, rule: Rule) {
        let (number, request) = (self.number, self.request);
        let is_write = matches!(rule, Rule::Duplicate { .. });
        for visit in self.visits() {
            assert!(
                request.content.starts_with(&visit.content),
                "{number}: other bytes than the client's: {visit:?}"
            );
            if visit.whole.is_some() {
                assert!(visit.content == request.content, "{number}: cut, and looks whole: {visit:?}");
                assert!(visit.trailers == request.trailers, "{number}: other trailers: {visit:?}");
                let is_sent = request.sent.is_some() || request.left.is_some();
                assert!(is_sent, "{number}: whole before it was sent: {visit:?}");
            }
            assert!(visit.key.is_some() || !is_write, "{number}: a write without a key");
        }
        for server in 0..self.servers {
            let visits: Vec<_> = self.visits().filter(|visit| visit.server == server).collect();
            // `semantics.md` §2.2: twice only if the connection was an old one that gave no byte.
            let repeats = visits.iter().filter(|visit| visit.reused && visit.is_fruitless()).count();
            let at_most = if request.repeatable || is_write { 1 + repeats } else { 1 };
            let is_hedge = rule == Rule::Hedge;
            assert!(visits.len() <= at_most || is_hedge, "{number}: {} times to {server}", visits.len());
        }
        let mut keys: Vec<_> = self.visits().map(|visit| &visit.key).collect();
        keys.dedup();
        assert!(keys.len() <= 1, "{number}: copies are told apart: {keys:?}");
    }

    /// What the client got.
    fn check_answer(&self, is_cut: bool) {
        let (number, request) = (self.number, self.request);
        let Some(answer) = &request.answer else {
            assert!(request.left.is_some() || is_cut, "{number}: no answer: {request:?}");
            return;
        };
        let excused = request.left.is_some() || is_cut;
        match answer.from {
            From::Weir => {
                assert!(answer.whole || excused, "{number}: ours is cut: {answer:?}");
                assert!(excused || answer.status != 500 || self.servers > 0, "{number}: {answer:?}");
            }
            From::Delivery { .. } => {
                let said: &[u8] = if request.method == "HEAD" { b"" } else { b"delivered" };
                assert!(said.starts_with(&answer.content), "{number}: {answer:?}");
                assert!(answer.content == said || !answer.whole, "{number}: {answer:?}");
                assert!(answer.whole || excused, "{number}: it was here: {answer:?}");
            }
            From::Visit(visit) => {
                let visit = &self.journal.visits[visit];
                assert_eq!(visit.request, number, "somebody else's answer: {answer:?} {visit:?}");
                assert_eq!(visit.status, Some(answer.status), "{number}");
                assert!(visit.says.starts_with(&answer.content), "{number}: other bytes than the server's");
                if answer.whole {
                    assert!(visit.says == answer.content, "{number}: cut, and looks whole: {visit:?}");
                    let is_said = visit.done.is_some() || visit.says.is_empty();
                    assert!(is_said, "{number}: whole before it was said: {visit:?}");
                } else {
                    let is_broken = visit.done.is_none_or(|done| done.at > answer.came.at + ANSWER_BODY);
                    assert!(excused || is_broken, "{number}: cut without need: {answer:?} {visit:?}");
                }
            }
        }
        self.check_time(answer);
    }

    /// An answer comes in time, whatever servers do.
    fn check_time(&self, answer: &Answer) {
        let request = self.request;
        let rounds = u32::try_from(self.servers + 2).unwrap();
        let bound = (CONNECT + ANSWER_HEAD + ANSWER_BODY * 2) * rounds + request.pauses * 4 + REQUEST_BODY;
        let took = answer.came.at - request.began.at;
        assert!(took <= bound, "{}: an answer after {took:?}", self.number);
    }
}

/// Each copy is counted once.
fn check_counters(world: &World, rig: &Rig, backlogs: &Backlogs) {
    let mode = match world.scene.rule {
        Rule::Race { .. } => Mode::Race,
        Rule::Hedge => Mode::Hedge,
        Rule::Majority { .. } => Mode::Majority,
        Rule::Duplicate { .. } => Mode::Duplicate,
    };
    let mut status = Status::default();
    rig.counters.add_to(&mut status);
    let copies = status.dispatch.copies[mode as usize];
    let counted: u64 = copies.iter().sum();
    let from_servers = |request: &&Request| {
        request.answer.as_ref().is_some_and(|answer| matches!(answer.from, From::Visit(_)))
    };
    let requests = &world.journal.borrow().requests;
    let answered = requests.iter().filter(from_servers).count() as u64;
    assert!(
        copies[CopyOutcome::Answered as usize] >= answered,
        "copies whose answers clients got: {copies:?}"
    );
    let servers = world.scene.servers.len() as u64;
    let started = match world.scene.rule {
        Rule::Majority { .. } => status.dispatch.requests_by_mode[mode as usize] * servers,
        Rule::Duplicate { catch_up: true, .. } => {
            backlogs.with_entries(|entries| entries.iter().map(|entry| entry.live.len() as u64).sum())
        }
        Rule::Duplicate { catch_up: false, .. } => status.dispatch.requests_by_mode[mode as usize] * servers,
        Rule::Race { .. } | Rule::Hedge => return,
    };
    // What is known to be too large is refused before the first copy.
    let refused = requests.iter().filter(|request| request.content.len() > KEPT_BYTES_MAX).count() as u64;
    let certain = started.saturating_sub(refused * servers);
    assert!((certain..=started).contains(&counted), "{started} copies were started, and counted {copies:?}");
}

impl Visit {
    /// It has ended without a byte of an answer.
    fn is_fruitless(&self) -> bool {
        self.answered.is_none()
            && self.babbled.is_none()
            && self.ended.is_some_and(|(_, by)| by == By::Server)
    }
}
