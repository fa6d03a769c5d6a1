//! A connection that has switched to another protocol: bytes in both directions, until both have ended.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use weir_http::framing::Framing;
use weir_upstream::body::{Body, H1Body};
use weir_upstream::h1::pump::{BodySink, PumpError, pump};
use weir_upstream::h1::sink::{Coding, H1Sink};
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::Wait;
use weir_upstream::io::timed::{Patience, Timed};

use crate::exchange::{Exchange, RequestBody};
use crate::inbound::registry::Tunnel;
use crate::inbound::responder::{Progress, Responder};
use crate::inbound::sight::Doing;
use crate::stages::failure::Failure;
use crate::switched::Switched;

/// Moves bytes between client and server, also those that came behind the heads.
///
/// By now nothing but `x` holds the snapshot of the request, and that lets go of it.
///
/// Either side may end its direction; the other one goes on (RFC 6455 §7.1.1 relies on it). Both together may be silent
/// for `upgraded_idle`.
pub(crate) async fn run(
    x: &mut Exchange,
    switched: Switched,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    let Switched { timed: server, from_server, connection: _connection, in_flight: _in_flight } = switched;
    let from_client = behind_request(request);
    // The connection is no HTTP any more, whatever happens.
    x.close = true;
    x.keep_route_alone();
    let _tunnel = Tunnel::begin(&x.worker.registry);
    x.client.sight.does(Doing::Upgraded);
    responder.flush().await?;
    let timeouts = x.snapshot.timeouts;
    let idle = Some(Patience { wait: Wait::ClientIdle, at_most: timeouts.upgraded_idle });
    let server = Timed { read: idle, ..server };
    let client = Timed { read: idle, ..x.client.timed(timeouts.request_body, timeouts.client_write) };
    let limits = x.snapshot.answer_body_limits();
    let mut up = Body::H1(H1Body::new(client.clone(), from_client, Framing::UntilClose, limits));
    let mut down = Body::H1(H1Body::new(server.clone(), from_server, Framing::UntilClose, limits));
    let mut to_server = H1Sink::new(&server);
    let _ = to_server.head(Coding::Plain);
    let deadlines = Rc::clone(&x.client.deadlines);
    let outcome = {
        let mut upward = pin!(direction(&mut up, &mut to_server, &server));
        let mut downward = pin!(direction(&mut down, responder, &client));
        let (mut up_done, mut down_done) = (false, false);
        let both = poll_fn(|cx| {
            if !up_done && let Poll::Ready(outcome) = upward.as_mut().poll(cx) {
                outcome?;
                up_done = true;
            }
            if !down_done && let Poll::Ready(outcome) = downward.as_mut().poll(cx) {
                outcome?;
                down_done = true;
            }
            if up_done && down_done {
                return Poll::Ready(Ok::<(), PumpError>(()));
            }
            // The end of one direction has ended the wait that both share, and the other one does not notice.
            if up_done || down_done {
                deadlines.begin(Wait::ClientIdle, timeouts.upgraded_idle);
            }
            Poll::Pending
        });
        deadlines.guard(pin!(both)).await
    };
    x.look();
    x.record.received_bytes += to_server.content_bytes();
    match outcome {
        Ok(Ok(())) => Ok(()),
        // The server has said everything and the client knows. What it says into the void then breaks nothing.
        Ok(Err(_)) if responder.progress() == Progress::Ended => Ok(()),
        // A broken or silent tunnel is cut; there is nobody to tell.
        Ok(Err(_)) | Err(_) => Err(Failure::ClientGone),
    }
}

/// What the client has sent behind its request, which has no body or an empty one.
fn behind_request(request: &mut RequestBody) -> ReadBuffer {
    match &mut request.body {
        Body::H1(body) => body.take_buffer(),
        Body::Empty | Body::Memory(_) | Body::Replay(_) => std::mem::take(&mut request.rest),
    }
}

async fn direction(from: &mut Body, to: &mut impl BodySink, stream: &Timed) -> Result<(), PumpError> {
    let pumped = pump(from, to).await;
    if let Err(PumpError::Read(_)) = pumped {
        // It broke off, with TLS by no more than closing without a goodbye; what came before that was said all the same.
        to.flush().await.map_err(PumpError::Write)?;
    }
    pumped?;
    poll_fn(|cx| stream.stream.poll_shutdown(cx)).await.map_err(PumpError::Write)
}
