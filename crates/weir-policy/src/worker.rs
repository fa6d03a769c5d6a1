//! A thread of the listener: what its connections share, and what it is told.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use weir_config::model::{PolicyLimits, PolicyListen};
use weir_core::limit::{Rate, RateLimit};
use weir_core::limit_hit::LimitHit;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::io::descriptors::Descriptors;
use weir_upstream::local_groups::LocalGroups;
use weir_upstream::permit::{Permit, PermitCount};
use weir_upstream::policy_counts::PolicyCounts;
use weir_upstream::pool::Pools;

use crate::connections::{Connections, Entered};
use crate::registry::Registry;
use crate::sight::Sight;

/// What all threads of a listener share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// What the configuration in force says; looked at anew for each message.
    pub(crate) terms: ArcSwap<Terms>,
    pub(crate) registry: Arc<Registry>,
    /// Which file descriptors connections of clients may have.
    pub(crate) descriptors: Descriptors,
    /// Places for connections.
    pub(crate) places: Arc<PermitCount>,
    /// Held by the one whose turn to register is next, where that is not at once.
    pub(crate) registering: Semaphore,
    /// The moment from which the time of rates is counted.
    pub(crate) since: Instant,
}

/// What a configuration says of a listener.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) listen: PolicyListen,
    /// How many messages may come.
    messages: Option<Arc<RateLimit>>,
    /// How many registrations that change something.
    registrations: Option<Arc<RateLimit>>,
}

impl Terms {
    /// What this says; a rate that is what it was before goes on with what was used of it.
    pub(crate) fn new(listen: PolicyListen, before: Option<&Self>) -> Self {
        let PolicyLimits { messages, registrations, .. } = listen.limits;
        let known = before.map(|before| before.listen.limits);
        let messages = match before.filter(|_| known.is_some_and(|known| known.messages == messages)) {
            Some(same) => same.messages.clone(),
            None => messages.map(together),
        };
        let registrations = match before.filter(|_| known.is_some_and(|it| it.registrations == registrations))
        {
            Some(same) => same.registrations.clone(),
            None => registrations.map(together),
        };
        Self { listen, messages, registrations }
    }
}

/// For all threads and connections of a listener together, so many of them at once.
fn together(rate: Rate) -> Arc<RateLimit> {
    Arc::new(RateLimit::together(rate, rate.count))
}

/// What a listener is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Be ready: nobody is accepted yet.
    Wait,
    /// Serve.
    Run,
    /// Accept who waits in the queue and nobody more; end connections when they are idle.
    Drain,
    /// Another process accepts from now on, also who waits in the queue; end connections when they are idle.
    HandOver,
    /// End everything at once.
    Stop,
}

/// What a listener is told, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) phase: Phase,
    /// How long those who have come in and said nothing yet may take to begin when nothing new is to begin any more.
    pub(crate) grace: Duration,
}

impl From<Phase> for Order {
    /// Nobody gets more time than there is.
    fn from(phase: Phase) -> Self {
        Self { phase, grace: Duration::ZERO }
    }
}

/// One thread.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) groups: LocalGroups,
    pub(crate) pools: Pools,
    /// Who is connected, as others see it.
    pub(crate) connections: Arc<Connections>,
    order: watch::Receiver<Order>,
    /// What it has been told of the end, once it has.
    draining: Cell<Option<Order>>,
    drain_signal: Notify,
    /// Connections that are served.
    open: Cell<usize>,
    closed: Notify,
    told_at: Cell<Option<Instant>>,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        connections: Arc<Connections>,
        order: watch::Receiver<Order>,
    ) -> Self {
        Self {
            shared,
            connections,
            groups: LocalGroups::default(),
            pools: Pools::default(),
            order,
            draining: Cell::new(None),
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

    /// Waits until it may accept. Says whether it is to do so at all.
    pub(crate) async fn begun(&self) -> bool {
        let told =
            self.order.clone().wait_for(|order| order.phase > Phase::Wait).await.map(|order| order.phase);
        // An error is that nobody is left who could say it.
        told.is_ok_and(|phase| phase < Phase::Stop)
    }

    /// Waits until nothing new is to begin.
    pub(crate) async fn drain_begun(&self) {
        // Nothing can begin the drain between the look and the wait: both happen on this thread.
        if self.draining.get().is_none() {
            self.drain_signal.notified().await;
        }
    }

    /// How long those who have said nothing yet may take to begin, when nothing new is to begin any more.
    pub(crate) fn grace(&self) -> Duration {
        self.draining.get().map_or(Duration::MAX, |order| order.grace)
    }

    /// Whether another process accepts from now on.
    pub(crate) fn hands_over(&self) -> bool {
        self.draining.get().is_some_and(|order| order.phase == Phase::HandOver)
    }

    /// Tells all connections when nothing new is to begin.
    pub(crate) async fn hear(&self) {
        let told = self.order.clone().wait_for(|order| order.phase >= Phase::Drain).await.map(|order| *order);
        // An error is that nobody is left who could say it, which means the same.
        self.draining.set(Some(told.unwrap_or_else(|_| Phase::Stop.into())));
        self.connections.drain();
        self.drain_signal.notify_waiters();
    }

    /// Waits until no connection is left, or everything is to end. Says how many were cut.
    pub(crate) async fn emptied(&self) -> usize {
        let mut order = self.order.clone();
        let emptied = async {
            while self.open.get() > 0 {
                self.closed.notified().await;
            }
        };
        tokio::select! {
            () = emptied => {}
            // An error is that nobody is left who could say it.
            _ = order.wait_for(|order| order.phase == Phase::Stop) => {}
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
        let terms = self.shared.terms.load();
        charge(terms.messages.as_deref(), self.shared.since).is_ok()
    }

    /// Waits until one more server may register, so long at most: programs that register once and hear no refusal would be lost
    /// otherwise. Says whether it may. Cancel safe.
    pub(crate) async fn admits_registration(&self, at_most: Duration) -> bool {
        let Shared { terms, since, registering, .. } = &*self.shared;
        // Whoever waits when the rate becomes another one waits for that.
        let try_now = || charge(terms.load().registrations.as_deref(), *since);
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
    entered: Entered,
    _place: Option<Permit>,
}

impl Open {
    pub(crate) fn begin(worker: &Rc<Worker>, sight: &Arc<Sight>, place: Option<Permit>) -> Self {
        worker.open.set(worker.open.get() + 1);
        worker.counts().connection_begins();
        let entered = Entered::new(&worker.connections, sight);
        Self { worker: Rc::clone(worker), entered, _place: place }
    }

    /// Its place in the table of its thread.
    pub(crate) fn place(&self) -> usize {
        self.entered.place()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.open.set(self.worker.open.get() - 1);
        self.worker.counts().connection_ends();
        self.worker.closed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use weir_upstream::policy_groups::PolicyGroups;

    use super::*;
    use crate::connections::AllConnections;

    fn worker(groups: &Arc<PolicyGroups>, rate: Rate) -> Worker {
        let mut listen = PolicyListen::at(([127, 0, 0, 1], 0).into());
        listen.limits.registrations = Some(rate);
        let shared = Shared {
            terms: ArcSwap::from_pointee(Terms::new(listen, None)),
            registry: Arc::new(Registry::new(Arc::clone(groups))),
            descriptors: Descriptors::of_process(),
            places: PermitCount::new(1),
            registering: Semaphore::new(1),
            since: now(),
        };
        let address = shared.terms.load().listen.address;
        let connections = AllConnections::default().of_thread(address, Arc::clone(groups));
        Worker::new(Arc::new(shared), connections, watch::channel(Phase::Run.into()).1)
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
