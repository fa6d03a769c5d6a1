//! What became of every copy, and the promises that all modes make (the list in `fan.rs`).

use std::time::Duration;

use super::super::{Act, Happened, Mode, To};

/// A copy, as far as the driver knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    pub server: Option<usize>,
    pub state: State,
    pub kept: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No head yet.
    UnderWay,
    /// The head is here; the answer is held back.
    Head(u16),
    /// Its whole answer is here.
    Whole(u16, u64),
    /// It failed, was cancelled or passed on.
    Ended,
}

/// The driver's books.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub copies: Vec<Copy>,
    pub decision: Option<Act>,
    pub wake: Option<Duration>,
    pub body_whole: bool,
    /// Servers of which the catch-up has told what came of it.
    pub caught_up: Vec<usize>,
}

impl Ledger {
    pub(super) fn state(&self, copy: u32) -> State {
        self.copies.get(copy as usize).map_or(State::Ended, |copy| copy.state)
    }

    pub(super) fn under_way(&self) -> usize {
        self.copies.iter().filter(|copy| copy.state == State::UnderWay && !copy.kept).count()
    }

    /// Copies whose head or body is here and that were neither ended nor kept.
    pub(super) fn held(&self) -> impl Iterator<Item = (u32, &Copy)> {
        let is_held =
            |(_, copy): &(u32, &Copy)| matches!(copy.state, State::Head(_) | State::Whole(..)) && !copy.kept;
        (0..).zip(&self.copies).filter(is_held)
    }

    pub(super) fn told(&mut self, happened: Happened) {
        match happened {
            Happened::Picked { copy, server } => self.copies[copy as usize].server = Some(server),
            Happened::NoServer { copy } | Happened::NotSent { copy, .. } | Happened::Failed { copy, .. } => {
                self.copies[copy as usize].state = State::Ended;
            }
            Happened::Broken { copy } => self.copies[copy as usize].state = State::Ended,
            Happened::Head { copy, status } if self.state(copy) == State::UnderWay => {
                self.copies[copy as usize].state = State::Head(status);
            }
            Happened::Whole { copy, digest } => {
                if let State::Head(status) = self.state(copy) {
                    self.copies[copy as usize].state = State::Whole(status, digest);
                }
            }
            Happened::Timer => self.wake = None,
            Happened::BodyWhole => self.body_whole = true,
            Happened::Delivered { server, .. }
            | Happened::Refused { server, .. }
            | Happened::Dropped { server } => self.caught_up.push(server),
            _ => {}
        }
    }

    pub(super) fn did(&mut self, acts: &[Act], mode: Mode) {
        let duplicates = mode == Mode::Duplicate;
        let balanced = acts.iter().filter(|act| matches!(act, Act::Start { to: To::Balanced, .. }));
        assert!(balanced.count() <= 1, "one server is picked at a time: {acts:?}");
        for (index, act) in acts.iter().enumerate() {
            let late = matches!(act, Act::Queue { .. } | Act::Done { .. } | Act::DeadLetter { .. });
            assert!(self.decision.is_none() || (duplicates && late), "after the decision: {acts:?}");
            assert!(duplicates || !late, "{act:?}");
            match *act {
                Act::Start { copy, to, .. } => {
                    assert_eq!(copy as usize, self.copies.len(), "numbers have no gaps");
                    let server = if let To::Server(server) = to { Some(server) } else { None };
                    self.copies.push(Copy { server, state: State::UnderWay, kept: false });
                }
                Act::Cancel { copy } => {
                    let copy = &mut self.copies[copy as usize];
                    assert!(copy.state != State::Ended && !copy.kept, "cancelled twice: {acts:?}");
                    copy.state = State::Ended;
                }
                Act::Keep { copy } => {
                    let copy = &mut self.copies[copy as usize];
                    assert!(duplicates && copy.state != State::Ended && !copy.kept, "kept: {acts:?}");
                    copy.kept = true;
                }
                Act::Answer { copy } => {
                    let copy = &mut self.copies[copy as usize];
                    assert!(matches!(copy.state, State::Head(_) | State::Whole(..)), "no answer: {acts:?}");
                    assert!(!copy.kept, "kept and passed on: {acts:?}");
                    copy.state = State::Ended;
                }
                Act::WakeAt(moment) => self.wake = Some(moment),
                Act::AnswerDelivered { .. }
                | Act::GiveUp(_)
                | Act::Queue { .. }
                | Act::Done { .. }
                | Act::DeadLetter { .. } => {}
            }
            if let Act::Answer { .. } | Act::AnswerDelivered { .. } | Act::GiveUp(_) = act {
                assert_eq!(index + 1, acts.len(), "the decision comes last: {acts:?}");
                self.decision = Some(*act);
            }
        }
    }

    /// What holds whenever the machine has nothing more to say for now.
    pub(super) fn check(&self, mode: Mode) {
        if self.decision.is_some() {
            let ended = |copy: &Copy| copy.state == State::Ended || copy.kept;
            assert!(self.copies.iter().all(ended), "nobody speaks of it any more: {:?}", self.copies);
            return;
        }
        let reads =
            mode == Mode::Majority && self.held().any(|(_, copy)| matches!(copy.state, State::Head(_)));
        let body_comes = mode == Mode::Duplicate && !self.body_whole;
        assert!(
            self.under_way() > 0 || self.wake.is_some() || body_comes || reads,
            "it waits for nothing: {self:?}"
        );
    }
}
