//! One attempt: the request on one connection, and the answer from it.
//!
//! Both directions move at the same time: the answer may come, and be passed on, while the body of the request is still
//! on its way. Dropping the future closes the connection to the server.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::Instant;
use weir_config::model::HostPolicy;
use weir_core::dispatch::Action;
use weir_core::health::{Fault, Round};
use weir_core::retry::{Cause, Progress};
use weir_http::field::KnownName as K;
use weir_http::framing::Framing;
use weir_http::head::Head;
use weir_upstream::body::replay::Replay;
use weir_upstream::h1::pump::{PumpError, pump};
use weir_upstream::h1::sink::{Coding, H1Sink};
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::{Wait, now};
use weir_upstream::io::timed::{Patience, Timed};
use weir_upstream::member::{InFlight, Server};
use weir_upstream::pool::Connection;

use super::answer::{Answer, Broken, Directions, Reading};
use super::kept_body;
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::client::Client;
use crate::inbound::responder::Responder;
use crate::runtime::snapshot::Forward;
use crate::stages::failure::Failure;
use crate::switched::Switched;

/// How an attempt ended.
pub(super) enum Outcome {
    /// Its answer was passed on to the end.
    Answered,
    /// The mode threw its answer away.
    Discarded {
        /// What is next.
        next: Action,
        /// The status of that answer.
        status: u16,
    },
    /// It failed before its answer, by the server's fault; another may be made.
    Failed {
        /// How far it had come.
        progress: Progress,
        /// How it failed, for the mode.
        cause: Cause,
        /// How it failed, for the client.
        failure: Failure,
    },
    /// The exchange is over, by the client's fault or in the middle of the answer.
    Over(Failure),
}

/// The request of an attempt.
pub(super) struct Sent<'r> {
    /// Its body.
    pub request: &'r mut RequestBody,
    /// What keeps it, if it is kept.
    pub kept: Option<&'r Replay>,
}

/// Sends the request of `x` on this connection and passes the answer on, if the mode agrees when `decide` is asked.
#[allow(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
pub(super) fn run(
    x: &mut Exchange,
    forward: &Forward,
    connection: Connection,
    in_flight: InFlight,
    Sent { request, kept }: Sent<'_>,
    responder: &mut Responder<'_>,
    mut decide: impl FnMut(Progress, &Head) -> Action,
) -> impl Future<Output = Outcome> {
    async move {
        let upstream = &forward.upstream;
        connection.server.note_request(x.request.method());
        let timed = server_side(x, forward, &connection);
        let mut sink = H1Sink::new(&timed);
        write_request(x, forward, &connection, &mut sink);
        let body_empty = x.facts.body_is_empty();
        let directions = Directions::default();
        let mut buffer = ReadBuffer::new();
        let begun = x.now;
        let reading =
            Reading { timed: &timed, directions: &directions, begun, round: in_flight.round(), kept };
        let transferred = {
            let client = Rc::clone(&x.client);
            let mut upload = pin!(pump(&mut request.body, &mut sink));
            let mut download = pin!(reading.answer(x, &mut buffer, responder, &mut decide));
            poll_fn(|cx| {
                loop {
                    if !directions.upload_over.get()
                        && let Poll::Ready(outcome) = upload.as_mut().poll(cx)
                    {
                        let sent = if body_empty { begun } else { now() };
                        directions.uploaded(outcome, &client, sent, upstream.waits.answer_head)?;
                    }
                    if let Poll::Ready(answer) = download.as_mut().poll(cx) {
                        return Poll::Ready(answer);
                    }
                    if directions.upload_over.get() && client.stream.poll_reset(cx).is_ready() {
                        return Poll::Ready(Err(Failure::ClientGone.into()));
                    }
                    directions.passed(ready!(client.deadlines.poll_passed(cx)))?;
                }
            })
            .await
        };
        end_waits(x);
        x.record.received_bytes = x.record.received_bytes.max(sink.content_bytes());
        let body_whole = kept_body::is_whole(x, kept);
        let progress = Progress {
            bytes_sent: sink.written_bytes(),
            body_whole,
            answer_begun: directions.answered.get(),
        };
        match transferred {
            Ok(Answer::Whole { idle }) => {
                x.look_after_wait();
                // What came behind the answer was not asked for: nobody may ever read it as an answer.
                let idle = idle.filter(|_| directions.request_done.get() && buffer.is_empty());
                give_back(x, connection, idle.map(|idle| idle.min(upstream.waits.idle)));
                Outcome::Answered
            }
            Ok(Answer::Discarded { next, status }) => Outcome::Discarded { next, status },
            Ok(Answer::Switched) => {
                // Whoever began this exchange goes on from here, when all that chose this server is forgotten.
                x.switched = Some(Box::new(Switched { timed, from_server: buffer, connection, in_flight }));
                Outcome::Answered
            }
            Err(broken) => failed(&connection, in_flight.round(), progress, broken),
        }
    }
}

/// Directions that were left in the middle may have left their deadlines; another attempt begins without them.
fn end_waits(x: &Exchange) {
    for wait in [Wait::ServerHead, Wait::ServerWrite, Wait::ServerBody] {
        x.client.deadlines.clear(wait);
    }
}

/// How an attempt ended that has not come to the end of its answer.
fn failed(connection: &Connection, round: Round, progress: Progress, broken: Broken) -> Outcome {
    match broken {
        Broken::Server { cause, failure } => {
            blame(connection, round, cause);
            Outcome::Failed { progress, cause, failure }
        }
        Broken::Over(failure) => {
            if matches!(failure, Failure::AnswerBroken) {
                connection.server.blame_for_answer(round, Fault::Reset);
            }
            Outcome::Over(failure)
        }
    }
}

/// Holds against a server what went wrong on this connection with a request of this round. That a kept one breaks says nothing:
/// the server may have closed it before it could know of the request.
pub(super) fn blame(connection: &Connection, round: Round, cause: Cause) {
    let fault = match cause {
        Cause::Reset if connection.reused => return,
        Cause::Reset => Fault::Reset,
        Cause::Timeout => Fault::Timeout,
        Cause::Garbage => Fault::Garbage,
    };
    connection.server.blame(round, fault);
}

/// Keeps a connection for so long, or ends it in order.
fn give_back(x: &Exchange, connection: Connection, idle: Option<Duration>) {
    match idle {
        Some(idle) => x.worker.pools.give_back(connection, idle, x.now),
        None => connection.stream.say_goodbye(),
    }
}

/// The server's stream with its deadlines. The head of the answer has a deadline of its own, so reads have none at first.
fn server_side(x: &Exchange, forward: &Forward, connection: &Connection) -> Timed {
    Timed {
        stream: Rc::clone(&connection.stream),
        deadlines: Rc::clone(&x.client.deadlines),
        read: None,
        write: Some(Patience { wait: Wait::ServerWrite, at_most: forward.upstream.waits.answer_body }),
    }
}

/// Writes the head of the request as this server gets it.
fn write_request(x: &mut Exchange, forward: &Forward, connection: &Connection, sink: &mut H1Sink<'_>) {
    let server = &connection.server;
    if names_server(x, forward) {
        // The one of the server before may stand there already.
        x.request.replace(K::Host, server.host.as_bytes());
    }
    write_head(&x.request, x.facts.framing, server, sink);
}

/// Whether servers get their own names as Host: where the route says so, and where a client came without one, because
/// HTTP/1.1 needs one (RFC 9112 §3.2).
pub(super) fn names_server(x: &Exchange, forward: &Forward) -> bool {
    match forward.host.as_deref() {
        Some(HostPolicy::Server) => true,
        None | Some(HostPolicy::Keep) => x.facts.host.is_empty(),
        Some(HostPolicy::Name(_)) => false,
    }
}

/// Writes this head for this server, with what says how its body ends.
pub(super) fn write_head(head: &Head, framing: Framing, server: &Server, sink: &mut H1Sink<'_>) {
    let out = sink.head(if framing == Framing::Chunked { Coding::Chunked } else { Coding::Plain });
    if server.address.base.is_empty() {
        head.write_open(out);
    } else {
        out.extend_from_slice(head.method_token());
        out.push(b' ');
        out.extend_from_slice(server.address.base.as_bytes());
        out.extend_from_slice(head.target());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        head.write_fields(out);
    }
    if framing == Framing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

impl Directions {
    /// What a deadline that has passed means for the attempt.
    ///
    /// # Errors
    /// It is over.
    fn passed(&self, wait: Wait) -> Result<(), Broken> {
        match wait {
            // `semantics.md` §1.7: once the answer has begun, the rest of the request is worth less than the answer.
            Wait::ServerWrite | Wait::ClientBody if self.answered.get() && !self.upload_over.get() => {
                self.upload_over.set(true);
                Ok(())
            }
            Wait::ServerHead | Wait::ServerWrite => {
                Err(Broken::Server { cause: Cause::Timeout, failure: Failure::ServerTimeout })
            }
            Wait::ServerBody => Err(Failure::AnswerBroken.into()),
            Wait::ClientBody => Err(Failure::BodyTimeout.into()),
            Wait::ClientIdle | Wait::ClientHead | Wait::ClientWrite => Err(Failure::ClientGone.into()),
            Wait::Connect | Wait::ConnectTry | Wait::Request | Wait::Turn | Wait::Dispatch => {
                Err(Failure::RequestTimeout.into())
            }
        }
    }

    /// Notes how sending the request ended, and when; the head of the answer may take `answer_head` from then on.
    fn uploaded(
        &self,
        outcome: Result<(), PumpError>,
        client: &Client,
        sent: Instant,
        answer_head: Duration,
    ) -> Result<(), Failure> {
        self.upload_over.set(true);
        self.request_done.set(outcome.is_ok());
        self.sent.set(outcome.is_ok().then_some(sent));
        match outcome {
            // A server that takes no more may have answered; that answer counts (RFC 9112 §9.5).
            Ok(()) | Err(PumpError::Write(_)) => Ok(()),
            Err(PumpError::Read(error)) => Err(Failure::of_body(&error)),
        }?;
        // What made the watch for a reset blind were bytes of the body; they have been read.
        client.stream.watch_again();
        if !self.answered.get() {
            client.deadlines.set_from(Wait::ServerHead, sent, answer_head);
        }
        Ok(())
    }
}
