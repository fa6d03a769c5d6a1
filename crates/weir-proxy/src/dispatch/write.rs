//! A write of mode `duplicate`: its place in the queue, its live copies, and what becomes of them when the client is gone.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use smallvec::SmallVec;
use weir_core::dispatch::Happened;
use weir_core::ports::queue::{
    AcceptError, AcceptedWrite, KeptAnswer, LocalFuture, NewWrite, Pieces, QueueEvent, Watch, WriteBody,
};
use weir_core::queue::{Burial, Failure as Miss, Outcome, ServerId, Verdict, WantedTarget};
use weir_core::retry::Cause;
use weir_http::field::KnownName as K;
use weir_http::head::Head;
use weir_upstream::body::Body;
use weir_upstream::body::replay::{Content, Replay, ReplayBody};
use weir_upstream::group::Group;
use weir_upstream::member::Server;
use weir_upstream::upstream::Upstream;

use super::agreement::Agreement;
use super::copy::{Held, Lost};
use super::linger::{self, Sending};
use super::retry_after::retry_after;
use crate::exchange::Exchange;
use crate::runtime::dispatch::Duplicating;
use crate::runtime::worker::Worker;
use crate::stages::failure::Failure;

/// A write that was accepted.
pub(super) struct Write {
    accepted: Box<dyn AcceptedWrite>,
    watch: Option<Box<dyn Watch>>,
    /// The servers of the upstream, in its order, as the queue knows them.
    servers: SmallVec<[ServerId; 4]>,
    /// Answers that the catch-up got, by the places of their servers.
    answers: SmallVec<[(usize, KeptAnswer); 2]>,
    supplied: bool,
    /// Its body, as the queue has it, until it was taken out of the memory that requests share.
    body: Option<Arc<KeptBody>>,
    /// Whether a server gets it from its backlog, so that there is something to hear of it.
    waits: bool,
    /// Whether the queue keeps it for longer than the exchange: because it waits, or as a dead letter.
    stays: bool,
    /// Live copies of which nothing was heard yet.
    unsettled: usize,
}

impl Write {
    /// Gives the request of `x` its place in the order. `body` is `None` as long as it is still arriving.
    ///
    /// # Errors
    /// It was not accepted: nothing of it is sent to anybody.
    pub(super) async fn accept(
        x: &Exchange,
        duplicating: &Duplicating,
        upstream: &Upstream,
        group: &Group,
        host_of_server: bool,
        body: Option<Arc<dyn WriteBody>>,
    ) -> Result<Option<Self>, Failure> {
        let Some(queue) = &duplicating.queue else { return Ok(None) };
        if group.servers.is_empty() {
            // A write that is for nobody would stay in the file of the queue for ever.
            return Err(Failure::NoServer);
        }
        let servers = known_servers(upstream, group)?;
        // `semantics.md` §3.2: one that is unreachable, or that somebody took out, gets it when it is back.
        let wanted = |(place, server): (usize, &ServerId)| WantedTarget {
            server: *server,
            live: group.takes_requests(place),
        };
        let targets = servers.iter().enumerate().map(wanted).collect();
        let write = NewWrite { head: head_bytes(x, host_of_server), targets };
        let supplied = body.is_some();
        let accepted = queue.accept(write, body).await.map_err(|error| {
            tracing::debug!(%error, "a write is not accepted");
            match error {
                AcceptError::Full | AcceptError::Disk(_) | AcceptError::Closed => Failure::WriteNotAccepted,
                AcceptError::Body(_) => Failure::BodyNotKept,
            }
        })?;
        let unsettled = accepted.live().len();
        let waits = unsettled < servers.len();
        Ok(Some(Self {
            accepted,
            watch: None,
            servers,
            answers: SmallVec::new(),
            supplied,
            body: None,
            waits,
            stays: waits,
            unsettled,
        }))
    }

    /// Servers that get no live copy, by their places.
    pub(super) fn gated(&self) -> SmallVec<[usize; 4]> {
        let live = self.accepted.live();
        let places = self.servers.iter().enumerate();
        places.filter(|(_, server)| !live.contains(server)).map(|(place, _)| place).collect()
    }

    /// The body has come whole.
    pub(super) fn supply(&mut self, replay: &Replay) {
        if !self.supplied
            && let Some(content) = replay.content()
        {
            self.supplied = true;
            let body = Arc::new(KeptBody::new(content));
            self.body = Some(Arc::clone(&body));
            self.accepted.supply(body);
        }
    }

    /// A server has answered a live copy.
    pub(super) fn answered(&mut self, server: usize, head: &Head) {
        let outcome = Outcome::Answered { status: head.status(), retry_after: retry_after(head) };
        self.settle(server, outcome);
    }

    /// A live copy has failed.
    pub(super) fn missed(&mut self, server: usize, lost: &Lost) {
        let miss = match lost {
            // The server was not asked: it waits for the write, and is not blamed.
            Lost::NotSent { failure: Failure::Exhausted, .. } | Lost::Request(_) => Miss::Here,
            Lost::NotSent { .. } => Miss::Unreachable,
            Lost::Failed { cause: Cause::Reset, .. } => Miss::Reset,
            Lost::Failed { cause: Cause::Timeout, .. } => Miss::Timeout,
            Lost::Failed { cause: Cause::Garbage, .. } => Miss::Garbage,
        };
        self.settle(server, Outcome::Failed(miss));
    }

    fn settle(&mut self, server: usize, outcome: Outcome) {
        if let Some(server) = self.servers.get(server) {
            self.accepted.settle(*server, outcome);
            self.unsettled = self.unsettled.saturating_sub(1);
            self.waits |= outcome.verdict() == Verdict::Again;
            if outcome.verdict() != Verdict::Delivered {
                self.stays = true;
                self.detach();
            }
        }
    }

    /// Takes the watch over the backlogs out, to wait with it; give it back with [`watch_on`](Self::watch_on). `None` while no
    /// server gets the write from there: mostly none ever does, and a watch is made for each write.
    pub(super) fn take_watch(&mut self) -> Option<Box<dyn Watch>> {
        self.waits.then(|| self.watch.take().unwrap_or_else(|| self.accepted.watch()))
    }

    /// See [`take_watch`](Self::take_watch).
    pub(super) fn watch_on(&mut self, watch: Box<dyn Watch>) {
        self.watch = Some(watch);
    }

    /// What an event of the queue is for the mode.
    pub(super) fn happened(&mut self, event: QueueEvent) -> Option<Happened> {
        let (QueueEvent::Delivered { server: id, .. } | QueueEvent::Buried { server: id, .. }) = &event;
        let server = self.servers.iter().position(|known| known == id)?;
        let (happened, answer) = match event {
            QueueEvent::Delivered { status, answer, .. } => (Happened::Delivered { server, status }, answer),
            QueueEvent::Buried { burial: Burial::Refused { status }, answer, .. } => {
                (Happened::Refused { server, status }, answer)
            }
            QueueEvent::Buried { .. } => (Happened::Dropped { server }, None),
        };
        self.answers.extend(answer.map(|answer| (server, answer)));
        Some(happened)
    }

    /// The exchange is over. What waits longer counts against the queue's own bound, not against the memory of requests.
    pub(super) fn leave(&mut self) {
        if self.stays {
            self.detach();
        }
    }

    fn detach(&mut self) {
        if let Some(body) = self.body.take() {
            body.detach();
        }
    }

    /// The answer that the catch-up got from this server.
    pub(super) fn answer_of(&mut self, server: usize) -> Option<KeptAnswer> {
        let place = self.answers.iter().position(|(known, _)| *known == server)?;
        Some(self.answers.swap_remove(place).1)
    }
}

impl Drop for Write {
    /// The exchange may have been cut: copies that nobody sees through go to the backlogs.
    fn drop(&mut self) {
        if self.stays || self.unsettled > 0 {
            self.detach();
        }
    }
}

/// What is left of a write whose exchange has ended, for the copies that go on.
pub(super) struct Left {
    /// The write, if it has a place in a queue.
    pub(super) write: Option<Write>,
    /// What servers said of it.
    pub(super) agreement: Rc<Agreement>,
}

impl Left {
    fn answered(&mut self, server: usize, held: &mut Held) {
        self.agreement.hear(held.head.status());
        held.agreement = Some(Rc::clone(&self.agreement));
        if let Some(write) = &mut self.write {
            write.answered(server, &held.head);
        }
    }
}

/// The servers as the queue knows them, in their order. It was told of all of them before the group was published; were one left out
/// here, all behind it would be taken for their neighbours, and what one of them has got would be settled for another.
///
/// # Errors
/// It does not know one of them, which is a fault of Weir: the write is not accepted, counted and told.
fn known_servers(upstream: &Upstream, group: &Group) -> Result<SmallVec<[ServerId; 4]>, Failure> {
    let known = group.servers.iter().map(|server| server.gate().map(|gate| gate.server()).ok_or(server));
    let servers: Result<_, _> = known.collect();
    servers.map_err(|server: &Arc<Server>| {
        upstream.verdicts.unplaced.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            upstream = &*upstream.name,
            server = server.name(),
            "the queue does not know a server: a write is refused. This is a fault of Weir worth reporting"
        );
        Failure::WriteUnplaced
    })
}

/// The head of the request of `x`, as every server shall get it, also later.
fn head_bytes(x: &Exchange, host_of_server: bool) -> Bytes {
    let mut head = Head::clone(&x.request);
    if host_of_server {
        // Each gets its own.
        head.remove(K::Host);
    }
    let mut bytes = Vec::new();
    head.write(&mut bytes);
    bytes.into()
}

/// The body of a request that has none.
pub(super) struct NoBody;

impl WriteBody for NoBody {
    fn bytes(&self) -> u64 {
        0
    }

    fn open(&self) -> Box<dyn Pieces> {
        Box::new(Self)
    }
}

impl Pieces for NoBody {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Option<Bytes>>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// The body of a request that outlives its exchange.
pub(super) struct KeptBody(Mutex<Arc<Content>>);

impl KeptBody {
    pub(super) fn new(content: Arc<Content>) -> Self {
        Self(Mutex::new(content))
    }

    fn content(&self) -> Arc<Content> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes it out of the memory that requests share.
    fn detach(&self) {
        let detached = Arc::new(self.content().detached());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = detached;
    }
}

impl WriteBody for KeptBody {
    fn bytes(&self) -> u64 {
        self.content().bytes()
    }

    fn trailers(&self) -> Bytes {
        let content = self.content();
        let Some(trailers) = content.trailers() else { return Bytes::new() };
        let mut lines = Vec::new();
        trailers.write_fields(&mut lines);
        lines.into()
    }

    fn open(&self) -> Box<dyn Pieces> {
        Box::new(KeptPieces(ReplayBody::of(self.content()).into()))
    }
}

struct KeptPieces(Body);

impl Pieces for KeptPieces {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Option<Bytes>>> {
        Box::pin(async {
            self.0.fill().await.map_err(|error| io::Error::other(error.to_string()))?;
            let piece = Bytes::copy_from_slice(self.0.chunk());
            self.0.consume(piece.len());
            Ok((!piece.is_empty()).then_some(piece))
        })
    }
}

/// Sees a copy through without its exchange: what fails goes to the backlogs. The last copy to end lets go of the
/// write, if it has a place in a queue.
pub(super) async fn see_through(
    left: Rc<RefCell<Left>>,
    server: usize,
    sending: Sending,
    worker: Rc<Worker>,
) {
    match sending.await {
        Ok(mut held) => {
            left.borrow_mut().answered(server, &mut held);
            linger::see_out(held, &worker).await;
        }
        Err(lost) => {
            if let Some(write) = &mut left.borrow_mut().write {
                write.missed(server, &lost);
            }
        }
    }
}
