//! The client connections of a worker: who is there, and how each can be woken or cut from outside.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::client::Peer;
use crate::runtime::inbox::ConnectionId;

/// The client connections of a worker.
#[derive(Debug, Default)]
pub struct Registry {
    entries: RefCell<Slab<Entry>>,
    /// Whoever waits for the last connection to end.
    emptied: RefCell<Option<Waker>>,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    waker: Option<Waker>,
    cut: bool,
}

/// A connection's place in the registry; it is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    worker: Rc<crate::runtime::worker::Worker>,
    id: usize,
}

impl Registration {
    /// Enters a connection.
    pub(crate) fn new(worker: &Rc<crate::runtime::worker::Worker>, peer: Peer) -> Self {
        let id = worker.registry.entries.borrow_mut().insert(Entry { peer, waker: None, cut: false });
        worker.counters.connections.add(1);
        worker.counters.connections_open.add(1);
        Self { worker: Rc::clone(worker), id }
    }

    /// Remembers how to wake the connection's task, once, and says whether the connection has been cut.
    pub(crate) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut entries = self.worker.registry.entries.borrow_mut();
        let entry = &mut entries[self.id];
        if entry.cut {
            return Poll::Ready(());
        }
        if entry.waker.is_none() {
            entry.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.worker.registry.entries.borrow_mut().remove(self.id);
        self.worker.counters.connections_open.subtract(1);
        if self.worker.registry.len() == 0
            && let Some(waker) = self.worker.registry.emptied.take()
        {
            waker.wake();
        }
    }
}

impl Registry {
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

    /// Closes a connection at once. One that has gone already is no error.
    pub fn cut(&self, ConnectionId(id): ConnectionId) {
        if let Some(entry) = self.entries.borrow_mut().get_mut(id) {
            entry.cut = true;
            if let Some(waker) = &entry.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Every connection with its peer.
    pub fn list(&self) -> Vec<(usize, String)> {
        self.entries.borrow().iter().map(|(id, entry)| (id, entry.peer.to_string())).collect()
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
