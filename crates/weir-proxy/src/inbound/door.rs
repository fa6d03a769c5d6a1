//! A listener as those see it who accept on it: what is spoken there now, and whether it is being closed.
//!
//! What is spoken may change while it is open; who has come in before stays as he came. Where it is closed, who has come in
//! through it is asked to leave as in a drain (`semantics.md` §4.3), while others of the same worker are left alone.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use weir_core::address::NetworkSet;

use super::threshold::Threshold;
use crate::runtime::certificates::ListenerTls;

/// Identifies a listener of the process, also after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DoorId(u64);

/// What is spoken at a listener.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// TLS; `None` is plain HTTP.
    pub tls: Option<Arc<ListenerTls>>,
    /// Peers whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Option<Arc<NetworkSet>>,
}

/// A listener, as all workers share it.
#[derive(Debug)]
pub(crate) struct Door {
    pub id: DoorId,
    /// Where it listens.
    pub address: Arc<str>,
    /// Looked at once for each connection.
    pub terms: ArcSwap<Terms>,
}

impl Door {
    /// A listener at this address, at which this is spoken.
    pub(crate) fn new(address: &str, terms: Terms) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = DoorId(NEXT.fetch_add(1, Ordering::Relaxed));
        Arc::new(Self { id, address: address.into(), terms: ArcSwap::from_pointee(terms) })
    }
}

/// Why somebody who accepts shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relief {
    /// The listener goes, or the worker: what waits in the queue of the socket is accepted, beyond any limit.
    Closed,
    /// Another worker accepts from this socket.
    HandedOver,
}

/// Somebody of a worker who accepts from a socket.
#[derive(Debug)]
pub(crate) struct Post {
    /// Where those who are accepted come in.
    pub threshold: Rc<Threshold>,
    relief: Cell<Option<Relief>>,
    signal: Notify,
}

impl Post {
    /// One at this threshold.
    pub(crate) fn new(threshold: Rc<Threshold>) -> Rc<Self> {
        Rc::new(Self { threshold, relief: Cell::new(None), signal: Notify::new() })
    }

    /// Lets it end. The first word counts.
    pub(crate) fn relieve(&self, relief: Relief) {
        if self.relief.get().is_none() {
            self.relief.set(Some(relief));
            self.signal.notify_waiters();
        }
    }

    /// Why it shall end, if it shall.
    pub(crate) fn relief(&self) -> Option<Relief> {
        self.relief.get()
    }

    /// Waits until it shall end.
    pub(crate) async fn relieved(&self) -> Relief {
        loop {
            // Nothing can happen between the look and the wait: both are done on this thread.
            match self.relief.get() {
                Some(relief) => return relief,
                None => self.signal.notified().await,
            }
        }
    }
}
