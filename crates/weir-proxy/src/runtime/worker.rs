//! One worker: a thread with its own runtime, its own connections to servers and its own counters.
//!
//! Exchanges of a worker share it without locks, because they all run on its thread. What concerns the whole process is
//! published to it through its inbox.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use weir_upstream::io::deadline::now;
use weir_upstream::pool::Pools;

use super::clock::DateClock;
use super::counters::WorkerCounters;
use super::inbox::{Inspection, Message, Query};
use super::snapshot::{LocalSnapshot, Snapshot};
use crate::access_log::LogHandle;
use crate::inbound::listener::{self, ListeningSocket};
use crate::inbound::registry::Registry;

/// How often lines of the access log leave a worker that has little to say.
const LOG_FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// How often idle connections to servers are looked through.
const POOL_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What all exchanges of a worker share.
#[derive(Debug)]
pub struct Worker {
    /// The snapshot that new exchanges begin under.
    view: RefCell<LocalSnapshot>,
    /// Idle connections to servers.
    pub pools: Pools,
    /// Client connections.
    pub registry: Registry,
    /// What it counts.
    pub counters: Arc<WorkerCounters>,
    /// Where lines of the access log go.
    pub log: Option<RefCell<LogHandle>>,
    /// The `Date` of answers.
    pub date: DateClock,
    /// Permits for client connections, where they are limited.
    pub permits: Option<Arc<Semaphore>>,
    /// When draining began, and how long idle connections are kept from then on.
    draining: Cell<Option<Drain>>,
    drain_signal: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Drain {
    since: Instant,
    idle: Duration,
}

/// What a worker is made of.
pub struct Setup {
    /// The snapshot to begin with.
    pub snapshot: Arc<Snapshot>,
    /// The sockets it accepts from.
    pub sockets: Vec<ListeningSocket>,
    /// Its counters.
    pub counters: Arc<WorkerCounters>,
    /// Where lines of the access log go.
    pub log: Option<LogHandle>,
    /// Permits for client connections, where they are limited.
    pub permits: Option<Arc<Semaphore>>,
    /// How long idle connections are kept while draining.
    pub drain_idle: Duration,
    /// Where it is told what to do.
    pub inbox: mpsc::Receiver<Message>,
}

impl Worker {
    /// The snapshot for an exchange that begins now.
    pub fn snapshot(&self) -> LocalSnapshot {
        self.view.borrow().clone()
    }

    /// Whether the worker is draining.
    pub fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }

    /// How long a connection that is idle now may stay so; `usual` unless the worker is draining.
    pub fn idle_timeout(&self, usual: Duration) -> Duration {
        match self.draining.get() {
            None => usual,
            Some(drain) => usual.min((drain.since + drain.idle).saturating_duration_since(now())),
        }
    }

    fn begin_drain(&self, idle: Duration) {
        if !self.is_draining() {
            self.draining.set(Some(Drain { since: now(), idle }));
            self.registry.wake_all();
            self.drain_signal.notify_waiters();
        }
    }

    /// Waits until the worker drains.
    pub async fn drain_begun(&self) {
        // Nothing can begin the drain between the look and the wait: both happen on this thread.
        if !self.is_draining() {
            self.drain_signal.notified().await;
        }
    }

    fn inspect(&self, query: Query) -> Inspection {
        match query {
            Query::Connections => Inspection::Connections(self.registry.list()),
            Query::IdleUpstream => Inspection::IdleUpstream(self.pools.len()),
        }
    }
}

/// Runs a worker until it has drained or is stopped. Returns how many connections were cut.
pub async fn run(setup: Setup) -> usize {
    let Setup { snapshot, sockets, counters, log, permits, drain_idle, mut inbox } = setup;
    let worker = Rc::new(Worker {
        view: RefCell::new(LocalSnapshot::new(snapshot)),
        pools: Pools::default(),
        registry: Registry::default(),
        counters,
        log: log.map(RefCell::new),
        date: DateClock::default(),
        permits,
        draining: Cell::new(None),
        drain_signal: Notify::new(),
    });
    let mut accepting: Vec<JoinHandle<()>> = sockets
        .into_iter()
        .map(|socket| tokio::task::spawn_local(listener::accept(Rc::clone(&worker), socket)))
        .collect();
    let ticking = tokio::task::spawn_local(tick(Rc::clone(&worker)));
    let mut cut = 0;
    loop {
        let message = if worker.is_draining() {
            tokio::select! {
                message = inbox.recv() => message,
                () = worker.registry.emptied() => break,
            }
        } else {
            inbox.recv().await
        };
        match message {
            Some(Message::Publish(snapshot)) => {
                worker.view.replace(LocalSnapshot::new(snapshot));
            }
            Some(Message::Drain) => {
                worker.begin_drain(drain_idle);
                // The accept loops take what waits in their queues and end.
                for accepting in accepting.drain(..) {
                    let _ = accepting.await;
                }
            }
            Some(Message::Inspect(query, reply)) => {
                // Whoever asked may have gone.
                let _ = reply.send(worker.inspect(query));
            }
            Some(Message::Cut(id)) => worker.registry.cut(id),
            Some(Message::Stop) | None => {
                cut = worker.registry.len();
                break;
            }
        }
    }
    ticking.abort();
    accepting.iter().for_each(JoinHandle::abort);
    cut
}

async fn tick(worker: Rc<Worker>) {
    let period = if worker.log.is_some() { LOG_FLUSH_INTERVAL } else { POOL_SWEEP_INTERVAL };
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept = now();
    loop {
        interval.tick().await;
        if let Some(log) = &worker.log {
            log.borrow_mut().flush();
        }
        if now() - swept >= POOL_SWEEP_INTERVAL {
            swept = now();
            worker.pools.sweep();
        }
    }
}
