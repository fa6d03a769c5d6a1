//! A connection for an attempt: a kept one, or a fresh one.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use weir_core::dispatch::Reuse;
use weir_core::health::{Fault as ServerFault, Round};
use weir_core::refusal::Refusal;
use weir_tls::handshake::{Fault, HandshakeError};
use weir_upstream::connect::ConnectError;
use weir_upstream::connections::Place;
use weir_upstream::io::deadline::{Deadlines, Wait};
use weir_upstream::io::exhaustion::is_exhaustion;
use weir_upstream::io::stream::Stream;
use weir_upstream::member::{InFlight, Server};
use weir_upstream::pool::Connection;
use weir_upstream::upstream::Upstream;

use crate::exchange::Exchange;
use crate::runtime::worker::Worker;
use crate::stages::failure::Failure;

/// The least time that one of several servers gets to accept a connection.
const TRY_TIME_MIN: Duration = Duration::from_millis(250);

/// Why there is no connection.
pub(super) enum Refused {
    /// The server refused, can't be reached, or took too long.
    Server {
        /// It took too long.
        timed_out: bool,
        /// It was reached, and TLS could not be spoken with it.
        fault: Option<Fault>,
    },
    /// The connect deadline of the request has passed.
    Deadline,
    /// As many connections to it are open as there may be, and none became free in time. That is nobody's fault.
    Full,
    /// The exchange is over.
    Over(Failure),
}

/// A kept connection to this server, if there is one that this request may use.
pub(super) fn kept(
    x: &Exchange,
    upstream: &Upstream,
    server: &Arc<Server>,
    reuse: Reuse,
) -> Option<Connection> {
    let idle_max = match reuse {
        Reuse::Any => None,
        Reuse::Recent => Some(upstream.waits.reuse_unsafe),
        Reuse::Never => return None,
    };
    let connection = x.worker.pools.take(server, idle_max, x.now)?;
    // A server that was passed over before may have begun the wait for a connection; it is over now.
    x.client.deadlines.clear(Wait::Connect);
    Some(connection)
}

/// A fresh connection to this server, one of so many that may still be asked.
///
/// The connect deadline counts from the first server that has to be connected to. One server among several gets its share
/// of what is left of it, so that a server which does not answer leaves time for the others; the last one gets all of that. It
/// may need it: whoever finds the listen queue of a server full is heard when the system tries once more, after a second.
pub(super) async fn fresh(
    x: &mut Exchange,
    upstream: &Upstream,
    left: usize,
    in_flight: &InFlight,
) -> Result<Connection, Refused> {
    let client = Rc::clone(&x.client);
    let deadlines = &client.deadlines;
    deadlines.begin(Wait::Connect, upstream.waits.connect);
    if let left @ 2.. = left as u32
        && let Some(time) = deadlines.left(Wait::Connect)
    {
        deadlines.set(Wait::ConnectTry, (time / left).max(TRY_TIME_MIN));
    }
    let since = x.now;
    let (worker, has_place) = (Rc::clone(&x.worker), Cell::new(false));
    let mut connecting = pin!(connect(&worker, in_flight.server(), deadlines, &has_place));
    let connected = poll_fn(|cx| {
        if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
            return Poll::Ready(Ok(connected));
        }
        client.stream.poll_reset(cx).map(|_| Err(Failure::ClientGone))
    });
    let outcome = deadlines.guard(pin!(connected)).await;
    deadlines.clear(Wait::ConnectTry);
    // Waiting took its time, and the next server is asked with what is left of it.
    let connected = x.look();
    x.record.connecting += connected - since;
    // Only here, so that a connection that waits has no room for them.
    let (server, round) = (in_flight.server(), in_flight.round());
    let refused = match outcome {
        Ok(Ok(Ok(stream))) => {
            deadlines.clear(Wait::Connect);
            note_connected(server);
            if let Some(place) = x.found {
                x.snapshot.tally(place).note_connect(x.now.saturating_duration_since(since));
            }
            return Ok(Connection { stream: Rc::new(stream), server: Arc::clone(server), reused: false });
        }
        Ok(Ok(Err(ConnectError::Network(error)))) => {
            return Err(match note_refusal(&x.worker, server, round, &error) {
                // No other server could be connected to either.
                failure @ Failure::Exhausted => Refused::Over(failure),
                _ => Refused::Server { timed_out: false, fault: None },
            });
        }
        Ok(Ok(Err(ConnectError::Handshake(error)))) => {
            note_handshake(server, round, &error);
            return Err(Refused::Server { timed_out: false, fault: Some(error.fault) });
        }
        Ok(Err(failure)) => return Err(Refused::Over(failure)),
        Err(Wait::ConnectTry) if !has_place.get() => return Err(Refused::Full),
        Err(Wait::Connect) if !has_place.get() => {
            x.worker.counters.refuse(Refusal::UpstreamQueueTimeout);
            return Err(Refused::Over(Failure::TooMuchAtOnce));
        }
        Err(Wait::ConnectTry) => Refused::Server { timed_out: true, fault: None },
        Err(Wait::Connect) => Refused::Deadline,
        Err(_) => return Err(Refused::Over(Failure::RequestTimeout)),
    };
    note_failure(server, round, &"it did not answer in time");
    Err(refused)
}

/// Waits for a place among the connections to this server, and opens one.
///
/// Waiting for others is no time of the server's: when the place has come, the deadlines go on where they stood. Whoever gets none
/// has waited within them.
pub(super) async fn connect(
    worker: &Worker,
    server: &Server,
    deadlines: &Deadlines,
    has_place: &Cell<bool>,
) -> Result<Stream, ConnectError> {
    let place = match server.connections().try_take() {
        Some(place) => place,
        // Rare, so that those that need not wait have no room for it.
        None => Box::pin(wait_for_place(worker, server, deadlines)).await,
    };
    has_place.set(true);
    worker.dial.connect(server).await.map(|stream| stream.with_place(place))
}

async fn wait_for_place(worker: &Worker, server: &Server, deadlines: &Deadlines) -> Place {
    let stood = [Wait::Connect, Wait::ConnectTry].map(|wait| (wait, deadlines.left(wait)));
    let place = worker.pools.place(server).await;
    for (wait, left) in stood {
        left.into_iter().for_each(|left| deadlines.set(wait, left));
    }
    place
}

/// Counts a connection, and tells people when it is the first one after a failure.
pub(super) fn note_connected(server: &Server) {
    if server.counters.connected() {
        tracing::info!(server = server.name(), "a server can be connected to again");
    }
}

/// Counts a connect that the network or the server refused, or that the system has no room for, and says which.
pub(super) fn note_refusal(worker: &Worker, server: &Server, round: Round, error: &io::Error) -> Failure {
    if is_exhaustion(error) {
        // Each request comes here then; accepting, which fails soon too, warns at its own pace.
        tracing::debug!(%error, "no connection can be opened");
        // Room is made for those who come next.
        worker.pools.shed();
        return Failure::Exhausted;
    }
    note_failure(server, round, error);
    Failure::Unreachable { timed_out: false }
}

/// Counts a failed connect, and tells people of the first one: someone should look.
pub(super) fn note_failure(server: &Server, round: Round, error: &dyn std::fmt::Display) {
    server.blame(round, ServerFault::Unreachable);
    if server.connect_failed(None) {
        tracing::warn!(server = server.name(), %error, "a server can't be connected to and is passed over");
    }
}

/// The same where TLS can't be spoken with it.
pub(super) fn note_handshake(server: &Server, round: Round, error: &HandshakeError) {
    server.blame(round, ServerFault::Unreachable);
    if server.connect_failed(Some(error.fault)) {
        let hint = error.hint.as_deref();
        tracing::warn!(server = server.name(), %error, hint, "TLS can't be spoken with a server, and it is passed over");
    }
}
