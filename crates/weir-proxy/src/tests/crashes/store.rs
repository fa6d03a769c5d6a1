//! A durable queue whose disk is here: the ledger of the product, a commit of which everybody knows when it happens, and later
//! changes that are written behind it, in groups and in order, or not any more.

mod accepted;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use weir_core::ports::queue::{
    AcceptError, AcceptedWrite, Deliver, Delivery, Done, KeptAnswer, LocalFuture, NewWrite, QueueEvent,
    QueueStatus, QueuedWrite, Selection, WriteBody, WriteQueue,
};
use weir_core::queue::{
    Burial, Effect, Effects, Gate, Ledger, Next, Outcome, QueueLimits, Sequence, ServerId, Verdict,
};
use weir_upstream::io::deadline::{now, pause};

use self::accepted::{Accepted, Stored};
use super::disk::{Commit, Disk, Row, lock};
use super::fate::Fate;
use super::scene::name;
use crate::tests::dice::Dice;
use crate::tests::message::Incoming;

/// The queue of one life of the process.
#[derive(Clone)]
pub(super) struct Store {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    /// There is something to be written.
    behind: Arc<Notify>,
    fate: Arc<Fate>,
    /// When this life began, on its own clock and on the one that goes on over all of them.
    began: (Instant, Duration),
}

struct State {
    disk: Arc<Mutex<Disk>>,
    ledger: Ledger,
    limits: QueueLimits,
    dice: Dice,
    life: usize,
    /// What is still to be written.
    behind: VecDeque<Effect>,
    watches: HashMap<Sequence, Watched>,
    /// What each server waits for, as this file understands what it is told.
    owed: BTreeMap<usize, BTreeSet<Sequence>>,
    flying: BTreeMap<usize, Sequence>,
    /// Whom the driver has told of a server that has a write.
    taken: BTreeSet<(Sequence, usize)>,
}

#[derive(Default)]
struct Watched {
    events: VecDeque<QueueEvent>,
    waker: Option<Waker>,
}

impl Store {
    /// What a process finds on the disk when it starts, at this time.
    pub(super) fn open(
        disk: &Arc<Mutex<Disk>>,
        limits: QueueLimits,
        servers: usize,
        life: usize,
        began: Duration,
        fate: &Arc<Fate>,
        dice: Dice,
    ) -> Self {
        let found = lock(disk);
        let mut ledger = Ledger::new(limits, Sequence(found.last + 1));
        (0..servers).for_each(|server| {
            ledger.server(&name(server));
        });
        found.restore(&mut ledger);
        let waits = |server| {
            let rows = found.rows.keys().copied();
            rows.filter(|sequence| found.owes(*sequence, server)).collect()
        };
        let owed = (0..servers).map(|server| (server, waits(server))).collect();
        drop(found);
        let state = State {
            disk: Arc::clone(disk),
            ledger,
            limits,
            dice,
            life,
            behind: VecDeque::new(),
            watches: HashMap::new(),
            owed,
            flying: BTreeMap::new(),
            taken: BTreeSet::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            changed: Arc::default(),
            behind: Arc::default(),
            fate: Arc::clone(fate),
            began: (now(), began),
        }
    }

    /// The time, which goes on over the lives of the process.
    pub(super) fn now(&self) -> Duration {
        self.began.1 + (now() - self.began.0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes the ledger, and keeps what has to be written.
    fn change<T>(&self, change: impl FnOnce(&mut State, Duration, &mut Effects) -> T) -> T {
        let now = self.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut effects = Effects::new();
        let result = change(state, now, &mut effects);
        for effect in &effects {
            if let Effect::Buried { sequence, server, burial, .. } = effect {
                state.owed.get_mut(&server.index()).unwrap().remove(sequence);
                if burial.status().is_none() {
                    state.tell(
                        *sequence,
                        QueueEvent::Buried { server: *server, burial: *burial, answer: None },
                    );
                }
            }
        }
        if !effects.is_empty() {
            self.behind.notify_one();
        }
        state.behind.extend(effects);
        state.check();
        drop(guard);
        self.changed.notify_one();
        self.fate.step();
        result
    }

    /// Whether the server has told this life of the process that it has the write.
    pub(super) fn has_taken(&self, sequence: Sequence, server: usize) -> bool {
        self.lock().taken.contains(&(sequence, server))
    }

    /// The oldest that the server waits for.
    pub(super) fn oldest(&self, server: usize) -> Option<Sequence> {
        self.lock().owed[&server].first().copied()
    }

    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.ledger.backlog_writes() == 0 && state.behind.is_empty()
    }

    /// Writes what has changed, for ever: later, and as much as the dice want.
    pub(super) async fn write_behind(self) {
        loop {
            if self.lock().behind.is_empty() {
                self.behind.notified().await;
            }
            let wait = Duration::from_millis(1 + 5 * self.lock().dice.below(12) as u64);
            pause(wait).await;
            if self.fate.is_dead() {
                return;
            }
            let state = &mut *self.lock();
            let count = state.dice.below(state.behind.len() + 1);
            let count = if state.dice.percent(50) { state.behind.len() } else { count };
            let mut disk = lock(&state.disk);
            state.behind.drain(..count).for_each(|effect| disk.apply(effect));
            if count > 0 {
                self.fate.step();
            }
        }
    }

    fn finish(&self, sequence: Sequence, server: ServerId, outcome: Outcome, answer: Option<KeptAnswer>) {
        self.change(|state, now, effects| {
            let (verdict, place) = (outcome.verdict(), server.index());
            assert_eq!(state.flying.remove(&place), Some(sequence));
            if let (Some(status), Verdict::Delivered | Verdict::Refused) = (outcome.status(), verdict) {
                state.owed.get_mut(&place).unwrap().remove(&sequence);
                state.tell(
                    sequence,
                    match verdict {
                        Verdict::Delivered => QueueEvent::Delivered { server, status, answer },
                        _ => QueueEvent::Buried { server, burial: Burial::Refused { status }, answer },
                    },
                );
            }
            if verdict == Verdict::Delivered {
                state.taken.insert((sequence, place));
            }
            let random = state.dice.next();
            state.ledger.finish(sequence, server, outcome, random, now, effects);
        });
    }

    fn next(&self) -> Next {
        self.change_quietly(|state, now, effects| {
            let next = state.ledger.next(now, effects);
            if let Next::Deliver { server, sequence, .. } = next {
                let place = server.index();
                assert_eq!(
                    state.owed[&place].first(),
                    Some(&sequence),
                    "the order of the backlog of {place}"
                );
                assert_eq!(state.flying.insert(place, sequence), None, "one at a time");
            }
            next
        })
    }

    /// The same as [`change`](Self::change) for whoever asks in a loop.
    fn change_quietly<T>(&self, change: impl FnOnce(&mut State, Duration, &mut Effects) -> T) -> T {
        let now = self.now();
        let mut effects = Effects::new();
        let state = &mut *self.lock();
        let result = change(state, now, &mut effects);
        assert!(effects.is_empty(), "nothing expires here");
        result
    }
}

impl State {
    fn tell(&mut self, sequence: Sequence, event: QueueEvent) {
        if let Some(watched) = self.watches.get_mut(&sequence) {
            watched.events.push_back(event);
            watched.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    /// No more than the bounds allow; after a crash there is what was acknowledged.
    fn check(&self) {
        if self.life == 0 {
            assert!(
                self.ledger.backlog_writes() <= self.limits.backlog_writes_max,
                "more wait than may wait"
            );
        }
    }
}

/// All of a body that is in memory.
fn read(body: &dyn WriteBody) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut pieces = body.open();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let Poll::Ready(piece) = pin!(pieces.next()).as_mut().poll(&mut cx) else { panic!("it waits") };
        match piece.unwrap() {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => return bytes,
        }
    }
}

/// Room in the backlog, given back unless it is used.
struct Room<'s>(&'s Store, Option<weir_core::queue::Reservation>);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.1.take() {
            self.0.lock().ledger.give_back(room);
        }
    }
}

impl Store {
    async fn take(&self, write: NewWrite, body: Arc<dyn WriteBody>) -> Result<Accepted, AcceptError> {
        let (content, trailers) = (Bytes::from(read(&*body)), body.trailers());
        let bytes = (write.head.len() + content.len() + trailers.len()) as u64;
        let room = self.change(|state, now, effects| state.ledger.reserve(bytes, now, effects));
        let mut room = Room(self, Some(room.map_err(|_| AcceptError::Full)?));
        let (before, after, is_broken) = {
            let dice = &mut self.lock().dice;
            (dice.delay(4), dice.delay(4), dice.percent(3))
        };
        if !before.is_zero() {
            pause(before).await;
        }
        if is_broken {
            return Err(AcceptError::Disk("the disk is full".into()));
        }
        let mut head = Incoming::request();
        head.feed(&write.head);
        let request = head.field("X-Client").unwrap().parse().unwrap();
        assert!(head.field("Idempotency-Key").is_some(), "a write has a key");
        let reserved = room.1.take().unwrap();
        let (sequence, live) = self.change(|state, now, _| {
            let sequence = state.ledger.number();
            let places: Vec<usize> = write.targets.iter().map(|target| target.server.index()).collect();
            let targets = places.iter().map(|server| (*server, (None, now)));
            let row = Row {
                accepted: now,
                head: write.head.clone(),
                body: content,
                trailers,
                targets: targets.collect(),
            };
            if !self.fate.is_dead() {
                let mut disk = lock(&state.disk);
                assert!(sequence.0 > disk.last, "numbers grow over crashes");
                disk.last = sequence.0;
                disk.rows.insert(sequence, row);
            }
            let live = state.ledger.accept(reserved, sequence, &write.targets, true, now);
            let lives: Vec<usize> = live.iter().map(|server| server.index()).collect();
            for place in places.iter().filter(|place| !lives.contains(place)) {
                state.owed.get_mut(place).unwrap().insert(sequence);
            }
            for place in &lives {
                assert!(state.owed[place].is_empty(), "a live copy overtakes the backlog of {place}");
            }
            if !self.fate.is_dead() {
                let life = state.life;
                lock(&state.disk).commits.push(Commit { sequence, request, live: lives, life });
            }
            state.watches.insert(sequence, Watched::default());
            (sequence, live)
        });
        // Whoever waits for the commit hears of it later, or not at all.
        let accepted = Accepted { store: self.clone(), sequence, unsettled: live.clone(), live };
        if !after.is_zero() {
            pause(after).await;
        }
        Ok(accepted)
    }
}

impl WriteQueue for Store {
    fn is_durable(&self) -> bool {
        true
    }

    fn configure(&self, servers: &[&str]) -> Vec<Arc<Gate>> {
        self.change(|state, now, _| state.ledger.configure(servers, now))
    }

    fn accept(
        &self,
        write: NewWrite,
        body: Option<Arc<dyn WriteBody>>,
    ) -> LocalFuture<'_, Result<Box<dyn AcceptedWrite>, AcceptError>> {
        let body = body.expect("a durable write is whole");
        Box::pin(async move { Ok(Box::new(self.take(write, body).await?) as Box<dyn AcceptedWrite>) })
    }

    fn run(&self, deliver: Rc<dyn Deliver>) -> LocalFuture<'_, ()> {
        Box::pin(async move {
            let mut flights: Vec<LocalFuture<'static, ()>> = Vec::new();
            loop {
                let changed = self.changed.notified();
                let until = loop {
                    match self.next() {
                        Next::Deliver { server, sequence, failures } => {
                            let (store, deliver) = (self.clone(), Rc::clone(&deliver));
                            flights.push(Box::pin(fly(store, sequence, server, failures, deliver)));
                        }
                        Next::Wait(until) => break Some(until),
                        Next::Nothing => break None,
                    }
                };
                let wait = until.map(|until| until.saturating_sub(self.now()));
                let due = async {
                    match wait {
                        Some(wait) => pause(wait.max(Duration::from_millis(1))).await,
                        None => pending().await,
                    }
                };
                let (mut changed, mut due) = (pin!(changed), pin!(due));
                poll_fn(|cx| {
                    let before = flights.len();
                    flights.retain_mut(|flight| flight.as_mut().poll(cx).is_pending());
                    let landed = flights.len() < before;
                    let woken = changed.as_mut().poll(cx).is_ready() || due.as_mut().poll(cx).is_ready();
                    if landed || woken { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        })
    }

    fn status(&self) -> QueueStatus {
        unreachable!("nobody asks")
    }

    fn list(&self, _: Selection, _: Sequence, _: usize) -> LocalFuture<'_, io::Result<Vec<QueuedWrite>>> {
        unreachable!("nobody asks")
    }

    fn body(&self, _: Sequence) -> LocalFuture<'_, io::Result<Option<Arc<dyn WriteBody>>>> {
        unreachable!("nobody asks")
    }

    fn retry(&self, _: Selection) -> LocalFuture<'_, io::Result<Done>> {
        unreachable!("nobody asks")
    }

    fn discard(&self, _: Selection) -> LocalFuture<'_, io::Result<Done>> {
        unreachable!("nobody asks")
    }

    fn set_limits(&self, _: QueueLimits) {}

    fn close(&self) {}
}

/// One delivery, from the disk.
async fn fly(store: Store, sequence: Sequence, server: ServerId, failures: u32, deliver: Rc<dyn Deliver>) {
    let (head, body, watched) = {
        let state = store.lock();
        let disk = lock(&state.disk);
        let row = disk.rows.get(&sequence).expect("what waits is on the disk");
        let body = Stored(row.body.clone(), row.trailers.clone());
        (row.head.clone(), body, state.watches.contains_key(&sequence))
    };
    let delivery = Delivery {
        server: name(server.index()).into(),
        server_id: server,
        sequence,
        failures,
        head,
        body: Arc::new(body),
        watched,
    };
    let delivered = deliver.deliver(delivery).await.unwrap();
    store.finish(sequence, server, delivered.outcome, delivered.answer);
}
