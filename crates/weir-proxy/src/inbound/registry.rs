//! The client connections of a worker: who is there, and how each can be woken or cut from outside.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;
use weir_core::ports::connections::ConnectionStatus;
use weir_upstream::io::deadline::now;

use super::sight::Sight;
use crate::runtime::counters::WorkerCounters;
use crate::runtime::inspection::ConnectionId;

/// The client connections of a worker.
#[derive(Debug)]
pub struct Registry {
    counters: Arc<WorkerCounters>,
    entries: RefCell<Slab<Entry>>,
    /// The identity of the next connection. None is given twice: who asks for a connection to be cut may have looked long
    /// ago, and its place may be another one's now.
    next_id: Cell<usize>,
    /// Connections that have switched to another protocol: none of them brings a request any more.
    tunnels: Cell<usize>,
    /// Whoever waits for the last connection to end.
    emptied: RefCell<Option<Waker>>,
    /// Whoever waits for the last one that may bring a request.
    quiet: RefCell<Option<Waker>>,
}

/// A connection that has switched to another protocol, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Tunnel(Rc<Registry>);

impl Tunnel {
    /// Counts one.
    pub(crate) fn begin(registry: &Rc<Registry>) -> Self {
        registry.tunnels.set(registry.tunnels.get() + 1);
        registry.wake_who_waits();
        Self(Rc::clone(registry))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.tunnels.set(self.0.tunnels.get() - 1);
    }
}

#[derive(Debug)]
struct Entry {
    id: ConnectionId,
    waker: Option<Waker>,
    sight: Rc<Sight>,
}

/// A connection's place in the registry; it is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Rc<Registry>,
    place: usize,
    /// Shared with the entry: it is looked at whenever the connection's task runs.
    sight: Rc<Sight>,
    /// Whether the entry knows how to wake the task.
    known: Cell<bool>,
}

impl Registration {
    /// Enters a connection.
    pub(crate) fn new(registry: &Rc<Registry>, sight: Rc<Sight>) -> Self {
        let id = ConnectionId(registry.next_id.replace(registry.next_id.get().wrapping_add(1)));
        let entry = Entry { id, waker: None, sight: Rc::clone(&sight) };
        let place = registry.entries.borrow_mut().insert(entry);
        registry.counters.connections.add(1);
        registry.counters.connections_open.add(1);
        Self { registry: Rc::clone(registry), place, sight, known: Cell::new(false) }
    }

    /// Remembers how to wake the connection's task, once, and says whether the connection has been cut.
    pub(crate) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sight.is_cut() {
            return Poll::Ready(());
        }
        if !self.known.replace(true) {
            self.registry.entries.borrow_mut()[self.place].waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.entries.borrow_mut().remove(self.place);
        self.registry.counters.connections_open.subtract(1);
        self.registry.wake_who_waits();
    }
}

impl Registry {
    /// No connections yet; they are counted there.
    pub(crate) fn new(counters: Arc<WorkerCounters>) -> Self {
        Self {
            counters,
            entries: RefCell::default(),
            next_id: Cell::new(0),
            tunnels: Cell::new(0),
            emptied: RefCell::default(),
            quiet: RefCell::default(),
        }
    }

    fn wake_who_waits(&self) {
        let emptied = (self.len() == 0).then(|| self.emptied.take()).flatten();
        let quiet = self.is_quiet().then(|| self.quiet.take()).flatten();
        emptied.into_iter().chain(quiet).for_each(Waker::wake);
    }

    fn is_quiet(&self) -> bool {
        self.len() == self.tunnels.get()
    }

    /// Waits until no connection can bring a request any more, if none comes.
    pub(crate) async fn quiet(&self) {
        poll_fn(|cx| {
            if self.is_quiet() {
                return Poll::Ready(());
            }
            self.quiet.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Connections.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Wakes every connection, so that it looks at what has changed.
    pub fn wake_all(&self) {
        for (_, entry) in self.entries.borrow().iter() {
            if let Some(waker) = &entry.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Closes a connection at once. Says whether there is one of this identity; one that has gone already is no error.
    pub fn cut(&self, id: ConnectionId) -> bool {
        let entries = self.entries.borrow();
        let Some((_, entry)) = entries.iter().find(|(_, entry)| entry.id == id) else { return false };
        entry.sight.cut();
        if let Some(waker) = &entry.waker {
            waker.wake_by_ref();
        }
        true
    }

    /// Every connection with its peer.
    pub fn list(&self) -> Vec<(ConnectionId, String)> {
        self.entries.borrow().iter().map(|(_, entry)| (entry.id, entry.sight.peer().to_string())).collect()
    }

    /// Connections from this place of the table on, at most so many, of the worker with this number; and the place behind them,
    /// unless there is none any more.
    pub fn page(
        &self,
        (worker, is_draining): (u64, bool),
        from: usize,
        max: usize,
    ) -> (Vec<ConnectionStatus>, Option<usize>) {
        let (entries, now) = (self.entries.borrow(), now());
        let mut left = entries.iter().skip_while(|(place, _)| *place < from);
        let told = left
            .by_ref()
            .take(max)
            .map(|(_, Entry { id, sight, .. })| sight.status(format!("{worker}-{}", id.0), is_draining, now));
        let told = told.collect();
        (told, left.next().map(|(place, _)| place))
    }

    /// Waits until there is no connection.
    pub async fn emptied(&self) {
        poll_fn(|cx| {
            if self.len() == 0 {
                return Poll::Ready(());
            }
            self.emptied.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
