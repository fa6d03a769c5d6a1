//! A thread of the listener: it accepts connections and serves each in a task of its own.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use weir_config::model::PolicyListen;
use weir_core::limit::RateLimit;
use weir_upstream::io::deadline::{now, pause};
use weir_upstream::io::exhaustion::is_exhaustion;
use weir_upstream::io::stream::Stream;
use weir_upstream::local_groups::LocalGroups;
use weir_upstream::pool::Pools;

use crate::conversation;
use crate::registry::Registry;

/// How long accepting pauses when the system has no file descriptor or memory left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How often kept connections to servers are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What all threads of a listener share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) listen: PolicyListen,
    pub(crate) registry: Arc<Registry>,
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
    async fn hear(&self) {
        // An error is that nobody is left who could say it, which means the same.
        let _ = self.phase.clone().wait_for(|phase| *phase >= Phase::Drain).await;
        self.is_draining.set(true);
        self.drain_signal.notify_waiters();
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
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn begin(worker: &Rc<Worker>, place: OwnedSemaphorePermit) -> Self {
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

/// Serves until it is told to drain and every connection has ended, or to stop. Says how many connections were cut.
///
/// # Errors
/// The system does not let the socket be used.
pub(crate) async fn run(worker: Rc<Worker>, socket: std::net::TcpListener) -> io::Result<usize> {
    let listener = TcpListener::from_std(socket)?;
    let sweeping = tokio::task::spawn_local(sweep(Rc::clone(&worker)));
    let making_room = {
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move { worker.pools.make_room().await })
    };
    let hearing = {
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move { worker.hear().await })
    };
    accept(&worker, &listener).await;
    drop(listener);
    let mut phase = worker.phase.clone();
    let emptied = async {
        while worker.open.get() > 0 {
            worker.closed.notified().await;
        }
    };
    tokio::select! {
        () = emptied => {}
        _ = phase.wait_for(|phase| *phase == Phase::Stop) => {}
    }
    hearing.abort();
    sweeping.abort();
    making_room.abort();
    Ok(worker.open.get())
}

async fn accept(worker: &Rc<Worker>, listener: &TcpListener) {
    loop {
        let place = tokio::select! {
            place = Arc::clone(&worker.shared.places).acquire_owned() => place,
            () = worker.drain_begun() => return,
        };
        // The places are never closed.
        let Ok(place) = place else { return };
        // Biased, so that connections which wait are taken before the end of accepting is noticed.
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = worker.drain_begun() => return,
        };
        match accepted {
            Ok((stream, peer)) => begin(worker, stream, peer.ip(), place),
            Err(error) if is_exhaustion(&error) => {
                tracing::warn!(%error, "accepting messages of policy groups pauses");
                worker.pools.shed();
                pause(EXHAUSTED_PAUSE).await;
            }
            // It was about a connection that is gone.
            Err(_) => {}
        }
    }
}

fn begin(worker: &Rc<Worker>, stream: TcpStream, peer: std::net::IpAddr, place: OwnedSemaphorePermit) {
    // A message is one write; where it is more, nobody should wait for the rest.
    let _ = stream.set_nodelay(true);
    let open = Open::begin(worker, place);
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        conversation::serve(&worker, Rc::new(Stream::tcp(stream)), peer).await;
        drop(open);
    });
}

async fn sweep(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        interval.tick().await;
        worker.pools.sweep();
    }
}
