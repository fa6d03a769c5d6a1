//! The wait of a request that can't be in progress together with those that are.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use weir_core::refusal::Refusal;
use weir_upstream::io::deadline::Wait;

use crate::exchange::Exchange;
use crate::stages::failure::Failure;

/// Whether `x` lacks a place that it needs.
pub(in crate::stages) fn must_wait(x: &Exchange) -> bool {
    x.places.as_ref().is_some_and(|places| !places.are_complete())
}

/// Waits for the places that `x` lacks, for as long as its client does and the queue allows. If it may not, what it has is
/// given back before it is told so.
pub(in crate::stages) async fn wait(x: &mut Exchange) -> Result<(), Failure> {
    let outcome = turn(x).await;
    if outcome.is_err() {
        x.leave_places();
    }
    outcome
}

async fn turn(x: &mut Exchange) -> Result<(), Failure> {
    let snapshot = x.snapshot.clone();
    let limits = x.found.and_then(|place| snapshot.route(place).concurrency());
    let (Some(limits), Some(places)) = (limits, &mut x.places) else { return Ok(()) };
    let Some(_waiting) = limits.queue(places) else { return Err(refuse(x, Refusal::QueueFull)) };
    let client = Rc::clone(&x.client);
    let deadlines = &client.deadlines;
    deadlines.set(Wait::Turn, limits.wait_max());
    let outcome = {
        let mut turn = pin!(limits.wait(places));
        let either = poll_fn(|cx| match turn.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            // A FIN is no farewell (semantics.md §1.7). Nothing is read meanwhile: a body that comes is the server's.
            Poll::Pending => client.stream.poll_reset(cx).map(|_| Err(Failure::ClientGone)),
        });
        deadlines.guard(pin!(either)).await
    };
    deadlines.clear(Wait::Turn);
    // What has come meanwhile, a body or the next request, must not keep later stages from seeing a reset.
    client.stream.watch_again();
    x.look();
    match outcome {
        Ok(done) => done,
        Err(Wait::Turn) => Err(refuse(x, Refusal::QueueTimeout)),
        // The only other one that runs now is that of the whole request.
        Err(_) => Err(Failure::RequestTimeout),
    }
}

fn refuse(x: &Exchange, refusal: Refusal) -> Failure {
    x.worker.counters.refuse(refusal);
    Failure::TooMuchAtOnce
}
