//! The reading side of an attempt: from the first byte of an answer to its last.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use tokio::time::Instant;
use weir_core::dispatch::Action;
use weir_core::health::Round;
use weir_core::retry::{Cause, Progress};
use weir_http::connection::{self, ConnectionOptions};
use weir_http::field::KnownName as K;
use weir_http::framing::{self, Direction, Framing};
use weir_http::head::{Head, HeadError};
use weir_http::method::Method;
use weir_http::upgrade::{self, Upgrade};
use weir_http::version::Version;
use weir_tls::handshake::Fault;
use weir_upstream::body::replay::Replay;
use weir_upstream::body::{Body, H1Body};
use weir_upstream::h1::head::{AnswerError, HeadLimits, read_answer};
use weir_upstream::h1::pump::{BodySink, PumpError, pump};
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::{Wait, now};
use weir_upstream::io::lent::LentHead;
use weir_upstream::io::timed::{Patience, Timed};
use weir_upstream::member::{InFlight, Server};

use super::kept_body;
use crate::exchange::Exchange;
use crate::inbound::responder::{Delivery, Responder};
use crate::stages::failure::Failure;
use crate::stages::{receive, respond};

/// Interim answers before the final one; more are a flood, not hints.
const INTERIM_ANSWERS_MAX: usize = 16;

/// What the reading side found.
pub(super) enum Answer {
    /// The answer was passed on to its end.
    Whole {
        /// How long the server keeps the connection for another request; `None` when it does not.
        idle: Option<Duration>,
    },
    /// The mode threw it away.
    Discarded {
        /// What is next.
        next: Action,
        /// Its status.
        status: u16,
    },
    /// The server has switched to the protocol that was asked for, and the client knows.
    Switched,
}

/// Why there is no whole answer.
pub(super) enum Broken {
    /// The server failed before its answer.
    Server {
        /// How, for the mode.
        cause: Cause,
        /// How, for the client.
        failure: Failure,
    },
    /// The exchange is over.
    Over(Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Over(failure)
    }
}

/// What the two directions of an attempt know of each other.
#[derive(Debug, Default)]
pub(super) struct Directions {
    /// Nothing more of the request is sent, whether or not all of it was.
    pub upload_over: Cell<bool>,
    /// The client has been read, and the server written, to the end of the request.
    pub request_done: Cell<bool>,
    /// The head of the final answer has come.
    pub answered: Cell<bool>,
    /// When the request was sent to its end.
    pub sent: Cell<Option<Instant>>,
}

/// What reading an answer needs to know of the attempt.
pub(super) struct Reading<'a> {
    /// The server's side.
    pub timed: &'a Timed,
    /// What is known of the other direction.
    pub directions: &'a Directions,
    /// When the attempt began.
    pub begun: Instant,
    /// The same, as the breaker of the server counts.
    pub round: Round,
    /// What keeps the body of the request, if it is kept.
    pub kept: Option<&'a Replay>,
}

impl Reading<'_> {
    /// Reads the answer and passes it on, if the mode agrees.
    #[allow(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
    pub(super) fn answer(
        &self,
        x: &mut Exchange,
        buffer: &mut ReadBuffer,
        responder: &mut Responder<'_>,
        decide: &mut impl FnMut(Progress, &Head) -> Action,
    ) -> impl Future<Output = Result<Answer, Broken>> {
        async move {
            let mut head = LentHead::new();
            let status = self.final_head(x, buffer, &mut head, responder).await?;
            let headed = x.look();
            let took = headed - self.begun;
            x.record.upstream = Some(took);
            x.record.served = Some(match self.directions.sent.get() {
                None => Duration::ZERO,
                Some(sent) if sent == self.begun => took,
                Some(sent) => headed - sent,
            });
            if let Some(server) = &x.record.server {
                server.note_answer(&mut head, || took, x.now);
                server.watched.observe(|| took);
                if server.target.is_some() {
                    server.counters.answered();
                }
            }
            if status == 101 {
                return switched(x, self.round, &mut head, responder).await;
            }
            self.directions.answered.set(true);
            x.client.deadlines.clear(Wait::ServerHead);
            let framing = framing::decide(&mut head, Direction::Answer(x.request.method()))
                .map_err(|error| garbage(&error))?;
            let options = receive::connection_options(&mut head)
                .map_err(|_| Failure::ServerGarbage("its Connection field is malformed"))?;
            if let Some(server) = &x.record.server {
                server.judge(self.round, &head);
            }
            // The server has read a request that it answers, whatever we believe to have written.
            let body_whole = kept_body::is_whole(x, self.kept);
            let progress = Progress { bytes_sent: 1, body_whole, answer_begun: false };
            match decide(progress, &head) {
                Action::Answer { .. } => {}
                next @ (Action::Start { .. } | Action::GiveUp(_)) => {
                    self.directions.answered.set(false);
                    return Ok(Answer::Discarded { next, status });
                }
            }
            let reusable = is_persistent(&head, options) && framing != Framing::UntilClose;
            let stated = head.get(K::KeepAlive).and_then(connection::keep_alive_timeout);
            let idle = reusable.then(|| stated.unwrap_or(Duration::MAX));
            let request_done = self.directions.request_done.get();
            respond::begin(x, &mut head, framing, respond::Source::Server, request_done, responder);
            drop(head);
            match framing {
                // What is small has come with its head, and needs nothing that waits for more.
                Framing::Sized(bytes) if bytes <= buffer.unread().len() as u64 => {
                    small_body(bytes as usize, buffer, responder).await.map_err(Failure::from)?;
                }
                Framing::None | Framing::Sized(_) | Framing::Chunked | Framing::UntilClose => {
                    self.body(x, framing, buffer, responder).await?;
                }
            }
            Ok(Answer::Whole { idle })
        }
    }

    /// Reads heads until one is final, or is a 101; passes interim ones on.
    async fn final_head(
        &self,
        x: &Exchange,
        buffer: &mut ReadBuffer,
        head: &mut LentHead,
        responder: &mut Responder<'_>,
    ) -> Result<u16, Broken> {
        for _ in 0..=INTERIM_ANSWERS_MAX {
            read_answer(self.timed, buffer, head, x.snapshot.head_limits())
                .await
                .map_err(|error| broken(x.record.server.as_deref(), &error))?;
            let status = head.status();
            if status >= 200 || status == 101 {
                return Ok(status);
            }
            // An interim answer has no body; fields that claim one are not passed on.
            framing::decide(head, Direction::Answer(x.request.method())).map_err(|error| garbage(&error))?;
            receive::connection_options(head)
                .map_err(|_| Failure::ServerGarbage("its Connection field is malformed"))?;
            respond::clean(head);
            // RFC 9110 §8.6: a client that believed it would wait for a body that never comes.
            head.remove(K::ContentLength);
            responder.interim(head).await.map_err(Failure::from)?;
        }
        Err(Failure::ServerGarbage("too many interim answers").into())
    }

    async fn body(
        &self,
        x: &Exchange,
        framing: Framing,
        buffer: &mut ReadBuffer,
        responder: &mut Responder<'_>,
    ) -> Result<(), Broken> {
        let timed = Timed {
            read: Some(Patience {
                wait: Wait::ServerBody,
                at_most: self.timed.write.map_or(Duration::MAX, |w| w.at_most),
            }),
            ..self.timed.clone()
        };
        let limits = x.snapshot.answer_body_limits();
        let mut body = Body::H1(H1Body::new(timed, std::mem::take(buffer), framing, limits));
        let pumped = pump(&mut body, responder).await;
        if let Body::H1(body) = &mut body {
            *buffer = body.take_buffer();
        }
        match pumped {
            Ok(()) => Ok(()),
            Err(PumpError::Read(error)) => {
                tracing::debug!(%error, "an answer broke off");
                Err(Failure::AnswerBroken.into())
            }
            Err(PumpError::Write(error)) => Err(Failure::from(error).into()),
        }
    }
}

/// The final head of an answer that may not be passed on.
pub(super) struct FinalHead {
    /// How its body ends.
    pub framing: Framing,
    /// How long the server keeps the connection behind it; `None` when it does not.
    pub idle: Option<Duration>,
}

/// Why there is no final head.
pub(super) enum Lost {
    /// The connection ended before the first byte of an answer.
    Closed,
    /// Otherwise.
    Failed {
        /// How, for the mode.
        cause: Cause,
        /// How, for the client.
        failure: Failure,
    },
}

impl From<Broken> for Lost {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Server { cause, failure } => Self::Failed { cause, failure },
            Broken::Over(failure) => Self::Failed { cause: Cause::Garbage, failure },
        }
    }
}

/// Reads heads until one is final; interim ones are forgotten. Fields about this hop are taken away.
pub(super) async fn final_head(
    from: &Timed,
    buffer: &mut ReadBuffer,
    head: &mut LentHead,
    method: Method,
    limits: HeadLimits,
    in_flight: &InFlight,
    begun: Instant,
) -> Result<FinalHead, Lost> {
    let server = in_flight.server();
    for _ in 0..=INTERIM_ANSWERS_MAX {
        match read_answer(from, buffer, head, limits).await {
            Ok(()) => {}
            Err(AnswerError::Closed) => return Err(Lost::Closed),
            Err(error) => return Err(broken(Some(server), &error).into()),
        }
        if head.status() == 101 {
            let cause = Cause::Garbage;
            return Err(Lost::Failed { cause, failure: Failure::ServerSwitched });
        }
        if server.target.is_some() {
            server.counters.answered();
        }
        let framing = framing::decide(head, Direction::Answer(method)).map_err(|error| garbage(&error))?;
        let Ok(options) = receive::connection_options(head) else {
            let failure = Failure::ServerGarbage("its Connection field is malformed");
            return Err(Lost::Failed { cause: Cause::Garbage, failure });
        };
        if head.status() >= 200 {
            let now = now();
            server.note_answer(head, || now.saturating_duration_since(begun), now);
            server.judge(in_flight.round(), head);
            let reusable = is_persistent(head, options) && framing != Framing::UntilClose;
            let stated = head.get(K::KeepAlive).and_then(connection::keep_alive_timeout);
            return Ok(FinalHead { framing, idle: reusable.then(|| stated.unwrap_or(Duration::MAX)) });
        }
    }
    let failure = Failure::ServerGarbage("too many interim answers");
    Err(Lost::Failed { cause: Cause::Garbage, failure })
}

/// Passes a body on that is here already.
async fn small_body(bytes: usize, buffer: &mut ReadBuffer, responder: &mut Responder<'_>) -> io::Result<()> {
    let body = &buffer.unread()[..bytes];
    if !responder.gather(body) {
        responder.data(body).await?;
    }
    buffer.consume(bytes);
    responder.end(None).await
}

/// Passes a 101 on, if it was asked for and says what was asked for.
async fn switched(
    x: &mut Exchange,
    round: Round,
    head: &mut Head,
    responder: &mut Responder<'_>,
) -> Result<Answer, Broken> {
    let protocol: Box<[u8]> = match (&x.facts.upgrade, upgrade::read(head.get_all(K::Upgrade))) {
        (Some(asked), Upgrade::One(protocol)) if protocol.eq_ignore_ascii_case(asked) => protocol.into(),
        _ => return Err(Failure::ServerSwitched.into()),
    };
    framing::decide(head, Direction::Answer(x.request.method())).map_err(|error| garbage(&error))?;
    receive::connection_options(head)
        .map_err(|_| Failure::ServerGarbage("its Connection field is malformed"))?;
    respond::clean(head);
    if let Some(server) = &x.record.server {
        server.judge(round, head);
    }
    head.remove(K::ContentLength);
    head.append(K::Connection, b"Upgrade");
    head.append(K::Upgrade, &protocol);
    respond::route_fields(x, head);
    respond::tell_server(x, head);
    x.record.status = 101;
    x.client.deadlines.clear(Wait::ServerHead);
    x.client.deadlines.clear(Wait::Request);
    responder.head(head, Delivery::UntilClose);
    Ok(Answer::Switched)
}

/// RFC 9112 §9.3: whether the sender of this head keeps the connection.
fn is_persistent(head: &Head, options: ConnectionOptions) -> bool {
    match head.version() {
        Version::Http11 => !options.close,
        Version::Http10 => options.keep_alive && !options.close,
    }
}

fn garbage(error: &framing::FramingError) -> Broken {
    use framing::FramingError as E;
    let what = match error {
        E::LengthAndCoding => "both Content-Length and Transfer-Encoding are given",
        E::SeveralLengths => "Content-Length is given more than once",
        E::Length => "Content-Length is not a number",
        E::Coding => "its transfer coding is unknown",
        E::CodingInHttp10 => "Transfer-Encoding is not part of HTTP/1.0",
    };
    Broken::Server { cause: Cause::Garbage, failure: Failure::ServerGarbage(what) }
}

fn broken(server: Option<&Server>, error: &AnswerError) -> Broken {
    let (cause, failure) = match error {
        AnswerError::Io(error) if let Some(fault) = refused(server, error) => {
            (Cause::Reset, Failure::ServerTls(fault))
        }
        AnswerError::Closed | AnswerError::Truncated | AnswerError::Io(_) => {
            (Cause::Reset, Failure::ServerReset)
        }
        AnswerError::Head(HeadError::TooLong | HeadError::TooManyFields) => {
            (Cause::Garbage, Failure::ServerHeadTooLarge)
        }
        AnswerError::Head(_) => (Cause::Garbage, Failure::ServerGarbage("its head is malformed")),
    };
    Broken::Server { cause, failure }
}

/// Why TLS has ended the connection, if it was TLS. In version 1.3 a server refuses our certificate, or misses it, only
/// when we have begun to speak (RFC 8446 §4.4.2.4); people are told of the first time.
fn refused(server: Option<&Server>, error: &io::Error) -> Option<Fault> {
    let server = server?;
    let error = server.target.as_ref()?.explain_later(error)?;
    if server.counters.refused() {
        let hint = error.hint.as_deref();
        tracing::warn!(server = server.name(), %error, hint, "a server ends connections after the TLS handshake");
    }
    Some(error.fault)
}
