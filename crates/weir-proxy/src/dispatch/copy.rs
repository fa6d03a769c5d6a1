//! One copy of a request: on its way to one server, up to the head of its final answer.
//!
//! An attempt of `balance` passes its answer on itself. A copy stops at the head and waits, because whose answer the client
//! gets is decided where all copies are known. It owns all it needs, so it can go on when its exchange is over. Interim
//! answers of copies decide nothing and go nowhere (`semantics.md` §1.5): the client would get those of several servers.
//!
//! Dropping a copy closes its connection.

mod lost;

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;
use weir_core::dispatch::Reuse;
use weir_core::health::Fault;
use weir_core::retry::Cause;
use weir_core::trace_context::TraceContext;
use weir_http::field::KnownName as K;
use weir_http::framing::Framing;
use weir_http::head::Head;
use weir_upstream::body::replay::{Replay, ReplayError};
use weir_upstream::body::{Body, H1Body, ReadError};
use weir_upstream::connect::ConnectError;
use weir_upstream::h1::pump::{PumpError, pump};
use weir_upstream::h1::sink::H1Sink;
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::{Deadlines, Wait, now};
use weir_upstream::io::lent::LentHead;
use weir_upstream::io::timed::{Patience, Timed};
use weir_upstream::member::{InFlight, Server};
use weir_upstream::pool::Connection;
use weir_upstream::upstream::Upstream;

use super::agreement::Agreement;
use super::answer::{self, FinalHead};
use super::{attempt, obtain};
use crate::exchange::Exchange;
use crate::runtime::snapshot::{Forward, LocalSnapshot};
use crate::runtime::worker::Worker;
use crate::stages::failure::Failure;
use crate::stages::trace;

pub(super) use self::lost::Lost;

/// What all copies of a request share.
#[derive(Debug)]
pub(super) struct Original {
    /// The worker they run on.
    pub worker: Rc<Worker>,
    snapshot: LocalSnapshot,
    place: usize,
    head: Head,
    framing: Framing,
    /// Whether servers get their own name as Host.
    host_of_server: bool,
    /// Whether a copy may be sent again on another connection when the first one turns out to be dead
    /// (`semantics.md` §2.2).
    repeatable: bool,
    /// The trace that it belongs to; each copy is a part of its own.
    trace: Option<TraceContext>,
    /// So few servers are left that nobody is kept from trying one.
    ignores_health: bool,
    body: Option<Rc<Replay>>,
    /// Since when copies have tried to connect and none could: all of them share the time for it (`semantics.md` §2.1).
    connecting: Cell<Option<Instant>>,
}

impl Original {
    /// The request of `x`, whose body is in this replay, if it has one. `place` is that of its route.
    pub(super) fn new(
        x: &Exchange,
        place: usize,
        host_of_server: bool,
        repeatable: bool,
        ignores_health: bool,
        body: Option<Rc<Replay>>,
    ) -> Self {
        Self {
            worker: Rc::clone(&x.worker),
            snapshot: x.snapshot.clone(),
            place,
            head: x.request.clone(),
            trace: trace::of_copy(x),
            framing: x.facts.framing,
            host_of_server,
            repeatable,
            ignores_health,
            body,
            connecting: Cell::new(None),
        }
    }

    fn forward(&self) -> Option<&Forward> {
        self.snapshot.forward(self.place)
    }

    /// The body from its first byte.
    fn body(&self) -> Body {
        self.body.as_ref().map_or(Body::Empty, |replay| replay.reader().into())
    }
}

/// How far a copy has come, for whoever holds it.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// All of the request was sent.
    pub written: Cell<bool>,
    /// When that was.
    pub written_at: Cell<Option<Instant>>,
    /// How long connections were opened for it.
    connecting: Cell<Duration>,
    /// Times that it was begun to be sent, without those of which nothing left.
    pub sent: Cell<u32>,
    /// Sending has failed, and not a byte had left.
    unsent: Cell<bool>,
    /// Its answer is not wanted any more: it is not sent again.
    pub cancelled: Cell<bool>,
    /// Its deadlines, for whoever moves it to another task.
    pub deadlines: Rc<Deadlines>,
}

impl Stage {
    /// How long ago all of the request was sent; zero before that.
    fn served(&self) -> Duration {
        self.written_at.get().map_or(Duration::ZERO, |sent| now() - sent)
    }
}

/// The rest of a request that is still being sent although its answer has begun.
pub(super) type Upload = Pin<Box<dyn Future<Output = Result<(), PumpError>>>>;

/// A copy whose final head has come.
pub(super) struct Held {
    /// The head, without what Connection names.
    pub head: LentHead,
    /// From the last byte of the request sent to the head.
    pub served: Duration,
    /// How long its connection was opened.
    pub connecting: Duration,
    /// How its body ends.
    pub framing: Framing,
    /// The body, unread.
    pub body: Body,
    /// The rest of the request, if it was not sent to its end.
    pub upload: Option<Upload>,
    /// The deadlines of the server's side.
    pub deadlines: Rc<Deadlines>,
    /// What servers say of the write that it is, for whoever reads the body; `None` when nobody wants to know.
    pub agreement: Option<Rc<Agreement>>,
    /// The connection, unless it has been given back already.
    connection: Option<Connection>,
    /// Whether the request was sent to its end.
    request_done: bool,
    /// How long the server keeps the connection; `None` when it does not.
    idle: Option<Duration>,
    idle_max: Duration,
    in_flight: InFlight,
}

/// Sends a copy to this server.
pub(super) async fn send(
    original: Rc<Original>,
    server: Arc<Server>,
    reuse: Reuse,
    stage: Rc<Stage>,
) -> Result<Held, Lost> {
    let Some(upstream) = original.forward().map(|forward| Arc::clone(&forward.upstream)) else {
        return Err(Lost::Request(Failure::NoRoute));
    };
    let deadlines = Rc::clone(&stage.deadlines);
    let copy = Copy { original, server, upstream, deadlines, stage };
    if !copy.server.has_room(copy.original.ignores_health) {
        return Err(Lost::full());
    }
    if let Some(connection) = copy.kept(reuse) {
        match copy.over(connection).await {
            // It died while it was idle, and the request may be sent twice.
            Err(Broken::Closed) if copy.original.repeatable && !copy.stage.cancelled.get() => {}
            // The same, and the request was not sent at all (`semantics.md` §2.2 a).
            Err(_) if copy.stage.unsent.take() && !copy.stage.cancelled.get() => {
                copy.stage.sent.set(copy.stage.sent.get() - 1);
            }
            outcome => return outcome.map_err(Broken::lost),
        }
    }
    let connection = copy.fresh().await?;
    copy.over(connection).await.map_err(Broken::lost)
}

struct Copy {
    original: Rc<Original>,
    server: Arc<Server>,
    upstream: Arc<Upstream>,
    deadlines: Rc<Deadlines>,
    stage: Rc<Stage>,
}

/// How a copy broke on one connection.
enum Broken {
    /// The connection ended before the first byte of an answer.
    Closed,
    Otherwise(Lost),
}

impl Broken {
    fn lost(self) -> Lost {
        match self {
            Self::Closed => Lost::Failed { cause: Cause::Reset, failure: Failure::ServerReset },
            Self::Otherwise(lost) => lost,
        }
    }

    fn failed(cause: Cause, failure: Failure) -> Self {
        Self::Otherwise(Lost::Failed { cause, failure })
    }
}

impl Copy {
    fn kept(&self, reuse: Reuse) -> Option<Connection> {
        let idle_max = match reuse {
            Reuse::Any => None,
            Reuse::Recent => Some(self.upstream.waits.reuse_unsafe),
            Reuse::Never => return None,
        };
        self.original.worker.pools.take(&self.server, idle_max, now())
    }

    async fn fresh(&self) -> Result<Connection, Lost> {
        let begun = now();
        let since = self.original.connecting.get().unwrap_or(begun);
        self.original.connecting.set(Some(since));
        self.deadlines.set_from(Wait::Connect, since, self.upstream.waits.connect);
        let (has_place, begun) = (Cell::new(false), now());
        let worker = &self.original.worker;
        let (server, round) = (&self.server, self.server.round());
        let connecting = pin!(obtain::connect(worker, server, &self.deadlines, &has_place));
        let outcome = self.deadlines.guard(connecting).await;
        self.deadlines.clear(Wait::Connect);
        self.stage.connecting.set(self.stage.connecting.get() + (now() - begun));
        let lost = |timed_out, failure| Err(Lost::NotSent { timed_out, failure });
        match outcome {
            Ok(Ok(stream)) => {
                self.original.connecting.set(None);
                obtain::note_connected(server);
                let tally = self.original.snapshot.tally(self.original.place);
                tally.note_connect(now().saturating_duration_since(begun));
                Ok(Connection { stream: Rc::new(stream), server: Arc::clone(server), reused: false })
            }
            Ok(Err(ConnectError::Network(error))) => {
                let failure = obtain::note_refusal(&self.original.worker, server, round, &error);
                lost(false, failure)
            }
            Ok(Err(ConnectError::Handshake(error))) => {
                obtain::note_handshake(server, round, &error);
                lost(false, Failure::ServerTls(error.fault))
            }
            Err(_) if !has_place.get() => Err(Lost::full()),
            Err(_) => {
                obtain::note_failure(server, round, &"it did not answer in time");
                lost(true, Failure::Unreachable { timed_out: true })
            }
        }
    }

    async fn over(&self, connection: Connection) -> Result<Held, Broken> {
        let (original, waits) = (&self.original, &self.upstream.waits);
        let Some(in_flight) = InFlight::enter(&self.server, original.ignores_health) else {
            original.worker.pools.give_back(connection, waits.idle, now());
            return Err(Broken::Otherwise(Lost::full()));
        };
        let begun = now();
        self.server.note_request(original.head.method());
        let timed = Timed {
            stream: Rc::clone(&connection.stream),
            deadlines: Rc::clone(&self.deadlines),
            read: None,
            write: Some(Patience { wait: Wait::ServerWrite, at_most: waits.answer_body }),
        };
        let mut sending = self.begin_sending(&timed);
        let mut buffer = ReadBuffer::new();
        let mut head = LentHead::new();
        let (method, limits) = (original.head.method(), original.snapshot.head_limits());
        let found = {
            let mut reading =
                pin!(answer::final_head(&timed, &mut buffer, &mut head, method, limits, &in_flight, begun));
            poll_fn(|cx| {
                if let Poll::Ready(Err(broken)) = self.poll_sending(cx, &mut sending) {
                    return Poll::Ready(Err(broken));
                }
                if let Poll::Ready(found) = reading.as_mut().poll(cx) {
                    return Poll::Ready(found.map_err(|lost| match lost {
                        answer::Lost::Closed => {
                            attempt::blame(&connection, in_flight.round(), Cause::Reset);
                            Broken::Closed
                        }
                        answer::Lost::Failed { cause, failure } => {
                            attempt::blame(&connection, in_flight.round(), cause);
                            Broken::failed(cause, failure)
                        }
                    }));
                }
                self.deadlines.poll_passed(cx).map(|_| {
                    attempt::blame(&connection, in_flight.round(), Cause::Timeout);
                    Err(Broken::failed(Cause::Timeout, Failure::ServerTimeout))
                })
            })
            .await
        };
        for wait in [Wait::ServerHead, Wait::ServerWrite] {
            self.deadlines.clear(wait);
        }
        if found.is_err() {
            self.server.note_failure(begun);
        }
        let FinalHead { framing, idle } = found?;
        let read = Some(Patience { wait: Wait::ServerBody, at_most: waits.answer_body });
        let body =
            H1Body::new(Timed { read, ..timed }, buffer, framing, original.snapshot.answer_body_limits());
        Ok(Held {
            head,
            served: self.stage.served(),
            connecting: self.stage.connecting.get(),
            framing,
            body: Body::H1(body),
            request_done: self.stage.written.get(),
            upload: sending,
            deadlines: Rc::clone(&self.deadlines),
            agreement: None,
            connection: Some(connection),
            idle,
            idle_max: waits.idle,
            in_flight,
        })
    }

    fn begin_sending(&self, timed: &Timed) -> Option<Upload> {
        let original = Rc::clone(&self.original);
        self.stage.written.set(false);
        self.stage.written_at.set(None);
        self.stage.sent.set(self.stage.sent.get() + 1);
        let mut body = original.body();
        let (timed, server, stage) = (timed.clone(), Arc::clone(&self.server), Rc::clone(&self.stage));
        Some(Box::pin(async move {
            let mut sink = H1Sink::new(&timed);
            if original.host_of_server || original.trace.is_some() {
                let mut head = original.head.clone();
                if original.host_of_server {
                    head.replace(K::Host, server.host.as_bytes());
                }
                if let Some(context) = original.trace {
                    trace::mark_copy(&mut head, context);
                }
                attempt::write_head(&head, original.framing, &server, &mut sink);
            } else {
                attempt::write_head(&original.head, original.framing, &server, &mut sink);
            }
            let outcome = pump(&mut body, &mut sink).await;
            stage.unsent.set(matches!(outcome, Err(PumpError::Write(_))) && sink.written_bytes() == 0);
            outcome
        }))
    }

    /// Sends on. Ready with an error when no answer can be hoped for.
    fn poll_sending(&self, cx: &mut Context<'_>, sending: &mut Option<Upload>) -> Poll<Result<(), Broken>> {
        let Some(upload) = sending else { return Poll::Pending };
        let Poll::Ready(outcome) = upload.as_mut().poll(cx) else { return Poll::Pending };
        *sending = None;
        let over = now();
        match outcome {
            Ok(()) => {
                self.stage.written.set(true);
                self.stage.written_at.set(Some(over));
            }
            // A server that takes no more may have answered; that answer counts (RFC 9112 §9.5).
            Err(PumpError::Write(_)) => {}
            // This copy came too late; the one before it goes on.
            Err(PumpError::Read(ReadError::Replay(ReplayError::Forgotten))) => {
                return Poll::Ready(Err(Broken::failed(Cause::Reset, Failure::BodyNotKept)));
            }
            Err(PumpError::Read(error)) => {
                return Poll::Ready(Err(Broken::Otherwise(Lost::Request(Failure::of_body(&error)))));
            }
        }
        self.deadlines.clear(Wait::ServerWrite);
        self.deadlines.set_from(Wait::ServerHead, over, self.upstream.waits.answer_head);
        Poll::Ready(Ok(()))
    }
}

impl Held {
    /// Holds against the server that its answer broke. One that is read from elsewhere has come whole.
    pub(super) fn blame(&self) {
        if let Some(connection) = &self.connection {
            connection.server.blame_for_answer(self.in_flight.round(), Fault::Reset);
        }
    }

    /// Whether the request was sent to its end.
    pub(super) fn is_sent(&self) -> bool {
        self.request_done && self.upload.is_none()
    }

    /// Sends the rest of the request on.
    pub(super) fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let Some(upload) = &mut self.upload
            && let Poll::Ready(outcome) = upload.as_mut().poll(cx)
        {
            self.uploaded(outcome.is_ok());
        }
    }

    /// Waits until the answer, which is held back meanwhile, turns out to be broken. Sends the rest of the request on.
    pub(super) fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_upload(cx);
        if let Poll::Ready(error) = self.body.poll_broken(cx) {
            tracing::debug!(%error, "an answer that was held back has broken");
            return Poll::Ready(());
        }
        loop {
            match ready!(self.deadlines.poll_passed(cx)) {
                // It takes no more of the request; the answer is there all the same.
                Wait::ServerWrite => self.uploaded(false),
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Notes that the rest of the request was sent, or will not be.
    pub(super) fn uploaded(&mut self, done: bool) {
        self.upload = None;
        self.request_done = done;
    }

    /// Ends the connection in order, or keeps it if the answer was read to its end and nothing is wrong with it.
    pub(super) fn finish(mut self, worker: &Worker) {
        if let Body::H1(body) = std::mem::take(&mut self.body) {
            self.release(worker, body);
        }
    }

    /// The same for an answer whose body is read from elsewhere now.
    pub(super) fn release(&mut self, worker: &Worker, mut body: H1Body) {
        let Some(connection) = self.connection.take() else { return };
        // What came behind the answer was not asked for: nobody may ever read it as an answer.
        let whole = self.is_sent() && body.is_end() && body.take_buffer().is_empty();
        match self.idle.filter(|_| whole) {
            Some(idle) => worker.pools.give_back(connection, idle.min(self.idle_max), now()),
            None => connection.stream.say_goodbye(),
        }
    }
}
