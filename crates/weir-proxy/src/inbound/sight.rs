//! What of a client's connection is seen from outside: who it is, and what it is doing.
//!
//! Whoever serves the connection writes here, and its worker reads when somebody asks: both are on one thread, so all of it is cells,
//! and a request writes a few words. Names are looked up by whoever asks.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use tokio::time::Instant;
use weir_core::ports::connections::{ConnectionStatus, ExchangeStatus};
use weir_upstream::io::deadline::now;
use weir_upstream::io::stream::Stream;
use weir_upstream::member::Server;
use weir_upstream::upstream::Upstream;

use super::peer::Peer;
use super::threshold::Threshold;
use crate::runtime::snapshot::{Action, LocalSnapshot};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// What comes before the first request: a header of the PROXY protocol, a TLS handshake.
    Opening,
    /// It waits for a request.
    Idle,
    /// A request has begun.
    Reading,
    /// A request is being answered.
    Exchange,
    /// It speaks another protocol.
    Upgraded,
    /// Everything was said.
    Closing,
}

impl Doing {
    fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Idle => "idle",
            Self::Reading => "reading",
            Self::Exchange => "exchange",
            Self::Upgraded => "upgraded",
            Self::Closing => "closing",
        }
    }
}

/// Nothing has this number.
const NONE: u32 = u32::MAX;

/// See the module.
pub(crate) struct Sight {
    /// Where it came in.
    pub(crate) threshold: Rc<Threshold>,
    since: Instant,
    peer: Cell<Peer>,
    /// Once what comes before the first request is over.
    stream: Cell<Option<Rc<Stream>>>,
    /// Under which its request began, where there is one.
    snapshot: Cell<Option<LocalSnapshot>>,
    /// The number of the route of the request; [`NONE`] until it is found.
    route: Cell<u32>,
    /// The slot of the server that was asked last, or [`NONE`].
    server: Cell<u32>,
    requests: Cell<u64>,
    doing: Cell<Doing>,
    /// Whether it is to be closed at once.
    cut: Cell<bool>,
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sight").field("peer", &self.peer).field("doing", &self.doing).finish_non_exhaustive()
    }
}

impl Sight {
    /// One that has just been accepted.
    pub(crate) fn new(peer: Peer, threshold: Rc<Threshold>) -> Rc<Self> {
        Rc::new(Self {
            threshold,
            since: now(),
            peer: Cell::new(peer),
            stream: Cell::new(None),
            snapshot: Cell::new(None),
            route: Cell::new(NONE),
            server: Cell::new(NONE),
            requests: Cell::new(0),
            doing: Cell::new(Doing::Opening),
            cut: Cell::new(false),
        })
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        self.peer.get()
    }

    /// A header of the PROXY protocol says who is.
    pub(crate) fn is_of(&self, peer: Peer) {
        self.peer.set(peer);
    }

    /// This carries its requests.
    pub(crate) fn carried_by(&self, stream: &Rc<Stream>) {
        self.stream.set(Some(Rc::clone(stream)));
    }

    /// What it is doing from now on.
    pub(crate) fn does(&self, doing: Doing) {
        self.doing.set(doing);
    }

    /// The head of one more request has come; how many that makes.
    pub(crate) fn count_request(&self) -> u64 {
        let count = self.requests.get() + 1;
        self.requests.set(count);
        count
    }

    /// A request is being answered from now on.
    pub(crate) fn begin(&self, snapshot: &LocalSnapshot) {
        self.doing.set(Doing::Exchange);
        self.snapshot.set(Some(snapshot.clone()));
        self.route.set(NONE);
        self.server.set(NONE);
    }

    /// What is left of the request goes on under this snapshot, in which its route has this number.
    pub(crate) fn goes_on_under(&self, snapshot: &LocalSnapshot, route: usize) {
        self.snapshot.set(Some(snapshot.clone()));
        self.is_at(route);
    }

    /// It belongs to the route with this number.
    pub(crate) fn is_at(&self, route: usize) {
        self.route.set(u32::try_from(route).unwrap_or(NONE));
    }

    /// This server is asked.
    pub(crate) fn asks(&self, server: &Server) {
        self.server.set(u32::try_from(server.slot()).unwrap_or(NONE));
    }

    /// The request is over.
    pub(crate) fn end(&self) {
        self.snapshot.set(None);
    }

    /// Lets it be closed at once.
    pub(crate) fn cut(&self) {
        self.cut.set(true);
    }

    /// Whether it is to be closed at once.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// All of it, in words. `is_draining` says that all connections of the worker are asked to leave.
    pub(super) fn status(&self, id: String, is_draining: bool, now: Instant) -> ConnectionStatus {
        let stream = look(&self.stream);
        let moved = stream.as_ref().map(|stream| stream.moved()).unwrap_or_default();
        ConnectionStatus {
            id,
            client: self.peer.get().to_string(),
            listener: self.threshold.address().to_owned(),
            protocol: "http",
            age: now.saturating_duration_since(self.since),
            state: self.doing.get().name(),
            draining: is_draining || self.threshold.is_closing(),
            tls: stream.is_some_and(|stream| stream.tls(|_| ()).is_some()),
            requests_total: self.requests.get(),
            bytes_received: moved.read,
            bytes_sent: moved.written,
            exchange: look(&self.snapshot).and_then(|snapshot| self.exchange(&snapshot)),
        }
    }

    fn exchange(&self, snapshot: &LocalSnapshot) -> Option<ExchangeStatus> {
        let route = snapshot.routes.get(self.route.get() as usize)?;
        let service = &snapshot.services[route.service as usize];
        let upstream = match &route.action {
            Action::Forward(forward) => Some(&*forward.upstream),
            _ => None,
        };
        let server = self.server.get();
        let server = upstream.filter(|_| server != NONE).and_then(|upstream| name(upstream, server as usize));
        Some(ExchangeStatus {
            service: Some(service.name.to_string()),
            route: Some(route.name.to_string()),
            upstream: upstream.map(|upstream| upstream.name.to_string()),
            server,
        })
    }
}

/// A look at what stays where it is.
fn look<T: Clone>(cell: &Cell<Option<T>>) -> Option<T> {
    let held = cell.take();
    cell.set(held.clone());
    held
}

/// The name of the server with this slot. One that has left is still among those that leave, as long as it has requests.
fn name(upstream: &Upstream, slot: usize) -> Option<String> {
    let is_it = |server: &Server| server.slot() == slot;
    let group = upstream.group();
    if let Some(server) = group.servers.iter().find(|server| is_it(server)) {
        return Some(server.name().to_owned());
    }
    upstream.look(|roster| {
        let leaving = roster.leaving().iter().map(|member| &member.server);
        leaving.filter(|server| is_it(server)).map(|server| server.name().to_owned()).next()
    })
}
