//! TLS handshakes of clients: limited in time, and rationed so that those who are served already do not wait for them.
//!
//! A client's first message is read before anything else is decided: it says which certificate it needs, or that it does
//! not speak TLS at all. Handshakes are where a client makes us compute, about a hundred times what a request costs; so
//! at most a few steps ([`Worker::in_turn`]) are computed before every other connection of the worker has had its turn.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::{AcceptedAlert, Acceptor};
use rustls::{HandshakeKind, PeerIncompatible, ServerConnection};
use weir_core::handshake::HandshakeOutcome;
use weir_core::limit_hit::LimitHit;
use weir_tls::facts::are_in_time;
use weir_tls::server::{Choice, without_dot};
use weir_tls::subject;
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::{Deadlines, Wait};
use weir_upstream::io::stream::Stream;
use weir_upstream::io::tls::Input;
use weir_upstream::permit::Permit;

use super::client::Client;
use super::h1;
use super::secured::{Secured, Subject};
use super::sight::Sight;
use crate::runtime::certificates::ListenerTls;
use crate::runtime::clock::time_of_day;
use crate::runtime::worker::Worker;
use crate::stages::failure::Failure;

/// How long a client that was refused is read from.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// The first byte of every TLS connection: the type of a record that carries a handshake (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// The longest first message that is read, in bytes on the wire; one with keys of two post-quantum groups has about 3 KiB.
const HELLO_BYTES_MAX: usize = 32 * 1024;

/// An alert, fatal and in the clear (RFC 5246 §7.2): for a first message that is none, for which rustls has no word.
const UNEXPECTED_MESSAGE: [u8; 7] = [21, 3, 3, 0, 2, 2, 10];

/// Another one, for versions before 1.2 (RFC 5246 §E.1).
const PROTOCOL_VERSION: [u8; 7] = [21, 3, 3, 0, 2, 2, 70];

/// Why there is no handshake.
enum Ended {
    /// The client went away.
    Failed(io::Error),
    /// One side refused the other, and the client has been told.
    Refused(Stream, io::Error),
    /// The client speaks plain HTTP; what it said so far, and where.
    Plain(Stream, ReadBuffer),
}

/// A first message that was understood.
struct Hello {
    stream: Stream,
    connection: ServerConnection,
    chosen: Arc<Choice>,
    /// The share of `limits.handshakes`, for the rest of the handshake.
    permit: Option<Permit>,
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Makes the handshake of a connection; `None` when there is no client to serve. Dropping this closes the connection.
pub(super) async fn accept(
    worker: &Rc<Worker>,
    tls: &ListenerTls,
    stream: Stream,
    sight: &Rc<Sight>,
) -> Option<Client> {
    let peer = sight.peer();
    let deadlines = Deadlines::new();
    deadlines.set(Wait::ClientHead, worker.snapshot().timeouts.tls_handshake);
    let outcome = deadlines.guard(pin!(handshake(worker, tls, stream))).await;
    let count = |outcome| worker.counters.count_handshake(outcome);
    match outcome {
        Ok(Ok((stream, secured))) => {
            let resumed = stream.tls(|tls| tls.handshake_kind() == Some(HandshakeKind::Resumed));
            count(if resumed == Some(true) { HandshakeOutcome::Resumed } else { HandshakeOutcome::Full });
            Some(Client::new(stream, sight, Some(secured)))
        }
        Ok(Err(Ended::Plain(stream, buffer))) => {
            count(HandshakeOutcome::PlainHttp);
            let client = Rc::new(Client::new(stream, sight, None));
            h1::refuse(worker, &client, buffer, Failure::PlainHttp).await;
            None
        }
        Ok(Err(Ended::Refused(stream, error))) => {
            count(HandshakeOutcome::Failed);
            tracing::debug!(%peer, %error, "a client's TLS handshake failed");
            // In version 1.3 a client is done before we have looked at its certificate, and may be sending requests already.
            // Closing with those unread would be a reset, and it would never learn why.
            deadlines.clear_all();
            deadlines.set(Wait::ClientIdle, LINGER_TIME);
            let _ = deadlines.guard(pin!(poll_fn(|cx| stream.poll_forget(cx)))).await;
            None
        }
        Ok(Err(Ended::Failed(error))) => {
            count(HandshakeOutcome::Failed);
            tracing::debug!(%peer, %error, "a client's TLS handshake failed");
            None
        }
        Err(_) => {
            count(HandshakeOutcome::TimedOut);
            tracing::debug!(%peer, "a client's TLS handshake did not end in time");
            None
        }
    }
}

async fn handshake(worker: &Worker, tls: &ListenerTls, stream: Stream) -> Result<(Stream, Secured), Ended> {
    let Hello { stream, connection, chosen: certificate, permit: _permit } =
        hello(worker, tls, stream).await?;
    let stream = stream.with_tls(connection);
    while poll_fn(|cx| stream.poll_handshake(cx)).await? == Input::Arrived {
        if let Err(error) = worker.in_turn(|| stream.advance_handshake()).await {
            // The client is told why, if it still listens.
            let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
            return Err(Ended::Refused(stream, error));
        }
    }
    if stream.tls(is_overdue) == Some(true) {
        let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
        let error = io::Error::other("the client's certificate has expired since the session began");
        return Err(Ended::Refused(stream, error));
    }
    let secured = stream.tls(|connection| {
        let server_name = match connection {
            rustls::Connection::Server(server) => server.server_name().map(without_dot).map(Into::into),
            rustls::Connection::Client(_) => None,
        };
        let leaf = connection.peer_certificates().and_then(<[_]>::first);
        let subject = leaf.zip(tls.subject_header.as_ref()).and_then(|(leaf, field)| {
            Some(Subject { field: field.clone(), text: subject::field_value(leaf)?.into() })
        });
        Secured { certificate, server_name, subject }
    });
    match secured {
        Some(secured) => Ok((stream, secured)),
        None => Err(Ended::Failed(io::ErrorKind::InvalidInput.into())),
    }
}

/// Whether the client goes on with a session that its certificate does not outlast: the one that it once showed comes out of
/// the ticket and is not verified again, while each new ticket takes it along.
fn is_overdue(connection: &rustls::Connection) -> bool {
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    let chain = connection.peer_certificates().filter(|_| resumed);
    chain.is_some_and(|chain| !are_in_time(chain.iter().map(AsRef::as_ref), time_of_day()))
}

/// Reads the client's first message and chooses the certificate for it.
async fn hello(worker: &Worker, tls: &ListenerTls, stream: Stream) -> Result<Hello, Ended> {
    let mut acceptor = Acceptor::default();
    let mut begun = false;
    let mut hello_bytes = 0;
    loop {
        // A silent connection holds no buffer.
        poll_fn(|cx| stream.poll_readable(cx)).await;
        // Lent for this read alone: nor does one that says no more in the middle of its message, and a long message gets no large one.
        let mut buffer = ReadBuffer::new();
        if poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await? == 0 {
            return Err(Ended::Failed(io::ErrorKind::UnexpectedEof.into()));
        }
        if !begun && is_plain_http(buffer.unread()) {
            return Err(Ended::Plain(stream, buffer));
        }
        begun = true;
        hello_bytes += buffer.unread().len();
        if hello_bytes > HELLO_BYTES_MAX {
            return Err(Ended::Failed(io::ErrorKind::InvalidData.into()));
        }
        while !buffer.is_empty() {
            let count = acceptor.read_tls(&mut buffer.unread())?;
            buffer.consume(count);
            let accepted = match acceptor.accept() {
                Ok(None) => continue,
                Ok(Some(accepted)) => accepted,
                Err((error, alert)) => return Err(refuse(stream, error, alert).await),
            };
            let chosen = Arc::clone(tls.current().choose(&accepted.client_hello()));
            let config = Arc::clone(&chosen.config);
            // Not before: who says nothing holds nothing of what the others need.
            if worker.permits.handshakes_are_out() {
                worker.counters.hit(LimitHit::Handshakes);
            }
            let permit = Some(worker.permits.handshake().await);
            // The key exchange and the signature are computed here.
            let mut connection = match worker.in_turn(|| accepted.into_connection(config)).await {
                Ok(connection) => connection,
                Err((error, alert)) => return Err(refuse(stream, error, alert).await),
            };
            // Who sends more before it was answered hopes for early data; rustls passes over it.
            while !buffer.is_empty() {
                let count = connection.read_tls(&mut buffer.unread())?;
                buffer.consume(count);
            }
            return Ok(Hello { stream, connection, chosen, permit });
        }
    }
}

/// Whether these first bytes are those of a request: a method begins with a capital letter.
fn is_plain_http(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(first) if *first != HANDSHAKE_RECORD && first.is_ascii_uppercase())
}

/// Tells the client why there will be no handshake.
async fn refuse(stream: Stream, error: rustls::Error, mut alert: AcceptedAlert) -> Ended {
    let mut bytes = Vec::new();
    // Writing into memory can't fail; whether the client still listens does not matter.
    let _ = alert.write_all(&mut bytes);
    if bytes.is_empty() {
        bytes.extend(UNEXPECTED_MESSAGE);
    } else if error == PeerIncompatible::SignatureAlgorithmsExtensionRequired.into() {
        // What rustls misses first came with TLS 1.2; that is what such a client lacks.
        bytes = PROTOCOL_VERSION.to_vec();
    }
    let mut left = &bytes[..];
    while !left.is_empty()
        && let Ok(count @ 1..) = poll_fn(|cx| stream.poll_write(cx, &[io::IoSlice::new(left)])).await
    {
        left = &left[count..];
    }
    let _ = poll_fn(|cx| stream.poll_shutdown(cx)).await;
    Ended::Refused(stream, io::Error::new(io::ErrorKind::InvalidData, error))
}
