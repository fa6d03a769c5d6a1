//! An HTTP/1 connection of a client: one request after the other, in the order in which they come.
//!
//! While it is idle a connection holds its socket, its deadlines and its place in the registry; buffers, heads and the
//! state of an exchange exist from the first byte of a request to the last byte of its answer.

mod goodbye;
mod request;

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::coop;
use weir_http::version::Version;
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::{Wait, now};

use self::request::Received;
use super::client::Client;
use super::responder::{H1Responder, Responder};
use super::sight::Doing;
use crate::exchange::Next;
use crate::runtime::worker::Worker;
use crate::stages;
use crate::stages::failure::Failure;

/// How long a connection keeps the memory of an exchange after it: about as long as a client that has more to ask takes.
const WARM_TIME: Duration = Duration::from_secs(1);

/// Connections of a worker that may keep it at the same time. More than are busy at once where many clients are served; where ten
/// thousand come within a second and stay, memory that all of them had is not given back to the system.
const WARM_CONNECTIONS_MAX: usize = 512;

/// One of those connections.
struct Warmth<'w>(&'w Cell<usize>);

impl<'w> Warmth<'w> {
    /// `None` when there are as many as may be.
    fn keep(count: &'w Cell<usize>) -> Option<Self> {
        (count.get() < WARM_CONNECTIONS_MAX).then(|| {
            count.set(count.get() + 1);
            Self(count)
        })
    }
}

impl Drop for Warmth<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Serves the requests of a connection, to its end.
pub(super) async fn requests(worker: &Rc<Worker>, client: &Rc<Client>) {
    while wait_for_request(worker, client, Duration::MAX).await == Idle::Readable {
        // A future of its own in memory of its own: the connection stays small while it is idle.
        match Box::pin(warm(worker, client)).await {
            Next::KeepAlive => client.goes_cold(),
            // What is still unread would turn closing into a reset. It is the client's FIN, or more that will not be answered.
            Next::Close if !client.stream.is_quiet() => {
                Box::pin(goodbye::linger(client, ReadBuffer::new())).await;
                return;
            }
            Next::Close => {
                Box::pin(goodbye::close(worker, client)).await;
                return;
            }
            Next::Linger(buffer) => {
                Box::pin(goodbye::linger(client, *buffer)).await;
                return;
            }
            Next::End => break,
            Next::Cut => return,
        }
    }
    // Without TLS, closing is all there is to say.
    if client.secured.is_some() {
        Box::pin(goodbye::close(worker, client)).await;
    }
}

/// How waiting for a request ended.
#[derive(Debug, PartialEq, Eq)]
enum Idle {
    /// Something has come.
    Readable,
    /// Nothing has come for as long as the connection may be idle.
    TooLong,
    /// Nothing has come for as long as was to be waited.
    NotYet,
}

/// Waits for the first byte of a request, at most for `patience`.
async fn wait_for_request(worker: &Worker, client: &Client, patience: Duration) -> Idle {
    let usual = worker.snapshot().timeouts.idle;
    client.sight.does(Doing::Idle);
    client.deadlines.clear_all();
    let mut rule = None;
    let mut last = false;
    let readable = poll_fn(|cx| {
        if client.stream.poll_readable(cx).is_ready() {
            return Poll::Ready(());
        }
        // The drain wakes every connection, and so does a want of descriptors; an idle one shortens its patience then.
        let closing = client.sight.threshold.closing();
        if rule != Some(worker.idle_rule(closing)) {
            rule = Some(worker.idle_rule(closing));
            // Nothing but a request moves this, so empty lines now and then keep no connection.
            let since = client.last_active.get().unwrap_or_else(now);
            client.last_active.set(Some(since));
            let allowed = worker.idle_timeout(usual, since, closing);
            last = allowed <= patience;
            client.deadlines.set_from(Wait::ClientIdle, since, allowed.min(patience));
        }
        Poll::Pending
    });
    let outcome = client.deadlines.guard(pin!(readable)).await;
    client.deadlines.clear(Wait::ClientIdle);
    match outcome {
        Ok(()) => Idle::Readable,
        Err(_) if last => Idle::TooLong,
        Err(_) => Idle::NotYet,
    }
}

/// Serves requests for as long as they follow each other closely: the memory of one exchange serves the next.
async fn warm(worker: &Rc<Worker>, client: &Rc<Client>) -> Next {
    loop {
        let next = busy(worker, client).await;
        if !matches!(next, Next::KeepAlive) {
            return next;
        }
        let Some(_warmth) = Warmth::keep(&worker.warm_connections) else { return Next::KeepAlive };
        match wait_for_request(worker, client, WARM_TIME).await {
            Idle::Readable => {}
            Idle::TooLong => return Next::End,
            Idle::NotYet => return Next::KeepAlive,
        }
    }
}

/// Serves requests until none of the next one has come yet, or the connection ends.
async fn busy(worker: &Rc<Worker>, client: &Rc<Client>) -> Next {
    let mut buffer = ReadBuffer::new();
    loop {
        let snapshot = worker.snapshot();
        client.sight.does(Doing::Reading);
        let received = request::receive(client, &snapshot, &mut buffer).await;
        let next = match received {
            Ok(Received::Nothing) => return Next::KeepAlive,
            Ok(Received::Head(head)) => {
                let count = client.sight.count_request();
                let last = snapshot.limits.requests_per_connection.is_some_and(|max| count >= max);
                stages::run(worker, client, snapshot, head, &mut buffer, last).await
            }
            Ok(Received::End) => Next::End,
            Err(failure) => answer_refused(worker, client, std::mem::take(&mut buffer), failure).await,
        };
        match next {
            Next::KeepAlive if !buffer.is_empty() => {
                // Many requests fit into a buffer, and answering them may wait for nothing.
                poll_fn(|cx| coop::poll_proceed(cx).map(|budget| budget.made_progress())).await;
            }
            next => return next,
        }
    }
}

/// Answers a client that can't be served at all and ends the connection.
pub(super) async fn refuse(worker: &Rc<Worker>, client: &Rc<Client>, buffer: ReadBuffer, failure: Failure) {
    if let Next::Linger(buffer) = answer_refused(worker, client, buffer, failure).await {
        goodbye::linger(client, *buffer).await;
    }
}

/// Answers bytes that are no request, and ends the connection: where the next request begins is not known.
async fn answer_refused(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    buffer: ReadBuffer,
    failure: Failure,
) -> Next {
    let timeouts = worker.snapshot().timeouts;
    let timed = client.timed(timeouts.request_body, timeouts.client_write);
    let mut responder = Responder::H1(H1Responder::new(&timed, Version::Http11));
    let told = stages::answer_without_exchange(worker, client, &failure, &mut responder);
    match client.deadlines.guard(pin!(told)).await {
        Ok(Ok(())) => Next::Linger(Box::new(buffer)),
        Ok(Err(_)) | Err(_) => Next::Cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_connections_stay_warm_and_no_more() {
        let count = Cell::new(0);
        let mut kept: Vec<_> = std::iter::from_fn(|| Warmth::keep(&count)).collect();
        assert_eq!(kept.len(), WARM_CONNECTIONS_MAX);
        kept.pop();
        assert!(Warmth::keep(&count).is_some(), "one has gone cold");
        drop(kept);
        assert_eq!(count.get(), 0);
    }

    /// The size of the future that a function with three arguments returns, without calling it.
    fn size<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// An idle connection should cost what HAProxy's does, about 1 KiB with what the system needs; a busy one must not
    /// be copied around in many pages.
    #[test]
    fn an_idle_connection_is_small_and_a_busy_one_bounded() {
        let idle = size(|worker, client, ()| requests(worker, client));
        assert!(idle <= 512, "an idle connection takes {idle} bytes");
        let worker_client: fn(&'static Rc<Worker>, &'static Rc<Client>, ()) -> _ =
            |worker, client, ()| warm(worker, client);
        let busy = size(worker_client);
        assert!(busy <= 5120, "a busy connection takes {busy} bytes");
    }
}
