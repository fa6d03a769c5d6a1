//! A thread of the listener: what its connections share, and what it is told.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use weir_config::model::PolicyListen;
use weir_core::limit::RateLimit;
use weir_core::limit_hit::LimitHit;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::io::descriptors::Descriptors;
use weir_upstream::local_groups::LocalGroups;
use weir_upstream::policy_counts::PolicyCounts;
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
    pub(crate) messages: Option<RateLimit>,
    /// How many registrations that change something.
    pub(crate) registrations: Option<RateLimit>,
    /// Held by the one whose turn to register is next, where that is not at once.
    pub(crate) registering: Semaphore,
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

    /// What listeners have to tell.
    pub(crate) fn counts(&self) -> &PolicyCounts {
        self.shared.registry.counts()
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
        charge(self.shared.messages.as_ref(), self.shared.since).is_ok()
    }

    /// Waits until one more server may register, so long at most: programs that register once and hear no refusal would be lost
    /// otherwise. Says whether it may. Cancel safe.
    pub(crate) async fn admits_registration(&self, at_most: Duration) -> bool {
        let Shared { registrations, since, registering, .. } = &*self.shared;
        let try_now = || charge(registrations.as_ref(), *since);
        if registering.available_permits() > 0 && try_now().is_ok() {
            return true;
        }
        self.counts().hit(LimitHit::Registrations);
        let deadline = now() + at_most;
        let turn = async {
            // One looks at the clock, and the others wait in the order of arrival: each that passes would wake all otherwise. It is
            // never closed.
            let _first = registering.acquire().await;
            while let Err(wait) = try_now() {
                if now() + wait > deadline {
                    return false;
                }
                pause(wait).await;
            }
            true
        };
        tokio::select! {
            biased;
            may = turn => may,
            () = pause(at_most) => false,
        }
    }
}

/// Charges a rate that holds for everybody. Otherwise, after how long it may be tried again.
fn charge(rate: Option<&RateLimit>, since: Instant) -> Result<(), Duration> {
    let Some(rate) = rate else { return Ok(()) };
    let charged = rate.charge(0, now().saturating_duration_since(since));
    charged.map(|_| ()).map_err(|refused| refused.retry_after)
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

#[cfg(test)]
mod tests {
    use weir_core::limit::Rate;
    use weir_upstream::policy_groups::PolicyGroups;

    use super::*;

    fn worker(groups: &Arc<PolicyGroups>, rate: Rate) -> Worker {
        let shared = Shared {
            listen: PolicyListen::at(([127, 0, 0, 1], 0).into()),
            registry: Arc::new(Registry::new(Arc::clone(groups))),
            descriptors: Descriptors::of_process(),
            places: Arc::new(Semaphore::new(1)),
            messages: None,
            registrations: Some(RateLimit::together(rate, rate.count)),
            registering: Semaphore::new(1),
            since: now(),
        };
        Worker::new(Arc::new(shared), watch::channel(Phase::Run).1)
    }

    /// Who comes too fast waits, each for its own turn, and nobody for longer than it may.
    #[tokio::test(start_paused = true)]
    async fn who_registers_too_fast_waits_for_its_turn() {
        let groups = Arc::default();
        let worker = worker(&groups, Rate { count: 2, per: Duration::from_secs(1) });
        let begun = now();
        let ask = async || {
            let may = worker.admits_registration(Duration::from_millis(1200)).await;
            (may, (now() - begun).as_millis() / 100)
        };
        let (first, second, third, fourth, fifth, sixth) =
            tokio::join!(ask(), ask(), ask(), ask(), ask(), ask());
        assert_eq!([first, second, third, fourth], [(true, 0), (true, 0), (true, 5), (true, 10)]);
        assert_eq!([fifth, sixth], [(false, 10), (false, 10)], "their turn would come too late");
        let mut status = weir_core::ports::Status::default();
        groups.counts.add_to(&mut status);
        assert_eq!(status.limits_hit[LimitHit::Registrations as usize], 4);
        // Whoever stops waiting is in nobody's way.
        {
            let mut gone = std::pin::pin!(ask());
            assert!(
                std::future::poll_fn(|cx| std::task::Poll::Ready(gone.as_mut().poll(cx))).await.is_pending()
            );
        }
        assert_eq!(ask().await, (true, 15));
    }
}
