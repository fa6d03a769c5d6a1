//! How much of a route is in progress at once. All workers share it.
//!
//! A request takes a place per client first and then one of all, and keeps both for as long as its exchange lives. Nothing
//! is locked while there is room. Who finds none waits in a queue with a bound and a deadline: for a place of all in the
//! order of arrival, and for one of its own client until another request of that client ends on whichever worker.

use std::hash::RandomState;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use weir_config::model::Concurrency;
use weir_core::address::client_network;
use weir_core::limit::{ClientPlaces, Place};

use super::key;

/// Bells for those who wait for a place of their own client. Clients whose places lie together share one, and whoever is
/// woken for somebody else waits on.
const BELLS: usize = 64;

/// The places of a route.
#[derive(Debug)]
pub struct SharedConcurrency {
    rule: Concurrency,
    entries: usize,
    total: Option<Semaphore>,
    clients: Option<Clients>,
    waiting: AtomicU32,
}

#[derive(Debug)]
struct Clients {
    places: ClientPlaces,
    /// Places in the queue: one client must not take them all.
    waiting: ClientPlaces,
    bells: Box<[Notify]>,
    hashes: RandomState,
}

impl SharedConcurrency {
    fn new(rule: Concurrency, entries: usize) -> Self {
        let clients = rule.per_client.map(|each| Clients {
            places: ClientPlaces::new(each, entries),
            waiting: ClientPlaces::new(each, entries.min(rule.queue as usize * 2)),
            bells: (0..BELLS).map(|_| Notify::new()).collect(),
            hashes: RandomState::new(),
        });
        let total = rule.total.map(|total| Semaphore::new(total as usize));
        Self { rule, entries, total, clients, waiting: AtomicU32::new(0) }
    }

    /// The places of a route. What was in force before goes on with what is in progress, if nothing of it has changed.
    pub fn following(rule: Concurrency, entries: usize, before: Option<&Arc<Self>>) -> Arc<Self> {
        match before.filter(|before| before.rule == rule && before.entries == entries) {
            Some(before) => Arc::clone(before),
            None => Arc::new(Self::new(rule, entries)),
        }
    }

    /// How long a request waits at most.
    pub fn wait_max(&self) -> Duration {
        self.rule.wait
    }

    /// How many wait now.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(SeqCst)
    }

    /// A request that comes from there and has no place yet.
    pub fn arrival(self: &Arc<Self>, client: IpAddr) -> Places {
        let key = self.clients.as_ref().map_or(0, |clients| match client_network(client) {
            IpAddr::V4(address) => key::hash(&clients.hashes, [address.octets().as_slice()].into_iter()),
            IpAddr::V6(address) => key::hash(&clients.hashes, [address.octets().as_slice()].into_iter()),
        });
        Places { limits: Arc::clone(self), key, of_client: None, of_all: false }
    }
}

impl Clients {
    fn bell(&self, key: u64) -> &Notify {
        &self.bells[self.places.set_of(key) % BELLS]
    }
}

/// The places that a request has; dropping this leaves them, however its exchange ends.
#[derive(Debug)]
pub struct Places {
    limits: Arc<SharedConcurrency>,
    key: u64,
    of_client: Option<Place>,
    of_all: bool,
}

impl Places {
    /// Takes what is there, without waiting. Says whether that is all that is needed.
    pub fn take(&mut self) -> bool {
        self.take_of_client() && self.take_of_all()
    }

    fn take_of_client(&mut self) -> bool {
        let Some(clients) = &self.limits.clients else { return true };
        if self.of_client.is_some() {
            return true;
        }
        let entered = clients.places.enter(self.key);
        self.of_client = entered.place;
        if entered.took_back {
            self.limits.ring(clients, self.key);
        }
        entered.place.is_some()
    }

    fn take_of_all(&mut self) -> bool {
        let Some(total) = &self.limits.total else { return true };
        if !self.of_all
            && let Ok(permit) = total.try_acquire()
        {
            permit.forget();
            self.of_all = true;
        }
        self.of_all
    }

    /// Waits until there is all that is needed. Cancel safe: what was taken stays taken until this is dropped.
    pub async fn wait(&mut self) {
        let limits = Arc::clone(&self.limits);
        while let Some(clients) = limits.clients.as_ref().filter(|_| self.of_client.is_none()) {
            let mut rung = pin!(clients.bell(self.key).notified());
            // From here on no ringing is missed; only then it is looked once more.
            rung.as_mut().enable();
            if !self.take_of_client() {
                rung.await;
            }
        }
        if let Some(total) = limits.total.as_ref().filter(|_| !self.of_all)
            && let Ok(permit) = total.acquire().await
        {
            permit.forget();
            self.of_all = true;
        }
    }

    /// A place in the queue; `None` when it is full, or full of this client.
    pub fn queue(&self) -> Option<Waiting> {
        let limits = &self.limits;
        let queue = limits.rule.queue;
        let counted =
            limits.waiting.fetch_update(SeqCst, SeqCst, |waiting| (waiting < queue).then_some(waiting + 1));
        counted.ok()?;
        // Dropped below if there is no room for this client.
        let mut waiting = Waiting { limits: Arc::clone(limits), of_client: None };
        if let Some(clients) = limits.clients.as_ref().filter(|_| self.of_client.is_none()) {
            waiting.of_client = Some(clients.waiting.enter(self.key).place?);
        }
        Some(waiting)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if let Some(total) = self.limits.total.as_ref().filter(|_| self.of_all) {
            total.add_permits(1);
        }
        if let (Some(clients), Some(place)) = (&self.limits.clients, self.of_client) {
            clients.places.leave(place);
            self.limits.ring(clients, self.key);
        }
    }
}

impl SharedConcurrency {
    /// Wakes those who may have a place now. Whoever waits is counted before it looks for the last time, so either it is
    /// seen here or it sees what was left.
    fn ring(&self, clients: &Clients, key: u64) {
        if self.waiting() > 0 {
            clients.bell(key).notify_waiters();
        }
    }
}

/// A place in the queue, given up when this is dropped.
#[derive(Debug)]
pub struct Waiting {
    limits: Arc<SharedConcurrency>,
    of_client: Option<Place>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.limits.waiting.fetch_sub(1, SeqCst);
        if let (Some(clients), Some(place)) = (&self.limits.clients, self.of_client) {
            clients.waiting.leave(place);
        }
    }
}
