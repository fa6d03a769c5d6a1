//! What routes have done: counted by each worker for itself, found by the names of service and route, and kept from one snapshot to
//! the next.
//!
//! A route that nobody asks for costs nothing here: its counters are made with its first request on a worker, which is also the
//! only moment when a lock is taken. From then on a worker finds them by the route's place in its snapshot. A worker that
//! begins with another snapshot, or one that is new, goes on with counters that nobody writes any more, so that there are never many
//! more of them than there are workers.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use weir_core::dispatch::Mode;
use weir_core::ports::Histogram;
use weir_core::ports::traffic::{OTHERS, ROUTES_MAX, RequestCount, RouteTraffic};
use weir_core::traffic::{MethodClass, STATUS_CLASSES, status_class};
use weir_http::method::Method;

use super::counter::Counter;
use super::durations::{Durations, Sample};

#[cfg(test)]
mod tests;

/// So many times a route finds no place before it is looked whether others have left theirs.
const LOOK_EVERY: usize = 256;

/// By method and status.
type Requests = [[Counter; STATUS_CLASSES.len()]; MethodClass::ALL.len()];

/// A request that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over {
    /// The dispatch mode; `None` when no server was asked.
    pub(crate) mode: Option<Mode>,
    /// The method.
    pub(crate) method: Method,
    /// The status; 0 for none.
    pub(crate) status: u16,
    /// How long it took.
    pub(crate) duration: Sample,
    /// How long it took to the head of a server's answer.
    pub(crate) head: Option<Duration>,
}

/// What one worker has counted of one route.
#[derive(Debug, Default)]
pub struct RouteTally {
    /// Requests by mode; those that went to no server are the first.
    requests: [OnceLock<Box<Requests>>; 1 + Mode::ALL.len()],
    total: Durations,
    connect: OnceLock<Box<Durations>>,
    head: OnceLock<Box<Durations>>,
}

impl RouteTally {
    /// Counts a request; only ever called by the tally's own worker. Allocates when it is the first one of its kind.
    #[inline]
    pub(crate) fn note(&self, over: &Over) {
        let requests = self.requests[over.mode.map_or(0, |mode| 1 + mode as usize)].get_or_init(Box::default);
        requests[MethodClass::of(over.method) as usize][status_class(over.status)].add(1);
        self.total.observe(over.duration);
        if let Some(head) = over.head {
            self.head.get_or_init(Box::default).observe(Sample::of(head));
        }
    }

    /// Counts a connection that was opened to a server; only ever called by the tally's own worker.
    pub fn note_connect(&self, took: Duration) {
        self.connect.get_or_init(Box::default).observe(Sample::of(took));
    }

    fn add_to(&self, traffic: &mut RouteTraffic) {
        let modes = std::iter::once("none").chain(Mode::ALL.map(Mode::name));
        for (mode, requests) in modes.zip(&self.requests) {
            let Some(requests) = requests.get() else { continue };
            for (method, by_status) in MethodClass::ALL.into_iter().zip(&**requests) {
                for (status, counter) in STATUS_CLASSES.into_iter().zip(by_status) {
                    add(&mut traffic.requests, mode, method.name(), status, counter.value());
                }
            }
        }
        self.total.add_to(&mut traffic.total);
        for (own, sum) in [(&self.connect, &mut traffic.connect), (&self.head, &mut traffic.head)] {
            if let Some(durations) = own.get() {
                durations.add_to(sum.get_or_insert_with(Histogram::default));
            }
        }
    }

    /// Adds what another tally has counted, whose worker is gone.
    fn take_in(&self, other: &Self) {
        for (own, counted) in self.requests.iter().zip(&other.requests) {
            let Some(counted) = counted.get() else { continue };
            let own = own.get_or_init(Box::default);
            for (sum, counter) in own.iter().flatten().zip(counted.iter().flatten()) {
                sum.add(counter.value());
            }
        }
        self.total.take_in(&other.total);
        for (own, counted) in [(&self.connect, &other.connect), (&self.head, &other.head)] {
            if let Some(counted) = counted.get() {
                own.get_or_init(Box::default).take_in(counted);
            }
        }
    }
}

fn add(
    counts: &mut Vec<RequestCount>,
    mode: &'static str,
    method: &'static str,
    status: &'static str,
    count: u64,
) {
    if count == 0 {
        return;
    }
    let same = |known: &&mut RequestCount| (known.mode, known.method, known.status) == (mode, method, status);
    match counts.iter_mut().find(same) {
        Some(known) => known.count += count,
        None => counts.push(RequestCount { mode, method, status, count }),
    }
}

/// The names of a service and of its route.
type Key = (Box<str>, Box<str>);

/// All that was counted of routes. It outlives snapshots.
#[derive(Debug, Default)]
pub struct TrafficRegistry(Mutex<Known>);

/// Every tally is written by the worker that holds it, and by nobody when only this does.
#[derive(Debug, Default)]
struct Known {
    /// By service and route.
    routes: BTreeMap<Key, Vec<Arc<RouteTally>>>,
    /// Of all routes that had no place.
    others: Vec<Arc<RouteTally>>,
    /// What routes had counted that have lost their place; written under the lock alone.
    lost: Option<Box<RouteTally>>,
    /// How often a route found no place.
    refused: usize,
}

impl Known {
    /// Takes their places from routes that no worker has counted for since it has its snapshot.
    fn make_room(&mut self) {
        let lost = self.lost.get_or_insert_with(Box::default);
        self.routes.retain(|_, tallies| {
            let is_used = tallies.iter_mut().any(|tally| Arc::get_mut(tally).is_none());
            if !is_used {
                tallies.iter().for_each(|tally| lost.take_in(tally));
            }
            is_used
        });
    }
}

/// One that nobody writes, or a new one.
fn free(tallies: &mut Vec<Arc<RouteTally>>) -> Arc<RouteTally> {
    // Whoever lets one go has written all that it had to write: that is what `get_mut` makes sure of.
    let unwritten =
        tallies.iter_mut().find_map(|tally| Arc::get_mut(tally).is_some().then(|| Arc::clone(tally)));
    if let Some(tally) = unwritten {
        return tally;
    }
    let new = Arc::new(RouteTally::default());
    tallies.push(Arc::clone(&new));
    new
}

impl TrafficRegistry {
    fn known(&self) -> MutexGuard<'_, Known> {
        // What is counted is right whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counters of a route for a worker, who alone may write them; `None` when as many routes as may be are told apart already.
    fn claim(&self, service: &str, route: &str) -> Option<Arc<RouteTally>> {
        let known = &mut *self.known();
        let key = (Box::from(service), Box::from(route));
        if !known.routes.contains_key(&key) && known.routes.len() >= ROUTES_MAX {
            if known.refused.is_multiple_of(LOOK_EVERY) {
                known.make_room();
            }
            if known.routes.len() >= ROUTES_MAX {
                known.refused += 1;
                return None;
            }
        }
        Some(free(known.routes.entry(key).or_default()))
    }

    /// Counters for all routes of a worker that have none of their own.
    fn claim_others(&self) -> Arc<RouteTally> {
        free(&mut self.known().others)
    }

    /// What routes have done, by name, and those that have no place at the end.
    pub fn status(&self) -> Vec<RouteTraffic> {
        let known = self.known();
        let mut all: Vec<RouteTraffic> = Vec::with_capacity(known.routes.len() + 1);
        for ((service, route), tallies) in &known.routes {
            let named = RouteTraffic {
                service: service.to_string(),
                route: route.to_string(),
                ..RouteTraffic::default()
            };
            all.push(sum(named, tallies.iter().map(|tally| &**tally)));
        }
        let others = RouteTraffic { route: OTHERS.to_owned(), ..RouteTraffic::default() };
        let without = known.others.iter().map(|tally| &**tally).chain(known.lost.as_deref());
        all.push(sum(others, without));
        // Between its first request's beginning and its end a route has counters and no count.
        all.retain(|route| !route.requests.is_empty());
        all
    }
}

fn sum<'t>(mut traffic: RouteTraffic, tallies: impl Iterator<Item = &'t RouteTally>) -> RouteTraffic {
    tallies.for_each(|tally| tally.add_to(&mut traffic));
    traffic
}

/// Where a worker finds the counters of a route of its snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Place<'s> {
    /// Its number.
    pub number: usize,
    /// How many routes there are.
    pub routes: usize,
    /// Whether it has no counters of its own. Set once in the life of a snapshot, and kept with the route, which is looked at anyhow: with
    /// very many routes a look at a list of them all would be one more wait for memory.
    pub is_among_others: &'s AtomicBool,
}

/// The counters of one worker for the routes of one snapshot, by their places in it.
#[derive(Debug, Default)]
pub struct LocalTraffic {
    own: OnceCell<Box<[OnceCell<Arc<RouteTally>>]>>,
    others: OnceCell<Arc<RouteTally>>,
}

impl LocalTraffic {
    /// The counters of the route at this place. The names, of its service and its own, are only asked for the first time.
    #[inline]
    pub fn tally<'n>(
        &self,
        place: Place<'_>,
        registry: &TrafficRegistry,
        names: impl FnOnce() -> (&'n str, &'n str),
    ) -> &RouteTally {
        if place.is_among_others.load(Ordering::Relaxed) {
            return self.others(registry);
        }
        let row = || std::iter::repeat_with(OnceCell::new).take(place.routes).collect();
        let own = &self.own.get_or_init(row)[place.number];
        match own.get() {
            Some(tally) => tally,
            None => self.claim(own, place.is_among_others, registry, names()),
        }
    }

    #[cold]
    fn claim<'t>(
        &'t self,
        own: &'t OnceCell<Arc<RouteTally>>,
        is_among_others: &AtomicBool,
        registry: &TrafficRegistry,
        (service, route): (&str, &str),
    ) -> &'t RouteTally {
        match registry.claim(service, route) {
            Some(tally) => own.get_or_init(|| tally),
            None => {
                is_among_others.store(true, Ordering::Relaxed);
                self.others(registry)
            }
        }
    }

    fn others(&self, registry: &TrafficRegistry) -> &RouteTally {
        self.others.get_or_init(|| registry.claim_others())
    }
}
