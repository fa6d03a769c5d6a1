//! One request and its answer, while they pass through the stages.

use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;
use weir_auth::rule::PROOFS_MAX;
use weir_core::dispatch::Mode;
use weir_core::limit::{Charges, Standing};
use weir_core::trace_context::TraceContext;
use weir_http::field::KnownName as K;
use weir_http::framing::Framing;
use weir_http::version::Version;
use weir_upstream::body::Body;
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::now;
use weir_upstream::io::lent::LentHead;
use weir_upstream::member::Server;

use crate::access_log::{Copies, Traced};
use crate::inbound::client::Client;
use crate::runtime::concurrency::Places;
use crate::runtime::snapshot::{Action, LocalSnapshot, Route, Service};
use crate::runtime::worker::Worker;
use crate::switched::Switched;
use crate::tries::{Tried, TryOutcome};

/// The text of a host; longer ones than usual are allocated.
pub(crate) type HostText = SmallVec<[u8; 64]>;

/// The names that a client has proved to have.
pub(crate) type IdentityText = SmallVec<[u8; 32]>;

/// What was found out about a request when it was received; everything later relies on it.
#[derive(Debug)]
pub(crate) struct Facts {
    /// How its body ends.
    pub framing: Framing,
    /// The client's version.
    pub version: Version,
    /// Whether the client would send another request on this connection.
    pub keep_alive: bool,
    /// Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// The one protocol that the client asks to switch to, as it wrote it, if nothing stands against it. What the route
    /// does not allow is forgotten before the request is sent.
    pub upgrade: Option<Box<[u8]>>,
    /// The host for routing: lower case, without port and trailing dot; empty without one.
    pub host: HostText,
    /// The client's address (`semantics.md` §1.8).
    pub client: IpAddr,
    /// The path within the request target.
    pub path: Range<usize>,
    /// Whether there is a query behind the path.
    pub query: bool,
    /// Whether the client came over https to a route that asks for it.
    pub secured: bool,
    /// What is answered without a route: `OPTIONS *` asks the proxy itself.
    pub server_wide: bool,
}

impl Facts {
    /// Whether there is nothing that would have to be sent again with a repeat: no body, or one of no bytes.
    pub(crate) fn body_is_empty(&self) -> bool {
        matches!(self.framing, Framing::None | Framing::Sized(0))
    }

    /// What is assumed until it is found out: nothing that would keep the connection open.
    fn unknown(version: Version, client: IpAddr) -> Self {
        Self {
            framing: Framing::None,
            version,
            keep_alive: false,
            expects_continue: false,
            upgrade: None,
            host: SmallVec::new(),
            client,
            path: 0..0,
            query: false,
            secured: false,
            server_wide: false,
        }
    }
}

/// What is told of a request when it is over.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The status the client got; 0 when it got none.
    pub status: u16,
    /// The dispatch mode; `None` when the request went to no server.
    pub mode: Option<Mode>,
    /// The server whose answer it was, or that was tried last.
    pub server: Option<Arc<Server>>,
    /// Attempts of which a byte may have been sent.
    pub attempts: u32,
    /// What became of its copies; `None` where the mode makes none.
    pub copies: Option<Copies>,
    /// What was tried, where that is more than one server that has answered.
    pub tries: Vec<Tried>,
    /// A repeat was wanted and safe, and the budget could not pay it.
    pub unpaid: bool,
    /// From the first attempt to the head of the answer.
    pub upstream: Option<Duration>,
    /// From the last byte of the request sent to the head of the answer, which may have come before; `None` while no server
    /// has answered.
    pub served: Option<Duration>,
    /// Bytes of the request's body.
    pub received_bytes: u64,
    /// Bytes of the answer's body.
    pub sent_bytes: u64,
    /// Why Weir answered itself, or cut the answer.
    pub reason: Option<&'static str>,
    /// How long it waited for its turn, at its route and at its upstream.
    pub queued: Duration,
    /// How long connections for it were opened.
    pub connecting: Duration,
}

/// One request and its answer. It counts as in progress for as long as this lives, because it may end anywhere: a
/// connection that is cut drops it.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The worker it runs on.
    pub worker: Rc<Worker>,
    /// The configuration it began under; a reload does not touch it.
    pub snapshot: LocalSnapshot,
    /// The client's connection.
    pub client: Rc<Client>,
    /// The request's head, as it was received at first and as servers get it after `receive`.
    pub request: LentHead,
    /// What `receive` found out.
    pub facts: Facts,
    /// The service and route that `identify` found.
    pub found: Option<usize>,
    /// Who the client proved to be: the name of its key, its user name or the subject of its token, several of them with
    /// pluses between; empty when nothing was asked for.
    pub identity: IdentityText,
    /// By which proofs.
    pub proved: Proved,
    /// How the client stands with the rate that is nearest to refusing it, where there are rates.
    pub standing: Option<Standing>,
    /// What it was charged, as long as it may be given back.
    pub charges: Charges,
    /// Its places among the requests in progress, where there are so many and no more; left when it ends.
    pub places: Option<Places>,
    /// Its place among the requests at its upstream, where there are so many and no more; left when it ends.
    pub upstream_place: Option<Places>,
    /// The server that its client was with before, where clients stay with their servers.
    pub pinned: Option<Arc<Server>>,
    /// When its head was whole.
    pub begun: Instant,
    /// The last look at the clock, which is dear: once when the exchange begins, once at the answer's head, once at its
    /// end if that has been waited for, and after anything that took long.
    pub now: Instant,
    /// What `Worker::wakes` stood at then.
    looked_at_wake: u64,
    /// What the access log needs of the request as it came.
    pub origin: Origin,
    /// What will be told of it.
    pub record: Record,
    /// Whether the connection ends after this exchange; the answer's head says so.
    pub close: bool,
    /// The connection to the server, where both sides speak another protocol from now on.
    pub switched: Option<Box<Switched>>,
}

/// The request as the client wrote it, for log lines and redirects, before `receive` changes it.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// The request target; empty unless an access log wants it.
    pub target: Vec<u8>,
    /// The Host, or the authority of the target.
    pub authority: HostText,
    /// The request id.
    pub request_id: SmallVec<[u8; 64]>,
    /// The part of a trace that it is. On the heap, because most are of none.
    pub trace: Option<Box<(TraceContext, Traced)>>,
}

/// The body of a request and what came behind it on the connection.
#[derive(Debug, Default)]
pub(crate) struct RequestBody {
    /// The body.
    pub body: Body,
    /// Bytes behind the head when there is no body; with a body they are in its buffer.
    pub rest: ReadBuffer,
}

/// By which of the proofs of its route a client has proved who it is.
#[derive(Debug, Default)]
pub(crate) struct Proved(SmallVec<[u8; PROOFS_MAX]>);

impl Proved {
    /// Notes the proof of this index, and whether it has given a name: a token may have none.
    pub(crate) fn note(&mut self, index: usize, is_named: bool) {
        // There are few proofs, so the index and the bit for the name are a byte.
        let index = u8::try_from(index).unwrap_or(u8::MAX >> 1);
        self.0.push(index << 1 | u8::from(is_named));
    }

    /// The same bytes for the same proofs, and other ones for others.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What becomes of a connection after an exchange.
#[derive(Debug)]
pub(crate) enum Next {
    /// Another request may follow; bytes of it may be in the buffer already.
    KeepAlive,
    /// Everything was said: close.
    Close,
    /// The client may still be sending: half-close, read and discard for a while, then close. These bytes are here already;
    /// boxed, because this is rare and moved often.
    Linger(Box<ReadBuffer>),
    /// Nothing was begun: the client has ended the connection where a request could begin, or was silent for too long.
    End,
    /// Close at once; the answer was cut, or the client is gone.
    Cut,
}

impl Drop for Exchange {
    /// However it ends, also by a connection that is cut, it is not in progress any more.
    fn drop(&mut self) {
        self.worker.counters.in_flight.subtract(1);
        self.client.sight.end();
        self.leave_places();
        self.leave_upstream();
    }
}

impl Exchange {
    /// An exchange of which nothing but the head is known. `last` says that the connection ends after it.
    pub(crate) fn new(
        worker: &Rc<Worker>,
        client: &Rc<Client>,
        snapshot: LocalSnapshot,
        request: LentHead,
        last: bool,
    ) -> Self {
        let begun = now();
        worker.counters.in_flight.add(1);
        client.sight.begin(&snapshot);
        Self {
            worker: Rc::clone(worker),
            client: Rc::clone(client),
            snapshot,
            facts: Facts::unknown(request.version(), client.peer().ip()),
            request,
            found: None,
            identity: SmallVec::new(),
            proved: Proved::default(),
            standing: None,
            charges: Charges::new(),
            places: None,
            upstream_place: None,
            pinned: None,
            begun,
            now: begun,
            looked_at_wake: worker.wakes.get(),
            origin: Origin::default(),
            record: Record::default(),
            close: last || worker.is_draining() || client.sight.threshold.is_closing(),
            switched: None,
        }
    }

    /// Lets go of the configuration but for its route: what is left of the exchange may last for days.
    pub(crate) fn keep_route_alone(&mut self) {
        let Some(remnant) = self.found.and_then(|place| self.snapshot.remnant(place)) else { return };
        self.snapshot = remnant;
        self.found = Some(0);
        self.client.sight.goes_on_under(&self.snapshot, 0);
    }

    /// Looks at the clock.
    pub(crate) fn look(&mut self) -> Instant {
        self.now = now();
        self.looked_at_wake = self.worker.wakes.get();
        self.now
    }

    /// Looks at the clock unless nothing has been waited for since the last look.
    pub(crate) fn look_after_wait(&mut self) -> Instant {
        if self.looked_at_wake == self.worker.wakes.get() { self.now } else { self.look() }
    }

    /// The service, once it is identified.
    pub(crate) fn service(&self) -> Option<&Service> {
        self.route().map(|route| &self.snapshot.services[route.service as usize])
    }

    /// The route, once it is identified.
    pub(crate) fn route(&self) -> Option<&Route> {
        self.found.map(|route| &self.snapshot.routes[route])
    }

    /// The scheme of the URLs that the client knows. What `receive` has left in X-Forwarded-Proto is ours, or that of a proxy
    /// which is trusted to say it (`semantics.md` §1.8); of several nobody knows which one is meant, and what is not surely
    /// encrypted counts as in the clear.
    pub(crate) fn scheme(&self) -> &'static str {
        let mut said = self.request.get_all(K::XForwardedProto);
        let encrypted =
            |scheme: &[u8]| [&b"https"[..], b"wss"].iter().any(|one| scheme.eq_ignore_ascii_case(one));
        match (said.next(), said.next()) {
            (Some(scheme), None) if encrypted(scheme) => "https",
            _ => "http",
        }
    }

    /// Notes what came, until the last look at the clock, of asking a server that was picked at this moment.
    pub(crate) fn note_try(&mut self, server: &Arc<Server>, since: Instant, outcome: TryOutcome) {
        self.record.tries.push(Tried { server: Arc::clone(server), outcome, time: self.now - since });
    }

    /// Gives its places to others.
    pub(crate) fn leave_places(&mut self) {
        let Some(places) = self.places.take() else { return };
        if let Some(limits) = self.route().and_then(Route::concurrency) {
            limits.leave(places);
        }
    }

    /// Gives its place at its upstream to another request.
    pub(crate) fn leave_upstream(&mut self) {
        let Some(place) = self.upstream_place.take() else { return };
        if let Some(Route { action: Action::Forward(forward), .. }) = self.route()
            && let Some(room) = &forward.room
        {
            room.leave(place, &self.worker.groups.of(&forward.upstream));
        }
    }

    /// The normalised path.
    pub(crate) fn path(&self) -> &[u8] {
        &self.request.target()[self.facts.path.clone()]
    }

    /// The query without its question mark.
    pub(crate) fn query(&self) -> Option<&[u8]> {
        self.facts.query.then(|| &self.request.target()[self.facts.path.end + 1..])
    }
}
