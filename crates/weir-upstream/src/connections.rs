//! How many connections there are to a server, how many there may be, and who waits for one.
//!
//! A connection counts from the moment before it is opened until its socket is closed, whatever it is used for: requests,
//! tunnels, copies, deliveries, and being idle. Health checks don't count; they must get through when everything else is full.
//!
//! A connection belongs to a worker, also while it is idle, and another worker can't use it. So where their number is limited,
//! whoever needs one and finds no place waits for it in the order of arrival, and rings: every worker closes what it keeps idle
//! there, and while somebody waits, a connection that becomes idle is closed and not kept. Each of them closes as many of each
//! server as there are waiting: none knows of the others, and one too many costs a connect, one too few somebody's time.
//!
//! Who waits for a place for a request to one server holds none that anybody else could wait for, but that of a server while it waits
//! for one of its upstream. A request to several servers does: a copy that has its answer keeps its connection while another one waits
//! for a place. Two of them can hold one each and wait for each other; what ends that is `timeouts.connect`, the deadline of whoever
//! waits. A limit of connections admits as many requests as connections, because routes with different modes share an upstream: where
//! copies are sent, its limit of requests keeps them apart.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Places for connections.
#[derive(Debug)]
pub struct ConnectionRoom {
    max: u32,
    places: Arc<Semaphore>,
    waiting: AtomicU32,
}

impl ConnectionRoom {
    /// So many.
    pub fn new(max: u32) -> Arc<Self> {
        Arc::new(Self { max, places: Arc::new(Semaphore::new(max as usize)), waiting: AtomicU32::new(0) })
    }

    /// So many, or those that there are already if that are as many.
    pub fn following(max: u32, known: Option<&Arc<Self>>) -> Arc<Self> {
        known.filter(|known| known.max == max).map_or_else(|| Self::new(max), Arc::clone)
    }

    /// A place, if one is free and nobody waits for it.
    fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place, when it is our turn.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(place) = self.try_take() {
            return Some(place);
        }
        let _waiting = Waiting::begin(self);
        // Whoever keeps a connection from now on sees that somebody waits; those that are kept already must be told.
        BELLS.ring();
        // It is never closed.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::SeqCst)
    }
}

/// One who waits.
struct Waiting<'r>(&'r ConnectionRoom);

impl<'r> Waiting<'r> {
    fn begin(room: &'r ConnectionRoom) -> Self {
        room.waiting.fetch_add(1, Ordering::SeqCst);
        Self(room)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The connections to one server.
#[derive(Debug, Default)]
pub struct Connections {
    /// Shared with those to the same server under other configurations.
    open: Arc<AtomicU32>,
    /// Places at the server, where they are limited.
    own: Option<Arc<ConnectionRoom>>,
    /// Places at all servers of its upstream, where those are.
    shared: Option<Arc<ConnectionRoom>>,
}

impl Connections {
    /// Those to a server that has these places, of those that its upstream has.
    pub fn new(own: Option<Arc<ConnectionRoom>>, shared: Option<Arc<ConnectionRoom>>) -> Self {
        Self { open: Arc::default(), own, shared }
    }

    /// The same, with the places at the server that `known` has, where there are as many: what is open under a configuration
    /// counts under the next one. How many are open is one number for both.
    #[must_use]
    pub fn following(self, known: &Self) -> Self {
        let same = known.own.clone().filter(|own| self.max() == Some(own.max));
        Self { open: Arc::clone(&known.open), own: same.or(self.own), ..self }
    }

    /// How many there are.
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// How many there may be to this server; `None` for any number.
    pub fn max(&self) -> Option<u32> {
        self.own.as_ref().map(|room| room.max)
    }

    /// Whether there is a limit.
    pub fn are_limited(&self) -> bool {
        self.own.is_some() || self.shared.is_some()
    }

    /// How many wait for a place that an idle connection to this server has.
    pub fn wanted(&self) -> u32 {
        let wanted = |room: &Option<Arc<ConnectionRoom>>| room.as_ref().map_or(0, |room| room.waiting());
        wanted(&self.own).saturating_add(wanted(&self.shared))
    }

    /// Whether a connection to that server has a place which one more to this server lacks now.
    pub(crate) fn lack_what_has(&self, other: &Self) -> bool {
        let lacks =
            |one: &Option<Arc<ConnectionRoom>>, other: &Option<Arc<ConnectionRoom>>| match (one, other) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other) && one.places.available_permits() == 0,
                (None, _) | (_, None) => false,
            };
        lacks(&self.own, &other.own) || lacks(&self.shared, &other.shared)
    }

    /// A place for one more connection, if one is free and nobody waits for it.
    pub fn try_take(self: &Arc<Self>) -> Option<Place> {
        let take = |room: &Option<Arc<ConnectionRoom>>| match room {
            None => Some(None),
            Some(room) => room.try_take().map(Some),
        };
        let (own, shared) = (take(&self.own)?, take(&self.shared)?);
        Some(self.place(own, shared))
    }

    /// A place for one more connection, in the order of arrival. Waits for as long as it takes; cancel safe.
    pub async fn take(self: &Arc<Self>) -> Place {
        // Always in this order, so that two who have one of both never wait for each other.
        let own = match &self.own {
            Some(room) => room.take().await,
            None => None,
        };
        let shared = match &self.shared {
            Some(room) => room.take().await,
            None => None,
        };
        self.place(own, shared)
    }

    fn place(
        self: &Arc<Self>,
        own: Option<OwnedSemaphorePermit>,
        shared: Option<OwnedSemaphorePermit>,
    ) -> Place {
        self.open.fetch_add(1, Ordering::Relaxed);
        Place { _taken: Box::new(Taken { of: Arc::clone(self), _own: own, _shared: shared }) }
    }
}

/// A connection, as far as it is counted; to be held by its stream, so that it is given back when the socket is closed.
#[derive(Debug)]
#[must_use = "dropping it gives it back"]
pub struct Place {
    _taken: Box<Taken>,
}

#[derive(Debug)]
struct Taken {
    of: Arc<Connections>,
    _own: Option<OwnedSemaphorePermit>,
    _shared: Option<OwnedSemaphorePermit>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Those who keep idle connections, in the whole process: a bell for each.
static BELLS: Bells = Bells(Mutex::new(Vec::new()));

struct Bells(Mutex<Vec<Arc<Notify>>>);

impl Bells {
    /// One more.
    fn hang(&self) -> Arc<Notify> {
        let bell = Arc::new(Notify::new());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&bell));
        bell
    }

    /// Takes one away.
    fn take_down(&self, bell: &Arc<Notify>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, bell));
    }

    /// Asks everybody to look who waits. Takes a short lock; only where a limit is reached.
    fn ring(&self) {
        for bell in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            bell.notify_one();
        }
    }
}

/// Hears when somebody waits for a place.
#[derive(Debug)]
pub(crate) struct Listener(Arc<Notify>);

impl Listener {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self(BELLS.hang())
    }

    /// Waits until somebody has rung since the last time. Cancel safe.
    pub(crate) async fn rung(&self) {
        self.0.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        BELLS.take_down(&self.0);
    }
}

#[cfg(test)]
mod tests;
