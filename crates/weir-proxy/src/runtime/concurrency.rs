//! How much of a route, or with an upstream, is in progress at once. All workers share it.
//!
//! A request takes a place of its client first and then one of all, and keeps both for as long as its exchange lives. So
//! whoever waits for its own client holds nothing that others could use, and one client takes up no more of the queue for
//! a place of all than it may have in progress. While there is room, that is atomics alone (the semaphore takes a short lock
//! when a place comes back). Who finds no room waits in a queue with a bound and a deadline: for a place of all in the order
//! of arrival, and for one of its own client until another request of that client ends on whichever worker.
//!
//! Places are plain values and not guards, because a guard would have to count its hold on this in a word that all workers
//! share; the exchange, which has the snapshot anyway, gives them back when it is dropped.

use std::hash::RandomState;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use weir_config::model::Concurrency;
use weir_core::address::client_network;
use weir_core::limit::{ClientPlaces, Place};

use super::key;

/// Bells for those who wait for a place of their own client. Clients whose places lie together share one, and whoever is
/// woken for somebody else waits on.
const BELLS: usize = 64;

/// Entries of a table for each request that may be counted in it: so many that eight clients hardly ever meet in a set of
/// seven.
const ENTRIES_PER_REQUEST: usize = 8;

/// The places of a route.
#[derive(Debug)]
pub struct SharedConcurrency {
    rule: Concurrency,
    entries: usize,
    total: Option<Semaphore>,
    /// Places of all that there are now.
    total_now: AtomicU32,
    /// Held while there come to be more or fewer of them.
    resizing: Mutex<()>,
    /// Places that are in use and will be none any more when they come back, because there are fewer now.
    owed: AtomicU32,
    clients: Option<Clients>,
    waiting: AtomicU32,
}

#[derive(Debug)]
struct Clients {
    places: ClientPlaces,
    /// Places in the queue: one client must not take them all.
    waiting: ClientPlaces,
    bells: Box<[Notify]>,
    /// Random for each route and process: nobody outside can choose addresses that meet in one place of a table.
    hashes: RandomState,
}

impl SharedConcurrency {
    pub(super) fn new(rule: Concurrency, entries: usize) -> Self {
        let queue = rule.queue as usize;
        let clients = rule.per_client.map(|each| {
            let counted = rule.total.map_or(usize::MAX, |total| total as usize + queue);
            let room = |requests: usize| entries.min(requests.saturating_mul(ENTRIES_PER_REQUEST));
            Clients {
                places: ClientPlaces::new(each, room(counted)),
                waiting: ClientPlaces::new(each, room(queue)),
                bells: (0..BELLS).map(|_| Notify::new()).collect(),
                hashes: RandomState::new(),
            }
        });
        let total = rule.total.map(|total| Semaphore::new(total as usize));
        Self {
            rule,
            entries,
            total,
            total_now: AtomicU32::new(rule.total.unwrap_or(0)),
            resizing: Mutex::new(()),
            owed: AtomicU32::new(0),
            clients,
            waiting: AtomicU32::new(0),
        }
    }

    /// The places of a route. What was in force before goes on with what is in progress, if nothing of it has changed.
    pub fn following(rule: Concurrency, entries: usize, before: Option<&Arc<Self>>) -> Arc<Self> {
        match before.filter(|before| before.rule == rule && before.entries == entries) {
            Some(before) => Arc::clone(before),
            None => Arc::new(Self::new(rule, entries)),
        }
    }

    /// Makes it so many places of all. Where there are fewer than before, those that are in use beyond that go when they come
    /// back; where there are more, those who wait get them. Takes a short lock.
    pub fn resize(&self, places: u32) {
        let Some(total) = &self.total else { return };
        let _resizing = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.total_now.swap(places, SeqCst);
        if let Some(fewer) = before.checked_sub(places) {
            let gone = u32::try_from(total.forget_permits(fewer as usize)).unwrap_or(fewer);
            self.owed.fetch_add(fewer - gone, SeqCst);
        } else {
            let more = places - before;
            total.add_permits((more - self.pay(more)) as usize);
        }
    }

    /// How many places of all there are; 0 where any number may be in progress.
    pub fn total(&self) -> u32 {
        self.total_now.load(SeqCst)
    }

    /// Takes back up to so many of the places that are owed; how many.
    fn pay(&self, most: u32) -> u32 {
        if self.owed.load(SeqCst) == 0 {
            return 0;
        }
        let paid = |owed: u32| owed.min(most);
        self.owed.fetch_update(SeqCst, SeqCst, |owed| Some(owed - paid(owed))).map_or(0, paid)
    }

    /// How long a request waits at most.
    pub fn wait_max(&self) -> Duration {
        self.rule.wait
    }

    /// How many wait now.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(SeqCst)
    }

    /// Takes what there is for a request that comes from there, without waiting. They must be given to
    /// [`leave`](Self::leave).
    pub fn arrive(&self, client: IpAddr) -> Places {
        let key = self.clients.as_ref().map_or(0, |clients| match client_network(client) {
            IpAddr::V4(address) => key::hash(&clients.hashes, [address.octets().as_slice()].into_iter()),
            IpAddr::V6(address) => key::hash(&clients.hashes, [address.octets().as_slice()].into_iter()),
        });
        let mut places = Places { key, of_client: None, of_all: false, complete: false };
        places.complete = self.take_of_client(&mut places) && self.take_of_all(&mut places);
        places
    }

    /// The same where it does not matter from where a request comes.
    pub fn arrive_alone(&self) -> Places {
        let mut places = Places { key: 0, of_client: None, of_all: false, complete: false };
        places.complete = self.clients.is_none() && self.take_of_all(&mut places);
        places
    }

    /// A place in the queue for whoever lacks one of these; `None` when it is full, or full of this client.
    pub fn queue(&self, places: &Places) -> Option<Waiting<'_>> {
        let queue = self.rule.queue;
        let counted =
            self.waiting.fetch_update(SeqCst, SeqCst, |waiting| (waiting < queue).then_some(waiting + 1));
        counted.ok()?;
        // Dropped below if there is no room for this client.
        let mut waiting = Waiting { limits: self, of_client: None };
        if let Some(clients) = self.clients.as_ref().filter(|_| places.of_client.is_none()) {
            waiting.of_client = Some(clients.waiting.enter(places.key).place?);
        }
        Some(waiting)
    }

    /// Waits until there is all that is needed. Whoever calls has a place in the [`queue`](Self::queue), and keeps it until
    /// this is over. Cancel safe: what was taken stays in `places`.
    pub async fn wait(&self, places: &mut Places) {
        while let Some(clients) = self.clients.as_ref().filter(|_| places.of_client.is_none()) {
            let mut rung = pin!(clients.bell(places.key).notified());
            // From here on no ringing is missed; only then it is looked once more.
            rung.as_mut().enable();
            if !self.take_of_client(places) {
                rung.await;
            }
        }
        if let Some(total) = self.total.as_ref().filter(|_| !places.of_all)
            // It is never closed.
            && let Ok(permit) = total.acquire().await
        {
            permit.forget();
            places.of_all = true;
        }
        places.complete = true;
    }

    /// Gives back what was taken, and wakes those who may have it now.
    pub fn leave(&self, places: Places) {
        if let Some(total) = self.total.as_ref().filter(|_| places.of_all)
            && self.pay(1) == 0
        {
            total.add_permits(1);
        }
        if let (Some(clients), Some(place)) = (&self.clients, places.of_client) {
            clients.places.leave(place);
            self.ring(clients, places.key);
        }
    }

    fn take_of_client(&self, places: &mut Places) -> bool {
        let Some(clients) = &self.clients else { return true };
        let entered = clients.places.enter(places.key);
        places.of_client = entered.place;
        if entered.took_back {
            self.ring(clients, places.key);
        }
        places.of_client.is_some()
    }

    fn take_of_all(&self, places: &mut Places) -> bool {
        let Some(total) = &self.total else { return true };
        // Fails while somebody waits: a place that comes back belongs to the first of those.
        if let Ok(permit) = total.try_acquire() {
            permit.forget();
            places.of_all = true;
        }
        places.of_all
    }

    /// Wakes those who may have a place of their client now.
    ///
    /// Nobody sleeps on: whoever waits is counted and hears the bell before it looks for the last time, and whoever gives a
    /// place back has done so before it reads that count. In whatever order they come, one of the two sees the other.
    fn ring(&self, clients: &Clients, key: u64) {
        if self.waiting() > 0 {
            clients.bell(key).notify_waiters();
        }
    }
}

impl Clients {
    fn bell(&self, key: u64) -> &Notify {
        &self.bells[self.places.set_of(key) % BELLS]
    }
}

/// The places that a request has.
#[derive(Debug)]
#[must_use = "places that nobody leaves are lost"]
pub struct Places {
    key: u64,
    of_client: Option<Place>,
    of_all: bool,
    complete: bool,
}

impl Places {
    /// Whether nothing is missing that the request needs.
    pub fn are_complete(&self) -> bool {
        self.complete
    }
}

/// A place in the queue, given up when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives it up"]
pub struct Waiting<'l> {
    limits: &'l SharedConcurrency,
    of_client: Option<Place>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.limits.waiting.fetch_sub(1, SeqCst);
        if let (Some(clients), Some(place)) = (&self.limits.clients, self.of_client) {
            clients.waiting.leave(place);
        }
    }
}

#[cfg(test)]
mod tests;
