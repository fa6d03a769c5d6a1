//! The driver of modes that ask several servers at once: performs what their state machines decide.
//!
//! One task polls all copies of a request, its client and its deadlines, and tells the machine what happened, one thing
//! after the other; so no two of them can ever both believe to be the answer. What the machine lets go lingers
//! ([`linger`]), what it keeps goes on without the exchange.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;
use weir_core::balance::Turn;
use weir_core::dispatch::{Act, Acts, Fan, Happened, Reuse, To};
use weir_core::ports::CopyOutcome;
use weir_core::ports::queue::KeptAnswer;
use weir_upstream::body::replay::{self, Replay};
use weir_upstream::io::deadline::{Wait, now};
use weir_upstream::local_groups::LocalGroup;
use weir_upstream::select;
use weir_upstream::upstream::Upstream;

use super::copy::{Copy, State};
use super::no_answer::{self, client_failure};
use super::tally::Tally;
use crate::access_log::Copies;
use crate::dispatch::agreement::Agreement;
use crate::dispatch::copy::{self, Held, Lost, Original, Stage};
use crate::dispatch::deliver::BYTES_PER_SECOND_MIN;
use crate::dispatch::linger;
use crate::dispatch::retry_after::of_overload;
use crate::dispatch::whole::{self, Unread};
use crate::dispatch::write::{Left, Write};
use crate::exchange::Exchange;
use crate::stages::failure::Failure;
use crate::tries::TryOutcome;

/// An answer that was chosen.
pub(super) enum Winner {
    /// A copy's.
    Live(Box<Held>),
    /// One that the catch-up got.
    Delivered(KeptAnswer),
}

/// What happens to one request.
pub(super) struct Driver<'r> {
    original: Rc<Original>,
    upstream: &'r Arc<Upstream>,
    /// Its servers, by the numbers that the machine calls them.
    group: LocalGroup,
    turn: Turn,
    replay: Option<Rc<Replay>>,
    machine: Fan<'r>,
    copies: SmallVec<[Copy; 4]>,
    /// How far each copy has come that was ever started.
    stages: SmallVec<[Rc<Stage>; 4]>,
    /// Copies whose answers were not wanted.
    cancelled: u32,
    /// What happened at once when an action was performed.
    news: SmallVec<[Happened; 4]>,
    /// How the last copy failed that did.
    failure: Option<Failure>,
    /// Whether the machine knows that the body has come whole.
    told_whole: bool,
    /// When that was, if there is a body.
    whole_at: Option<Instant>,
    /// Whether it knows that the body can't be sent again.
    told_lost: bool,
    /// The write that the request is, with its place in the queue.
    write: Option<Write>,
    /// What servers say of it, where it is to be one.
    agreement: Option<Rc<Agreement>>,
}

impl<'r> Driver<'r> {
    /// A driver of this machine that has done nothing yet.
    pub(super) fn new(
        original: Rc<Original>,
        upstream: &'r Arc<Upstream>,
        group: LocalGroup,
        replay: Option<Rc<Replay>>,
        turn: Turn,
        machine: Fan<'r>,
        write: Option<Write>,
    ) -> Self {
        let is_write = matches!(machine, Fan::Duplicate(_));
        Self {
            original,
            upstream,
            group,
            turn,
            replay,
            machine,
            copies: SmallVec::new(),
            stages: SmallVec::new(),
            cancelled: 0,
            news: SmallVec::new(),
            failure: None,
            told_whole: false,
            whole_at: None,
            told_lost: false,
            write,
            agreement: is_write.then(|| Rc::new(Agreement::new(Arc::clone(&upstream.verdicts)))),
        }
    }

    /// Runs until the machine has decided.
    ///
    /// # Errors
    /// There is no answer, or nobody waits for one.
    pub(super) async fn decide(&mut self, x: &mut Exchange) -> Result<Winner, Failure> {
        // Waiting for its turn, or for its body, may have taken a while.
        let mut acts = self.machine.begin(now() - x.begun);
        loop {
            if let Some(decision) = self.perform(x, acts) {
                return decision;
            }
            let happened = match self.news.is_empty() {
                false => self.news.remove(0),
                true => self.next(x).await?,
            };
            acts = self.machine.on(happened, now() - x.begun);
            if let Fan::Hedge(machine) = &mut self.machine
                && let Some(reason) = machine.take_granted()
            {
                self.upstream.retries.count(reason);
            }
        }
    }

    /// The copy that was sent because the first server was slow.
    fn hedge(&self) -> Option<u32> {
        match &self.machine {
            Fan::Hedge(machine) => machine.hedge(),
            Fan::Race(_) | Fan::Majority(_) | Fan::Duplicate(_) => None,
        }
    }

    /// Notes that a repeat was wanted and safe, and not paid.
    pub(super) fn note_unpaid(&self, x: &mut Exchange) {
        if let Fan::Hedge(machine) = &self.machine
            && machine.is_unpaid()
        {
            self.upstream.retries.count_unpaid();
            x.record.unpaid = true;
        }
    }

    /// Notes for the log what came of a copy, where that is more than one server that has answered.
    fn note(&self, x: &mut Exchange, copy: &Copy, outcome: TryOutcome) {
        let is_told = !matches!(outcome, TryOutcome::Answered(_)) || !x.record.tries.is_empty();
        if is_told && matches!(self.machine, Fan::Hedge(_)) {
            x.look();
            x.note_try(&self.group.servers[copy.server], copy.started, outcome);
        }
    }

    fn perform(&mut self, x: &mut Exchange, acts: Acts) -> Option<Result<Winner, Failure>> {
        let mut decision = None;
        for act in acts {
            match act {
                Act::Start { copy, to, reuse } => self.start(x, copy, to, reuse),
                Act::Cancel { copy } => self.cancel(x, copy),
                Act::WakeAt(at) => {
                    let deadlines = &x.client.deadlines;
                    deadlines.set_from(Wait::Dispatch, x.begun, at);
                }
                Act::Answer { copy } => decision = Some(self.choose(x, copy)),
                Act::GiveUp(why) => decision = Some(Err(no_answer::failure(why, self.failure.take()))),
                Act::AnswerDelivered { server } => decision = Some(self.choose_delivered(x, server)),
                Act::Keep { copy } => self.keep(copy),
                // The queue is told of each copy when it ends, and decides the same by itself; see `act.rs`.
                Act::Done { .. } | Act::Queue { .. } | Act::DeadLetter { .. } => {}
            }
        }
        decision
    }

    fn choose(&mut self, x: &mut Exchange, number: u32) -> Result<Winner, Failure> {
        let place = self.copies.iter().position(|copy| copy.number == number);
        let copy = place.map(|place| self.copies.remove(place));
        if let Some(copy @ Copy { state: State::Held(held), .. }) = &copy {
            self.note(x, copy, TryOutcome::Answered(held.head.status()));
        }
        match copy {
            Some(Copy { server, state: State::Held(held), mut tally, .. }) => {
                self.note_winner(x, server);
                tally.becomes(CopyOutcome::Answered);
                if self.hedge() == Some(number) {
                    x.worker.counters.hedges_won.add(1);
                }
                Ok(Winner::Live(held))
            }
            // Machines choose among answers that have come.
            Some(_) | None => Err(Failure::Panic),
        }
    }

    fn choose_delivered(&mut self, x: &mut Exchange, server: usize) -> Result<Winner, Failure> {
        self.note_winner(x, server);
        let answer = self.write.as_mut().and_then(|write| write.answer_of(server));
        answer.map(Winner::Delivered).ok_or(Failure::NotAcknowledged)
    }

    fn note_winner(&self, x: &mut Exchange, server: usize) {
        let server = &self.group.servers[server];
        server.counters.won.fetch_add(1, Ordering::Relaxed);
        x.record.server = Some(Arc::clone(server));
        x.client.sight.asks(server);
    }

    fn keep(&mut self, number: u32) {
        if let Some(copy) = self.copies.iter_mut().find(|copy| copy.number == number) {
            copy.kept = true;
            copy.tally.becomes(CopyOutcome::Kept);
        }
    }

    fn start(&mut self, x: &Exchange, number: u32, to: To, reuse: Reuse) {
        let server = match to {
            To::Server(server) => server,
            To::Balanced => {
                let (machine, group) = (&self.machine, &*self.group);
                let is_first = self.stages.is_empty();
                let usable = |server: usize| {
                    let is_there = is_first || group.still_has(server);
                    is_there && machine.allows(server) && group.servers[server].has_room(group.panic)
                };
                match select::pick(self.upstream, group, self.turn, now(), usable) {
                    Some(server) => {
                        self.news.push(Happened::Picked { copy: number, server });
                        server
                    }
                    None => return self.news.push(Happened::NoServer { copy: number }),
                }
            }
        };
        let target = Arc::clone(&self.group.servers[server]);
        let stage = Rc::<Stage>::default();
        self.stages.push(Rc::clone(&stage));
        let original = Rc::clone(&self.original);
        let sending = Box::pin(copy::send(original, target, reuse, Rc::clone(&stage)));
        let state = State::Sending(sending);
        let tally = Tally::new(&x.worker.counters, x.record.mode.unwrap_or_default());
        self.copies.push(Copy { number, server, started: now(), stage, state, kept: false, tally });
    }

    fn cancel(&mut self, x: &mut Exchange, number: u32) {
        let Some(place) = self.copies.iter().position(|copy| copy.number == number) else { return };
        let copy = self.copies.remove(place);
        self.cancelled += 1;
        let outcome = match &copy.state {
            State::Sending(_) | State::Reading(_) => TryOutcome::Cancelled,
            State::Held(held) => TryOutcome::Answered(held.head.status()),
        };
        self.note(x, &copy, outcome);
        let Copy { server, started, stage, state, .. } = copy;
        match state {
            State::Sending(sending) => {
                // `semantics.md` §3.5: it would have taken at least as long.
                self.observe(server, started);
                if stage.sent.get() > 0 {
                    self.group.servers[server].note_cut(started);
                }
                linger::let_sending_go(&x.worker, sending, &stage);
            }
            State::Reading(_) => {}
            State::Held(held) => linger::let_held_go(&x.worker, *held),
        }
    }

    /// Counts how long a server took, where that matters: as the machine counts its wait, from the start of the copy, but not
    /// before the client's body was whole. An answer that came before that says nothing of how long one takes.
    fn observe(&self, server: usize, started: Instant) {
        let server = &self.group.servers[server];
        server.watched.observe(|| now() - started);
        let is_hedged = matches!(self.machine, Fan::Hedge(_));
        let since = match self.replay {
            None => Some(started),
            Some(_) => self.whole_at.map(|whole| whole.max(started)),
        };
        if let Some(since) = since.filter(|_| is_hedged) {
            server.latencies.observe(now() - since);
        }
    }

    /// Waits for the next thing that the machine should know.
    async fn next(&mut self, x: &mut Exchange) -> Result<Happened, Failure> {
        let Some(mut watch) = self.write.as_mut().and_then(Write::take_watch) else {
            return poll_fn(|cx| self.poll_happened(x, cx)).await;
        };
        let happened = loop {
            let mut caught_up = watch.next();
            let event = poll_fn(|cx| match caught_up.as_mut().poll(cx) {
                Poll::Ready(event) => Poll::Ready(Err(event)),
                Poll::Pending => self.poll_happened(x, cx).map(Ok),
            });
            match event.await {
                Ok(happened) => break happened,
                Err(event) => {
                    if let Some(happened) = self.write.as_mut().and_then(|write| write.happened(event)) {
                        break Ok(happened);
                    }
                }
            }
        };
        if let Some(write) = &mut self.write {
            write.watch_on(watch);
        }
        happened
    }

    fn poll_happened(&mut self, x: &mut Exchange, cx: &mut Context<'_>) -> Poll<Result<Happened, Failure>> {
        // Whether an answer that is held back has broken is known before another one could make it the best.
        for held in [true, false] {
            for place in 0..self.copies.len() {
                if matches!(self.copies[place].state, State::Held(_)) == held
                    && let Poll::Ready(happened) = self.poll_copy(place, x, cx)
                {
                    return Poll::Ready(happened);
                }
            }
        }
        self.poll_body(cx)?;
        if !self.told_whole && self.is_request_read() {
            self.told_whole = true;
            self.whole_at = self.replay.is_some().then(now);
            if let (Some(write), Some(replay)) = (&mut self.write, &self.replay) {
                write.supply(replay);
            }
            x.client.stream.watch_again();
            return Poll::Ready(Ok(Happened::BodyWhole));
        }
        if !self.told_lost && self.replay.as_ref().is_some_and(|replay| replay.state() == replay::State::Lost)
        {
            self.told_lost = true;
            return Poll::Ready(Ok(Happened::ReplayLost));
        }
        // Before that, whoever reads the body sees it.
        if self.told_whole && x.client.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Failure::ClientGone));
        }
        x.client.deadlines.poll_passed(cx).map(|wait| match wait {
            Wait::Dispatch => Ok(Happened::Timer),
            wait => Err(client_failure(wait)),
        })
    }

    /// Reads the client's body on for a write, which every server must have whole: its copies may all have stopped reading,
    /// or there may be none. Other modes only look whether it broke.
    fn poll_body(&self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let Some(replay) = &self.replay else { return Ok(()) };
        let is_write = matches!(self.machine, Fan::Duplicate(_)) && !self.told_whole;
        if (is_write || replay.state() == replay::State::Failed)
            && let Poll::Ready(Err(error)) = replay.poll_whole(cx)
        {
            return Err(Failure::of_body(&error));
        }
        Ok(())
    }

    fn poll_copy(
        &mut self,
        place: usize,
        x: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Happened, Failure>> {
        let copy = &mut self.copies[place];
        let number = copy.number;
        match &mut copy.state {
            State::Sending(sending) => match ready!(sending.as_mut().poll(cx)) {
                Ok(held) => Poll::Ready(Ok(self.hold(place, held, x))),
                Err(lost) => {
                    let copy = self.copies.remove(place);
                    if let Some(outcome) = lost.outcome() {
                        self.note(x, &copy, outcome);
                    }
                    let Copy { server, mut tally, .. } = copy;
                    // A client that breaks off says nothing of the server.
                    if !matches!(lost, Lost::Request(_)) {
                        tally.becomes(CopyOutcome::Failed);
                        if let Some(write) = &mut self.write {
                            write.missed(server, &lost);
                        }
                    }
                    let (happened, failure) = lost.told_of(number)?;
                    self.failure = Some(failure);
                    Poll::Ready(Ok(happened))
                }
            },
            State::Reading(reading) => match ready!(reading.as_mut().poll(cx)) {
                Ok((held, digest)) => {
                    copy.state = State::Held(held);
                    Poll::Ready(Ok(Happened::Whole { copy: number, digest }))
                }
                Err(Unread) => {
                    self.copies.remove(place).tally.becomes(CopyOutcome::Failed);
                    Poll::Ready(Ok(Happened::Broken { copy: number }))
                }
            },
            State::Held(held) if copy.kept => {
                held.poll_upload(cx);
                Poll::Pending
            }
            State::Held(held) => {
                ready!(held.poll_broken(cx));
                self.copies.remove(place).tally.becomes(CopyOutcome::Failed);
                Poll::Ready(Ok(Happened::Broken { copy: number }))
            }
        }
    }

    /// The head of an answer has come.
    fn hold(&mut self, place: usize, mut held: Held, x: &Exchange) -> Happened {
        let (server, started) = (self.copies[place].server, self.copies[place].started);
        self.observe(server, started);
        if let Some(write) = &mut self.write {
            write.answered(server, &held.head);
        }
        if let Some(agreement) = &self.agreement {
            agreement.hear(held.head.status());
            held.agreement = Some(Rc::clone(agreement));
        }
        let copy = &mut self.copies[place];
        let (number, status, held) = (copy.number, held.head.status(), Box::new(held));
        let rest = of_overload(&held.head).filter(|_| matches!(self.machine, Fan::Hedge(_)));
        copy.state = match self.machine {
            Fan::Majority(_) => {
                let limits = x.snapshot.replay_limits(false);
                State::Reading(Box::pin(whole::read(held, Rc::clone(&x.worker), limits)))
            }
            Fan::Race(_) | Fan::Hedge(_) | Fan::Duplicate(_) => State::Held(held),
        };
        let head = Happened::Head { copy: number, status };
        let Some(wait) = rest else { return head };
        // Told before its head.
        self.news.push(head);
        Happened::RetryAfter { copy: number, wait }
    }

    /// Lets go of what is left of a request that has its answer, or will have none. A write whose body is whole goes on.
    pub(super) fn leave(&mut self, x: &Exchange) {
        x.worker.counters.hedges.add(u64::from(self.hedge().is_some()));
        if let Some(replay) = &self.replay {
            replay.pause();
        }
        let mut write = self.write.take();
        let Some(agreement) = self.agreement.take().filter(|_| self.is_request_read()) else {
            self.cancelled +=
                self.copies.drain(..).map(|copy| u32::from(copy.tally.is_cancelled())).sum::<u32>();
            return;
        };
        if let Some(write) = &mut write {
            write.leave();
        }
        let patience = self.patience();
        let left = Rc::new(RefCell::new(Left { write, agreement }));
        for copy in self.copies.drain(..) {
            self.cancelled += u32::from(copy.go_on(&left, patience, &x.worker));
        }
    }

    /// How long a copy of a write may go on without its exchange.
    pub(super) fn patience(&self) -> Duration {
        let body_bytes = match self.replay.as_ref().map(|replay| replay.state()) {
            Some(replay::State::Whole { bytes }) => bytes,
            _ => 0,
        };
        self.upstream.waits.answer_head + Duration::from_secs(body_bytes / BYTES_PER_SECOND_MIN)
    }

    /// Times that a byte of the request may have been sent (`semantics.md` §2.2).
    pub(super) fn attempts(&self) -> u32 {
        self.stages.iter().map(|stage| stage.sent.get()).sum()
    }

    /// What became of all copies, for the log.
    pub(super) fn copies(&self) -> Copies {
        let acknowledged = match &self.machine {
            // Not more than there are servers, so it fits.
            Fan::Duplicate(machine) => machine.successes() as u32,
            Fan::Race(_) | Fan::Hedge(_) | Fan::Majority(_) => 0,
        };
        Copies { cancelled: self.cancelled, hedged: self.hedge().is_some(), acknowledged }
    }

    /// Whether the client has been read to the end of its request.
    pub(super) fn is_request_read(&self) -> bool {
        self.replay.as_ref().is_none_or(|replay| matches!(replay.state(), replay::State::Whole { .. }))
    }
}
