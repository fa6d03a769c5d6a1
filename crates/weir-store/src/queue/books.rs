//! The ledger behind its lock, and everything that has to happen together with a change of it.
//!
//! Acceptances, live copies and deliveries come from different threads, and numbers and gates hold for all of them
//! (`semantics.md` §3.2): they meet here, in a lock that is held for a few lookups and never over an await.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::{Notify, mpsc};
use weir_core::ports::queue::{KeptAnswer, QueueEvent, WriteBody};
use weir_core::queue::{
    Effect, Effects, Gate, Lane, Ledger, Next, NoRoom, Outcome, Reservation, Sequence, ServerId, Verdict,
    WantedTarget,
};

use super::clock::Clock;
use super::complaints::Complaints;
use super::place::Place;

/// What the lock guards.
pub(super) struct State {
    pub(super) ledger: Ledger,
    /// Names of servers by their numbers.
    pub(super) names: Arc<Vec<Arc<str>>>,
    pub(super) accepted_total: u64,
    pub(super) full_total: u64,
    pub(super) write_errors_total: u64,
    complaints: Complaints,
    effects: Effects,
    watches: HashMap<Sequence, Watched>,
}

/// Somebody who may want to know what becomes of a write.
struct Watched {
    events: mpsc::Sender<QueueEvent>,
    /// The other end, until somebody takes it.
    receiver: Option<mpsc::Receiver<QueueEvent>>,
}

/// The books of one queue.
pub(super) struct Books {
    pub(super) name: Arc<str>,
    pub(super) clock: Clock,
    pub(super) place: Place,
    /// Something may be deliverable that was not, or nothing is any more.
    pub(super) changed: Notify,
    /// Nothing waits any more.
    emptied: Notify,
    closed: AtomicBool,
    state: Mutex<State>,
}

impl Books {
    pub(super) fn new(name: &str, clock: Clock, place: Place, ledger: Ledger, names: Vec<Arc<str>>) -> Self {
        let state = State {
            ledger,
            names: Arc::new(names),
            accepted_total: 0,
            full_total: 0,
            write_errors_total: 0,
            complaints: Complaints::default(),
            effects: Effects::new(),
            watches: HashMap::new(),
        };
        Self {
            name: name.into(),
            clock,
            place,
            changed: Notify::new(),
            emptied: Notify::new(),
            closed: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Nothing is delivered any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Whether nothing is delivered any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits until no server has yet to get anything. Cancel safe.
    pub(super) async fn emptied(&self) {
        loop {
            // Registered before the look, so that no change between the look and the wait is missed.
            let mut emptied = pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.lock().ledger.backlog_writes() == 0 {
                return;
            }
            emptied.await;
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ledger, and does what follows from it. The deliverer looks again when something waits.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Ledger, Duration, &mut Effects) -> R) -> R {
        let now = self.clock.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let result = change(&mut state.ledger, now, &mut state.effects);
        state.tell_of_effects();
        self.place.perform(&mut state.effects);
        if state.ledger.has_backlog() {
            self.changed.notify_one();
        }
        if state.ledger.backlog_writes() == 0 {
            self.emptied.notify_waiters();
        }
        let complaint = state.complaints.after_change(&state.ledger, now);
        drop(guard);
        if let Some(complaint) = complaint {
            complaint.say(&self.name);
        }
        result
    }

    pub(super) fn configure(&self, servers: &[&str]) -> Vec<Arc<Gate>> {
        let gates = self.change(|ledger, now, _| ledger.configure(servers, now));
        self.learn_names();
        gates
    }

    /// Servers may have been added to the ledger, or have other numbers.
    pub(super) fn learn_names(&self) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let lanes = state.ledger.lanes();
        let is_known = |(lane, name): (&Lane, &Arc<str>)| lane.name() == &**name;
        if lanes.len() != state.names.len() || !lanes.iter().zip(state.names.iter()).all(is_known) {
            state.names = Arc::new(lanes.iter().map(|lane| lane.name().into()).collect());
            if let Place::File { inbox, .. } = &self.place {
                inbox.name_servers(Arc::clone(&state.names));
            }
        }
    }

    /// The gates of these servers: as long as somebody holds them, no other servers get their numbers.
    pub(super) fn gates(&self, targets: &[WantedTarget]) -> SmallVec<[Arc<Gate>; 4]> {
        let state = self.lock();
        let lanes = state.ledger.lanes();
        targets.iter().map(|target| Arc::clone(lanes[target.server.index()].gate())).collect()
    }

    pub(super) fn reserve(&self, bytes: u64) -> Result<Reservation, NoRoom> {
        let room = self.change(|ledger, now, effects| ledger.reserve(bytes, now, effects));
        if room.is_err() {
            let mut guard = self.lock();
            let state = &mut *guard;
            state.full_total += 1;
            let complaint = state.complaints.after_refusal(&state.ledger, self.clock.now());
            drop(guard);
            if let Some(complaint) = complaint {
                complaint.say(&self.name);
            }
        }
        room
    }

    /// Accepts a write into memory, number and all.
    pub(super) fn accept_in_memory(
        &self,
        room: Reservation,
        head: Bytes,
        targets: &[WantedTarget],
        body: Option<Arc<dyn WriteBody>>,
    ) -> (Sequence, SmallVec<[ServerId; 4]>) {
        let mut state = self.lock();
        let sequence = state.ledger.number();
        let whole = body.is_some();
        if !targets.is_empty() {
            self.place.put(sequence, head, body);
        }
        let now = self.clock.now();
        (sequence, self.enter(&mut state, room, sequence, targets, whole, now))
    }

    /// Enters a write that has its number, in the order of the numbers.
    pub(super) fn accept(
        &self,
        room: Reservation,
        sequence: Sequence,
        targets: &[WantedTarget],
        accepted: Duration,
    ) -> SmallVec<[ServerId; 4]> {
        self.enter(&mut self.lock(), room, sequence, targets, true, accepted)
    }

    fn enter(
        &self,
        state: &mut State,
        room: Reservation,
        sequence: Sequence,
        targets: &[WantedTarget],
        whole: bool,
        accepted: Duration,
    ) -> SmallVec<[ServerId; 4]> {
        let live = state.ledger.accept(room, sequence, targets, whole, accepted);
        state.accepted_total += 1;
        if live.len() < targets.len() {
            state.begin_watch(sequence);
            self.changed.notify_one();
        }
        live
    }

    /// What came of a live copy.
    pub(super) fn settle(&self, sequence: Sequence, server: ServerId, outcome: Outcome) {
        if outcome.verdict() == Verdict::Again {
            self.lock().begin_watch(sequence);
        }
        self.change(|ledger, now, effects| {
            ledger.settle(sequence, server, outcome, fastrand::u64(..), now, effects);
        });
    }

    pub(super) fn supply(&self, sequence: Sequence, body: Arc<dyn WriteBody>) {
        let bytes = body.bytes() + body.trailers().len() as u64;
        self.place.supply(sequence, body);
        self.change(|ledger, _, effects| ledger.supply(sequence, bytes, effects));
    }

    /// What to deliver next.
    pub(super) fn next(&self) -> Next {
        let now = self.clock.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let next = state.ledger.next(now, &mut state.effects);
        state.tell_of_effects();
        self.place.perform(&mut state.effects);
        let complaint = state.complaints.after_change(&state.ledger, now);
        drop(guard);
        if let Some(complaint) = complaint {
            complaint.say(&self.name);
        }
        next
    }

    /// What came of a delivery.
    pub(super) fn finish(
        &self,
        sequence: Sequence,
        server: ServerId,
        outcome: Outcome,
        answer: Option<KeptAnswer>,
    ) {
        if outcome.verdict() != Verdict::Again
            && let Some(status) = outcome.status()
        {
            // Told before the ledger knows: with the last server the watch goes.
            let event = match outcome.verdict() {
                Verdict::Delivered => QueueEvent::Delivered { server, status, answer },
                _ => {
                    let burial = weir_core::queue::Burial::Refused { status };
                    QueueEvent::Buried { server, burial, answer }
                }
            };
            self.lock().tell(sequence, event);
        }
        self.change(|ledger, now, effects| {
            ledger.finish(sequence, server, outcome, fastrand::u64(..), now, effects);
        });
    }

    pub(super) fn is_watched(&self, sequence: Sequence) -> bool {
        self.lock().watches.contains_key(&sequence)
    }

    /// The events of a write since its acceptance, once.
    pub(super) fn take_watch(&self, sequence: Sequence) -> Option<mpsc::Receiver<QueueEvent>> {
        let mut state = self.lock();
        state.begin_watch(sequence);
        state.watches.get_mut(&sequence)?.receiver.take()
    }

    /// Nobody wants to know any more.
    pub(super) fn end_watch(&self, sequence: Sequence) {
        self.lock().watches.remove(&sequence);
    }

    /// Nobody will ask, if nobody has.
    pub(super) fn end_unwatched(&self, sequence: Sequence) {
        let mut state = self.lock();
        if state.watches.get(&sequence).is_some_and(|watched| watched.receiver.is_some()) {
            state.watches.remove(&sequence);
        }
    }
}

impl State {
    /// From now on events are kept for somebody who asks. A server has one event, unless people make it another one.
    fn begin_watch(&mut self, sequence: Sequence) {
        let Some(write) = self.ledger.write(sequence) else { return };
        let servers = write.targets.len().max(1);
        self.watches.entry(sequence).or_insert_with(|| {
            let (events, receiver) = mpsc::channel(servers);
            Watched { events, receiver: Some(receiver) }
        });
    }

    fn tell(&mut self, sequence: Sequence, event: QueueEvent) {
        if let Some(watched) = self.watches.get(&sequence) {
            // Full or gone: nobody waits for this one any more.
            let _ = watched.events.try_send(event);
        }
    }

    /// Tells of dead letters that no server had a word in, and forgets watches that nothing can come for.
    fn tell_of_effects(&mut self) {
        if self.watches.is_empty() {
            return;
        }
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Buried { sequence, server, burial, .. } if burial.status().is_none() => {
                    self.tell(sequence, QueueEvent::Buried { server, burial, answer: None });
                }
                // What nobody has asked for yet stays until the driver goes.
                Effect::Gone { sequence }
                    if self.watches.get(&sequence).is_some_and(|watched| watched.receiver.is_none()) =>
                {
                    self.watches.remove(&sequence);
                }
                _ => {}
            }
            self.effects.push(effect);
        }
    }
}
