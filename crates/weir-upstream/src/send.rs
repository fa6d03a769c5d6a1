//! Requests without a client: one request to one server, and the whole answer.
//!
//! What the process asks for itself (keys of an issuer, say) is small, has no client that could wait for the first byte
//! or go away, and is asked on the control thread as well as on a worker. So this knows no exchange and passes nothing
//! on: the answer is read into memory up to a limit. It does not choose a server, follow redirects, or try another time,
//! except once where a kept connection turned out to be dead and the request may be sent twice.

mod content;

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
pub use content::Keep;
use tokio::time::Instant;
use weir_core::ports::queue::WriteBody;
use weir_core::retry::is_safe;
use weir_http::connection::{self, ConnectionError};
use weir_http::field::KnownName as K;
use weir_http::framing::{self, Direction, Framing, FramingError};
use weir_http::head::Head;
use weir_http::version::Version;

use self::content::Content;
use crate::body::{Body, BodyLimits, Charge, H1Body, ReadError};
use crate::connect::{ConnectError, connect};
use crate::h1::head::{AnswerError, HeadLimits, read_answer};
use crate::h1::pump::{BodySink, PumpError, pump};
use crate::h1::sink::{Coding, H1Sink};
use crate::io::buffer::ReadBuffer;
use crate::io::deadline::{Deadlines, Wait, now};
use crate::io::stream::Stream;
use crate::io::timed::Timed;
use crate::member::{InFlight, Server};
use crate::pool::{Connection, Pools};

/// Interim answers before the final one; more are a flood, not hints.
const INTERIM_ANSWERS_MAX: usize = 16;

/// What one request may cost.
#[derive(Debug, Clone, Copy)]
pub struct SendLimits<'r> {
    /// Time to open a connection, its TLS handshake included.
    pub connect: Duration,
    /// Time for all of it, from the call to the last byte of the answer.
    pub whole: Duration,
    /// Heads of answers.
    pub head: HeadLimits,
    /// Bytes of the answer's content.
    pub body_bytes_max: usize,
    /// What more of them mean.
    pub beyond: Beyond,
    /// What is kept of them.
    pub keep: Keep<'r>,
    /// How long the connection may be kept for another request, where there is a pool.
    pub idle: Duration,
    /// For how long a connection may have been idle to carry a request that must not be sent twice (`semantics.md` §2.2).
    pub reuse_unsafe: Duration,
}

/// What an answer larger than its limit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// An error.
    Refused,
    /// What is beyond is not read, and [`Answer::cut`] says so.
    Cut,
}

/// The body of a request without a client.
#[derive(Clone)]
pub enum SendBody {
    /// Bytes in memory; may be empty.
    Memory(Bytes),
    /// One that is kept somewhere and read piece by piece.
    Kept(Arc<dyn WriteBody>),
}

impl SendBody {
    fn bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Kept(body) => body.bytes(),
        }
    }

    /// Field lines that go behind it, in chunks then.
    fn trailers(&self) -> Bytes {
        match self {
            Self::Memory(_) => Bytes::new(),
            Self::Kept(body) => body.trailers(),
        }
    }

    async fn send(&self, sink: &mut H1Sink<'_>) -> Result<(), PumpError> {
        match self {
            Self::Memory(bytes) => pump(&mut Body::Memory(bytes.clone()), sink).await,
            Self::Kept(body) => {
                let mut pieces = body.open();
                while let Some(piece) = pieces.next().await.map_err(|error| PumpError::Read(error.into()))? {
                    sink.data(&piece).await.map_err(PumpError::Write)?;
                }
                let lines = body.trailers();
                let mut trailers = Head::default();
                let section = [&lines[..], b"\r\n"].concat();
                let is_good = lines.is_empty() || trailers.parse_trailers(&section, usize::MAX).is_ok();
                debug_assert!(is_good, "kept trailers were trailers once");
                let trailers = (!lines.is_empty() && is_good).then_some(&trailers);
                sink.end(trailers).await.map_err(PumpError::Write)
            }
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its head, as the server sent it.
    pub head: Head,
    /// Its content.
    pub body: Vec<u8>,
    /// What the content is charged; with [`Keep::Within`].
    pub charge: Option<Charge>,
    /// There was more of it; only with [`Beyond::Cut`].
    pub cut: bool,
    /// From the last byte of the request sent to the head of the answer; none for one that came before.
    pub head_after: Duration,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub enum SendError {
    /// The server can't be connected to, or refuses us as soon as it was.
    Connect(ConnectError),
    /// No connection was there within [`SendLimits::connect`].
    ConnectTimeout,
    /// As many connections to the server are open as there may be, and none became free within [`SendLimits::connect`].
    Full,
    /// No whole answer was there within [`SendLimits::whole`].
    Timeout,
    /// There is no head of an answer.
    Head(AnswerError),
    /// It can't be told where the answer ends.
    Framing(FramingError),
    /// The answer's Connection field is malformed.
    Connection(ConnectionError),
    /// The answer's body can't be read, or is larger than [`SendLimits::body_bytes_max`].
    Body(ReadError),
    /// More interim answers came than anybody needs.
    InterimFlood,
    /// The server switched to a protocol that nobody asked for.
    Switched,
    /// The body of the request can't be read; the server is not to blame.
    Request(ReadError),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "the server can't be connected to: {error}"),
            Self::ConnectTimeout => {
                f.write_str("the server can't be connected to: it did not answer in time")
            }
            Self::Full => f.write_str("as many connections to the server are open as there may be"),
            Self::Timeout => f.write_str("the server did not answer in time"),
            Self::Head(error) => write!(f, "the server gave no answer: {error}"),
            Self::Framing(error) => write!(f, "the server's answer can't be understood: {error}"),
            Self::Connection(error) => write!(f, "the server's answer can't be understood: {error}"),
            Self::Body(ReadError::TooLarge) => f.write_str("the server's answer is larger than the limit"),
            Self::Body(error) => write!(f, "the server's answer broke off: {error}"),
            Self::InterimFlood => {
                write!(f, "the server sent more than {INTERIM_ANSWERS_MAX} interim answers")
            }
            Self::Switched => f.write_str("the server switched to a protocol that was not asked for"),
            Self::Request(error) => write!(f, "the body of the request can't be read: {error}"),
        }
    }
}

impl SendError {
    /// What to do about it, where there is something.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Connect(ConnectError::Handshake(error)) => error.hint.as_deref(),
            _ => None,
        }
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Head(error) => Some(error),
            Self::Framing(error) => Some(error),
            Self::Connection(error) => Some(error),
            Self::Body(error) | Self::Request(error) => Some(error),
            Self::ConnectTimeout | Self::Full | Self::Timeout | Self::InterimFlood | Self::Switched => None,
        }
    }
}

/// Sends a request with this body, which may be empty, and reads the whole answer, whatever its status.
///
/// The request needs a method and a target; the server's base path is put before the target. Host is the server's where
/// none is given; fields about this hop (Connection, Content-Length, Transfer-Encoding, Expect and Upgrade) are set here.
/// With `pools`, which must be those of this thread, the request may take a kept connection, one that must not be sent twice
/// only one that was used a moment ago, and the connection is kept afterwards; without, the connection ends with the answer.
///
/// Cancel safe: dropping the future closes the connection.
///
/// # Errors
/// See [`SendError`]. No part of an answer is ever given for the whole.
pub async fn send(
    server: &Arc<Server>,
    request: &Head,
    body: SendBody,
    limits: &SendLimits<'_>,
    pools: Option<&Pools>,
) -> Result<Answer, SendError> {
    send_by(connect, server, request, body, limits, pools).await
}

/// The same for whoever has a way of its own to open a connection.
///
/// # Errors
/// See [`SendError`].
pub async fn send_by(
    connect: impl AsyncFn(&Server) -> Result<Stream, ConnectError>,
    server: &Arc<Server>,
    request: &Head,
    body: SendBody,
    limits: &SendLimits<'_>,
    pools: Option<&Pools>,
) -> Result<Answer, SendError> {
    let deadlines = Rc::new(Deadlines::new());
    deadlines.set(Wait::Request, limits.whole);
    let sending = Sending::new(connect, server, request, body, limits, pools, &deadlines);
    match deadlines.guard(pin!(sending.run())).await {
        Ok(outcome) => outcome,
        Err(_) if sending.waits_for_place.get() => Err(SendError::Full),
        Err(Wait::Connect) => Err(SendError::ConnectTimeout),
        Err(_) => Err(SendError::Timeout),
    }
}

/// Sends a request without a body on this connection, which ends with the answer. [`SendLimits::connect`] has no part in it.
/// Otherwise as [`send`].
///
/// # Errors
/// See [`SendError`].
pub async fn send_over(
    connection: Connection,
    request: &Head,
    limits: &SendLimits<'_>,
) -> Result<Answer, SendError> {
    let deadlines = Rc::new(Deadlines::new());
    deadlines.set(Wait::Request, limits.whole);
    let (server, body) = (Arc::clone(&connection.server), SendBody::Memory(Bytes::new()));
    let sending = Sending::new(connect, &server, request, body, limits, None, &deadlines);
    let outcome = deadlines.guard(pin!(sending.over(connection))).await;
    outcome.unwrap_or(Err(SendError::Timeout))
}

struct Sending<'a, C> {
    connect: C,
    server: &'a Arc<Server>,
    request: &'a Head,
    body: SendBody,
    limits: &'a SendLimits<'a>,
    pools: Option<&'a Pools>,
    deadlines: Rc<Deadlines>,
    /// When the last byte of the request was sent.
    sent: Cell<Option<Instant>>,
    /// Others have all the connections that there may be.
    waits_for_place: Cell<bool>,
}

impl<'a, C: AsyncFn(&Server) -> Result<Stream, ConnectError>> Sending<'a, C> {
    fn new(
        connect: C,
        server: &'a Arc<Server>,
        request: &'a Head,
        body: SendBody,
        limits: &'a SendLimits<'a>,
        pools: Option<&'a Pools>,
        deadlines: &Rc<Deadlines>,
    ) -> Self {
        let (sent, waits_for_place, deadlines) = (Cell::new(None), Cell::new(false), Rc::clone(deadlines));
        Self { connect, server, request, body, limits, pools, deadlines, sent, waits_for_place }
    }

    async fn run(&self) -> Result<Answer, SendError> {
        let _in_flight = InFlight::begin(self.server);
        if let Some(connection) = self.kept() {
            match self.over(connection).await {
                // It died while it was idle, and the request may be sent twice (`semantics.md` §2.2).
                Err(SendError::Head(AnswerError::Closed)) if is_safe(self.request) => {}
                outcome => return outcome,
            }
        }
        let connection = self.fresh().await?;
        self.over(connection).await
    }

    /// A connection of the pool. One that may turn out to be dead is for requests to which that does no harm.
    fn kept(&self) -> Option<Connection> {
        let idle_max = (!is_safe(self.request)).then_some(self.limits.reuse_unsafe);
        self.pools?.take(self.server, idle_max, now())
    }

    async fn fresh(&self) -> Result<Connection, SendError> {
        self.deadlines.set(Wait::Connect, self.limits.connect);
        self.waits_for_place.set(true);
        let place = match self.pools {
            Some(pools) => pools.place(self.server).await,
            None => self.server.connections().take().await,
        };
        self.waits_for_place.set(false);
        self.deadlines.set(Wait::Connect, self.limits.connect);
        let connected = (self.connect)(self.server).await;
        self.deadlines.clear(Wait::Connect);
        let stream = connected.map_err(|error| {
            match &error {
                // The server is not to blame; room is made for those who come next.
                _ if error.is_exhaustion() => self.pools.into_iter().for_each(Pools::shed),
                ConnectError::Network(_) => {
                    self.server.connect_failed(None);
                }
                ConnectError::Handshake(error) => {
                    self.server.connect_failed(Some(error.fault));
                }
            }
            SendError::Connect(error)
        })?;
        if self.server.counters.connected() {
            tracing::info!(server = self.server.name(), "a server can be connected to again");
        }
        let stream = Rc::new(stream.with_place(place));
        Ok(Connection { stream, server: Arc::clone(self.server), reused: false })
    }

    /// Sends on this connection. The answer is read while the request is written: it may come before its end.
    async fn over(&self, connection: Connection) -> Result<Answer, SendError> {
        let begun = now();
        self.server.note_request(self.request.method());
        self.sent.set(None);
        let (stream, deadlines) = (Rc::clone(&connection.stream), Rc::clone(&self.deadlines));
        let timed = Timed { stream, deadlines, read: None, write: None };
        let mut sink = H1Sink::new(&timed);
        let coding = if self.body.trailers().is_empty() { Coding::Plain } else { Coding::Chunked };
        self.write_head(coding, sink.head(coding));
        let mut upload = pin!(self.body.send(&mut sink));
        let mut download = pin!(self.read(timed.clone()));
        let (mut upload_over, mut uploaded) = (false, false);
        let outcome = poll_fn(|cx| {
            if !upload_over && let Poll::Ready(outcome) = upload.as_mut().poll(cx) {
                // A server that takes no more may have answered; that answer counts (RFC 9112 §9.5).
                (upload_over, uploaded) = (true, outcome.is_ok());
                self.sent.set(uploaded.then(now));
                if let Err(PumpError::Read(error)) = outcome {
                    return Poll::Ready(Err(SendError::Request(error)));
                }
            }
            download.as_mut().poll(cx)
        })
        .await;
        if outcome.is_err() {
            self.server.note_failure(begun);
        }
        let (mut answer, idle) = outcome.map_err(|error| self.explained(error))?;
        // The time until the request was sent is no time of the server's.
        self.server.note_answer(&mut answer.head, || answer.head_after, begun + answer.head_after);
        match (self.pools, idle) {
            (Some(pools), Some(idle)) if uploaded => {
                pools.give_back(connection, idle.min(self.limits.idle), now());
            }
            _ => connection.stream.say_goodbye(),
        }
        Ok(answer)
    }

    /// In TLS 1.3 a server refuses us only when we have begun to speak.
    fn explained(&self, error: SendError) -> SendError {
        match (&error, &self.server.target) {
            (SendError::Head(AnswerError::Io(inner)), Some(target)) => {
                let refused = target.explain_later(inner);
                refused.map_or(error, |refused| SendError::Connect(ConnectError::Handshake(refused)))
            }
            _ => error,
        }
    }

    fn write_head(&self, coding: Coding, out: &mut Vec<u8>) {
        let request = self.request;
        out.extend_from_slice(request.method_token());
        out.push(b' ');
        out.extend_from_slice(self.server.address.base.as_bytes());
        out.extend_from_slice(request.target());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let mut fields = request.clone();
        for name in [K::Connection, K::ContentLength, K::TransferEncoding, K::Expect, K::Upgrade] {
            fields.remove(name);
        }
        if !fields.has(K::Host) {
            fields.append(K::Host, self.server.host.as_bytes());
        }
        // RFC 9110 §8.6: a method that means something by its content says that there is none.
        match coding {
            Coding::Chunked => fields.append(K::TransferEncoding, b"chunked"),
            Coding::Plain if self.body.bytes() > 0 || !request.method().is_safe() => {
                fields.append(K::ContentLength, self.body.bytes().to_string().as_bytes());
            }
            Coding::Plain => {}
        }
        if self.pools.is_none() {
            fields.append(K::Connection, b"close");
        }
        fields.write_fields(out);
        out.extend_from_slice(b"\r\n");
    }

    /// The final answer to its end, and how long the server keeps the connection if it does.
    async fn read(&self, timed: Timed) -> Result<(Answer, Option<Duration>), SendError> {
        let mut buffer = ReadBuffer::new();
        let mut head = self.final_head(&timed, &mut buffer).await?;
        let head_after = self.sent.get().map_or(Duration::ZERO, |sent| now() - sent);
        let framing = framing::decide(&mut head, Direction::Answer(self.request.method()));
        let framing = framing.map_err(SendError::Framing)?;
        let mut named: Vec<Box<[u8]>> = Vec::new();
        let options = connection::read(head.get_all(K::Connection), |name| named.push(name.into()))
            .map_err(SendError::Connection)?;
        // What is for this hop only is nobody else's business (RFC 9110 §7.6.1).
        for name in named {
            head.remove(&*name);
        }
        let persistent = match head.version() {
            Version::Http11 => !options.close,
            Version::Http10 => options.keep_alive && !options.close,
        };
        let mut body = H1Body::new(timed, buffer, framing, self.body_limits());
        let mut content = Content::new(self.limits.keep, self.limits.body_bytes_max);
        let cut = loop {
            let filled = poll_fn(|cx| match body.poll_fill(cx) {
                // Nobody waits for what nobody wants, but the answer is there.
                Poll::Pending if content.is_skipped() => self.deadlines.poll_passed(cx).map(|_| None),
                other => other.map(Some),
            });
            let Some(outcome) = filled.await else { break true };
            outcome.map_err(SendError::Body)?;
            let chunk = body.chunk();
            if chunk.is_empty() {
                break false;
            }
            if !content.push(chunk) {
                break true;
            }
            let count = chunk.len();
            body.consume(count);
        };
        // What came behind the answer was not asked for: nobody may ever read it as an answer.
        let reusable = persistent && !cut && framing != Framing::UntilClose && body.take_buffer().is_empty();
        let stated = head.get(K::KeepAlive).and_then(connection::keep_alive_timeout);
        let (body, charge) = content.into_parts();
        Ok((
            Answer { head, body, charge, cut, head_after },
            reusable.then(|| stated.unwrap_or(Duration::MAX)),
        ))
    }

    async fn final_head(&self, timed: &Timed, buffer: &mut ReadBuffer) -> Result<Head, SendError> {
        let mut head = Head::default();
        for _ in 0..=INTERIM_ANSWERS_MAX {
            read_answer(timed, buffer, &mut &mut head, self.limits.head).await.map_err(SendError::Head)?;
            match head.status() {
                101 => return Err(SendError::Switched),
                200.. => return Ok(head),
                _ => {}
            }
        }
        Err(SendError::InterimFlood)
    }

    fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            bytes_max: (self.limits.beyond == Beyond::Refused).then_some(self.limits.body_bytes_max as u64),
            trailer_bytes_max: self.limits.head.bytes_max,
            trailer_fields_max: self.limits.head.fields_max,
        }
    }
}

#[cfg(test)]
mod tests;
