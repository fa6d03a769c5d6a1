//! One exchange, step by step. This file is the list of the stages, in their order; `docs/request-path.md` has the same
//! names as headings, and a test holds the two against each other.
//!
//! - `receive`: what a request says is made certain, and what is meant for this hop only is taken away
//! - `identify`: which service and which route it belongs to
//! - `admit`: whether it may ask at all
//! - `authenticate`: the client proves who it is, where its route asks for that
//! - `forward`: the route's one deed; mostly that is handing the request to a dispatch mode
//! - `respond`: the head of an answer becomes the head that this client gets; called by whoever has the answer
//! - `record`: what is told of the exchange when it is over
//! - `failure`: where an error becomes an answer

mod admit;
mod authenticate;
mod edit;
pub(crate) mod failure;
mod forward;
mod identify;
mod local;
pub(crate) mod receive;
mod record;
pub(crate) mod respond;
pub(crate) mod timing;
pub(crate) mod trace;

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use weir_http::framing::Framing;
use weir_upstream::body::{Body, H1Body};
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::Wait;
use weir_upstream::io::lent::LentHead;

use self::failure::Failure;
use crate::dispatch::tunnel;
use crate::exchange::{Exchange, Next, RequestBody};
use crate::inbound::client::Client;
use crate::inbound::responder::{H1Responder, Progress, Responder};
use crate::runtime::snapshot::{LocalSnapshot, Route};
use crate::runtime::worker::Worker;

pub(crate) use self::local::answer_without_exchange;

/// Takes a request through the stages and says what becomes of the connection. The buffer holds what came behind the head,
/// and what came behind the request when this is done. `last` says that the connection has served its share.
#[allow(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
pub(crate) fn run(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    snapshot: LocalSnapshot,
    head: LentHead,
    buffer: &mut ReadBuffer,
    last: bool,
) -> impl Future<Output = Next> {
    async move {
        worker.counters.requests.add(1);
        let timed = client.timed(snapshot.timeouts.request_body, snapshot.timeouts.client_write);
        let mut responder = Responder::H1(H1Responder::new(&timed, head.version()));
        let mut x = Exchange::new(worker, client, snapshot, head, last);
        client.stream.watch_again();
        if let Some(request) = x.snapshot.timeouts.request {
            client.deadlines.set(Wait::Request, request);
        }

        let received = std::panic::catch_unwind(AssertUnwindSafe(|| receive::receive(&mut x)));
        let received = received.unwrap_or(Err(Failure::Panic));
        let mut request = match (&received, x.facts.framing) {
            (Ok(()), framing) if framing != Framing::None => {
                let limits = x.snapshot.request_body_limits();
                let mut body = Body::H1(H1Body::new(timed.clone(), std::mem::take(buffer), framing, limits));
                if !x.snapshot.own_fields.is_empty() {
                    // A server may take a trailer for a field that only we may set (RFC 9110 §6.5.1).
                    body.drop_trailers();
                }
                RequestBody { body, rest: ReadBuffer::new() }
            }
            (Ok(()) | Err(_), _) if !buffer.is_empty() => {
                RequestBody { body: Body::Empty, rest: std::mem::take(buffer) }
            }
            (Ok(()) | Err(_), _) => {
                // An empty buffer is lent to others meanwhile.
                drop(std::mem::take(buffer));
                RequestBody::default()
            }
        };
        // Where the next request would begin is not known, or not to be believed.
        let refused = received.is_err();
        x.close |= refused;
        let mut outcome = {
            let steps = pin!(steps(&mut x, received, &mut request, &mut responder));
            catch_panic(steps).await.unwrap_or(Err(Failure::Panic))
        };
        if outcome.is_ok()
            && let Some(switched) = x.switched.take()
        {
            // Tunnels live long and are few: they take memory of their own, so that exchanges stay small.
            let mut tunnel = Box::pin(tunnel::run(&mut x, *switched, &mut request, &mut responder));
            outcome = catch_panic(tunnel.as_mut()).await.unwrap_or(Err(Failure::Panic));
        }
        if let Err(failure) = &outcome {
            // Whatever was half done when a panic came, nothing is built on it.
            x.close |= matches!(failure, Failure::Panic);
            local::fail(&mut x, failure, &mut request, &mut responder).await;
        }
        client.deadlines.clear_all();
        let next = next(&x, &mut request, &responder, refused, buffer);
        record::record(&mut x, &responder, outcome.as_ref().err());
        next
    }
}

#[allow(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice")]
fn steps(
    x: &mut Exchange,
    received: Result<(), Failure>,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> impl Future<Output = Result<(), Failure>> {
    async move {
        received?;
        identify::identify(x)?;
        // Most routes ask nothing: one look at them, and not one for every rule that there may be.
        if x.route().is_some_and(Route::is_guarded) {
            if let Some(redirect) = admit::https_only(x)? {
                return local::redirect(x, &redirect, request, responder).await;
            }
            admit::admit(x)?;
            if admit::must_wait(x) {
                // In memory of its own, so that those that need not wait have no room for it.
                Box::pin(admit::wait(x)).await?;
            }
            if authenticate::is_asked(x) {
                authenticate::authenticate(x).await?;
            }
            admit::after_authentication(x)?;
        }
        forward::forward(x, request, responder).await
    }
}

/// What becomes of the connection. What came behind the request is put into the buffer.
fn next(
    x: &Exchange,
    request: &mut RequestBody,
    responder: &Responder<'_>,
    refused: bool,
    buffer: &mut ReadBuffer,
) -> Next {
    // What comes behind a body that is read from a replay lies in the replay's source, which is put back before.
    let finished = request.body.is_end() && !refused && !matches!(request.body, Body::Replay(_));
    match &mut request.body {
        Body::H1(body) => *buffer = body.take_buffer(),
        Body::Empty | Body::Memory(_) | Body::Replay(_) if request.rest.is_empty() => {}
        Body::Empty | Body::Memory(_) | Body::Replay(_) => *buffer = std::mem::take(&mut request.rest),
    }
    let linger = |buffer: &mut ReadBuffer| Next::Linger(Box::new(std::mem::take(buffer)));
    match responder.progress() {
        Progress::NotBegun | Progress::Begun | Progress::Aborted => Next::Cut,
        // Bytes behind a request that will not be answered are read too, so that closing is no reset.
        Progress::Ended if !finished || (x.close && !buffer.is_empty()) => linger(buffer),
        Progress::Ended if x.close => Next::Close,
        Progress::Ended => Next::KeepAlive,
    }
}

/// Does `work` and turns a panic in it into `None`: a bug costs one exchange, not the worker (`semantics.md` §4.2).
async fn catch_panic<T>(mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    std::future::poll_fn(|cx| match std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[tokio::test]
    async fn semantics_4_2_a_panic_ends_the_work_and_nothing_else() {
        assert_eq!(catch_panic(pin!(async { 1 })).await, Some(1));
        let work = async {
            tokio::task::yield_now().await;
            panic!("a bug");
        };
        assert_eq!(catch_panic::<()>(pin!(work)).await, None);
        assert_eq!(catch_panic(pin!(async { 2 })).await, Some(2));
    }
}
