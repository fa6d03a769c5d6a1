//! A thread of the listener: what its connections share, and what it is told.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use weir_config::model::PolicyListen;
use weir_core::limit::RateLimit;
use weir_upstream::io::deadline::now;
use weir_upstream::io::descriptors::Descriptors;
use weir_upstream::local_groups::LocalGroups;
use weir_upstream::pool::Pools;

use crate::registry::Registry;

/// What all threads of a listener share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) listen: PolicyListen,
    pub(crate) registry: Arc<Registry>,
    /// Which file descriptors connections of clients may have.
    pub(crate) descriptors: Descriptors,
    /// Places for connections.
    pub(crate) places: Arc<Semaphore>,
    /// How many messages may come.
    pub(crate) rate: Option<RateLimit>,
    /// The moment from which the time of rates is counted.
    pub(crate) since: Instant,
}

/// What a listener is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Serve.
    Run,
    /// Accept nothing more; end connections when they are idle.
    Drain,
    /// End everything at once.
    Stop,
}

/// One thread.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) groups: LocalGroups,
    pub(crate) pools: Pools,
    phase: watch::Receiver<Phase>,
    is_draining: Cell<bool>,
    drain_signal: Notify,
    /// Connections that are served.
    open: Cell<usize>,
    closed: Notify,
    told_at: Cell<Option<Instant>>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, phase: watch::Receiver<Phase>) -> Self {
        Self {
            shared,
            groups: LocalGroups::default(),
            pools: Pools::default(),
            phase,
            is_draining: Cell::new(false),
            drain_signal: Notify::new(),
            open: Cell::new(0),
            closed: Notify::new(),
            told_at: Cell::new(None),
        }
    }

    /// Waits until nothing new is to begin.
    pub(crate) async fn drain_begun(&self) {
        // Nothing can begin the drain between the look and the wait: both happen on this thread.
        if !self.is_draining.get() {
            self.drain_signal.notified().await;
        }
    }

    /// Tells all connections when nothing new is to begin.
    pub(crate) async fn hear(&self) {
        // An error is that nobody is left who could say it, which means the same.
        let _ = self.phase.clone().wait_for(|phase| *phase >= Phase::Drain).await;
        self.is_draining.set(true);
        self.drain_signal.notify_waiters();
    }

    /// Waits until no connection is left, or everything is to end. Says how many were cut.
    pub(crate) async fn emptied(&self) -> usize {
        let mut phase = self.phase.clone();
        let emptied = async {
            while self.open.get() > 0 {
                self.closed.notified().await;
            }
        };
        tokio::select! {
            () = emptied => {}
            // An error is that nobody is left who could say it.
            _ = phase.wait_for(|phase| *phase == Phase::Stop) => {}
        }
        self.open.get()
    }

    /// Whether people are told of something that a stranger could repeat a million times: once in a second.
    pub(crate) fn may_tell(&self) -> bool {
        let now = now();
        let may = self.told_at.get().is_none_or(|at| now - at >= Duration::from_secs(1));
        if may {
            self.told_at.set(Some(now));
        }
        may
    }

    /// Whether one more message may come now.
    pub(crate) fn admits_message(&self) -> bool {
        let Some(rate) = &self.shared.rate else { return true };
        rate.charge(0, now().saturating_duration_since(self.shared.since)).is_ok()
    }
}

/// A connection that is served for as long as this lives.
pub(crate) struct Open {
    worker: Rc<Worker>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Open {
    pub(crate) fn begin(worker: &Rc<Worker>, place: Option<OwnedSemaphorePermit>) -> Self {
        worker.open.set(worker.open.get() + 1);
        Self { worker: Rc::clone(worker), _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.open.set(self.worker.open.get() - 1);
        self.worker.closed.notify_one();
    }
}
