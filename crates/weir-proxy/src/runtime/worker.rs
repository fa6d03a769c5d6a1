//! One worker: a thread with its own runtime, its own connections to servers and its own counters.
//!
//! Exchanges of a worker share it without locks, because they all run on its thread. What concerns the whole process is
//! published to it through its inbox.

use std::cell::{Cell, RefCell};
use std::hash::RandomState;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use weir_upstream::body::Room;
use weir_upstream::body::replay::ReplayPool;
use weir_upstream::io::deadline::now;
use weir_upstream::local_groups::LocalGroups;
use weir_upstream::pool::Pools;

use super::authentication::memory::ProofMemory;
use super::clock::DateClock;
use super::counters::WorkerCounters;
use super::dial::Dial;
use super::inspection::{Inspection, Query};
use super::lanes::Lanes;
use super::permits::Permits;
use super::snapshot::{LocalSnapshot, Snapshot};
use super::tracker::Tracker;
use crate::access_log::LogHandle;
use crate::inbound::registry::Registry;
use crate::inbound::threshold::Closing;

/// Steps of handshakes that are computed in one round of the worker. One costs some hundred microseconds, so whoever is
/// being served waits about a millisecond at most.
pub(crate) const HANDSHAKE_TURNS: usize = 4;

/// Bodies of answers that are compared, of clients and of copies together.
const COMPARED_BYTES_MAX: usize = 64 << 20;

/// However short descriptors are, an idle connection is kept for so long: whoever asks one thing after the other goes on.
const SHORT_IDLE_TIME: Duration = Duration::from_secs(1);

/// How often the time of idle connections is halved while descriptors are short: from hours to [`SHORT_IDLE_TIME`].
const SHORTAGE_MAX: u32 = 16;

/// What all exchanges of a worker share.
#[derive(Debug)]
pub struct Worker {
    /// The snapshot that new exchanges begin under.
    view: RefCell<LocalSnapshot>,
    /// Opens connections to servers.
    pub(crate) dial: Dial,
    /// Idle connections to servers.
    pub pools: Pools,
    /// The servers of upstreams now.
    pub groups: LocalGroups,
    /// Digests of bodies, with a secret that nobody outside can know.
    pub digests: RandomState,
    /// What goes on without a client.
    pub tracker: Tracker,
    /// Where copies for mirrors wait.
    pub lanes: Lanes,
    /// Room for the bodies of answers that are compared, of both sides, until they are.
    pub compared: Room,
    /// Where bodies are kept that more than one server gets.
    pub replay: ReplayPool,
    /// Client connections.
    pub registry: Rc<Registry>,
    /// What it counts.
    pub counters: Arc<WorkerCounters>,
    /// Where lines of the access log go, if they are wanted.
    pub log: RefCell<Option<LogHandle>>,
    /// The `Date` of answers.
    pub date: DateClock,
    /// What may be in progress at once in the process.
    pub permits: Permits,
    /// Rations what is computed for TLS handshakes.
    handshake_turns: Semaphore,
    /// What it knows of proofs that it saw a moment ago.
    pub proofs: ProofMemory,
    /// How often the tasks of connections have been woken: what happens between two changes of this has waited for nothing.
    pub wakes: Cell<u64>,
    /// Client connections that wait for their next request with the memory of an exchange.
    pub(crate) warm_connections: Cell<usize>,
    /// When draining began, and how long idle connections are kept from then on.
    draining: Cell<Option<Closing>>,
    /// How often the time of idle client connections has been halved, because descriptors are short.
    shortage: Cell<u32>,
}

impl Worker {
    /// A worker without connections.
    pub fn new(
        snapshot: Arc<Snapshot>,
        counters: Arc<WorkerCounters>,
        log: Option<LogHandle>,
        permits: Permits,
        replay: ReplayPool,
    ) -> Self {
        Self {
            view: RefCell::new(LocalSnapshot::new(snapshot)),
            dial: Dial::default(),
            pools: Pools::default(),
            groups: LocalGroups::default(),
            digests: RandomState::new(),
            tracker: Tracker::default(),
            lanes: Lanes::default(),
            compared: Room::new(COMPARED_BYTES_MAX),
            replay,
            registry: Rc::new(Registry::new(Arc::clone(&counters))),
            counters,
            log: RefCell::new(log),
            date: DateClock::default(),
            proofs: ProofMemory::default(),
            permits,
            handshake_turns: Semaphore::new(HANDSHAKE_TURNS),
            wakes: Cell::new(0),
            warm_connections: Cell::new(0),
            draining: Cell::new(None),
            shortage: Cell::new(0),
        }
    }

    /// Exchanges that begin from now on use this snapshot.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.view.replace(LocalSnapshot::new(snapshot));
        self.groups.clear();
    }

    /// The snapshot for an exchange that begins now.
    pub fn snapshot(&self) -> LocalSnapshot {
        self.view.borrow().clone()
    }

    /// Whether the worker is draining.
    pub fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }

    /// What [`idle_timeout`](Self::idle_timeout) depends on: idle connections are woken when it changes.
    pub(crate) fn idle_rule(&self, closing: Option<Closing>) -> (bool, u32) {
        (self.is_draining() || closing.is_some(), self.shortage.get())
    }

    /// How long a connection that is idle since then may stay so; `usual` unless the worker is draining, the listener through which
    /// it came is being closed, or descriptors are short.
    pub(crate) fn idle_timeout(&self, usual: Duration, since: Instant, closing: Option<Closing>) -> Duration {
        let usual = match self.shortage.get() {
            0 => usual,
            halved => (usual / (1 << halved)).max(usual.min(SHORT_IDLE_TIME)),
        };
        let ends = [self.draining.get(), closing].into_iter().flatten().map(|it| it.since + it.idle).min();
        ends.map_or(usual, |end| usual.min(end.saturating_duration_since(since)))
    }

    /// Makes room where descriptors are short (`semantics.md` §4.2): half of the idle connections to servers are closed at once,
    /// and those of clients that have been idle for long. Each call asks for more.
    pub(crate) fn make_room(&self) {
        self.pools.shed();
        if self.shortage.get() < SHORTAGE_MAX {
            self.shortage.set(self.shortage.get() + 1);
            self.registry.wake_all();
        }
    }

    /// Says that descriptors are not short any more.
    pub(crate) fn room_was_made(&self) {
        if self.shortage.replace(0) > 0 {
            // Those who are idle have their usual time again.
            self.registry.wake_all();
        }
    }

    /// Begins to drain: connections that are idle are kept for `idle`, the others end with their answers.
    pub fn begin_drain(&self, idle: Duration) {
        if !self.is_draining() {
            self.draining.set(Some(Closing { since: now(), idle }));
            self.registry.wake_all();
        }
    }

    /// Computes a step of a TLS handshake when it is its turn: every other task of the worker runs before many more are
    /// computed. Cancel safe.
    pub(crate) async fn in_turn<T>(&self, step: impl FnOnce() -> T) -> T {
        // The semaphore is never closed.
        let _turn = self.handshake_turns.acquire().await;
        let done = step();
        // Holding the turn until everybody else has run is what rations it.
        tokio::task::yield_now().await;
        done
    }

    /// Answers a question about the worker.
    pub fn inspect(&self, query: Query) -> Inspection {
        match query {
            Query::Connections => Inspection::Connections(self.registry.list()),
            Query::IdleUpstream => Inspection::IdleUpstream(self.pools.len()),
            Query::Page { worker, from, max } => {
                let (connections, next) = self.registry.page((worker, self.is_draining()), from, max);
                Inspection::Page(connections, next)
            }
        }
    }
}
