//! Whether a request may be in progress together with those that are, and its wait for that.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use weir_core::refusal::Refusal;
use weir_upstream::io::deadline::Wait;

use crate::exchange::Exchange;
use crate::runtime::concurrency::{Places, SharedConcurrency};
use crate::stages::failure::Failure;

/// Takes the places of `x`, which keeps them until it ends; waits for them if it must and may.
pub(super) async fn take_places(x: &mut Exchange, limits: &Arc<SharedConcurrency>) -> Result<(), Failure> {
    let mut places = limits.arrival(x.facts.client);
    if !places.take() {
        // Few requests come here: they have memory of their own for it.
        Box::pin(wait(x, limits, &mut places)).await?;
    }
    x.places = Some(places);
    Ok(())
}

/// Waits for what is missing, for as long as the client does and the queue allows.
async fn wait(x: &mut Exchange, limits: &SharedConcurrency, places: &mut Places) -> Result<(), Failure> {
    let Some(_waiting) = places.queue() else { return Err(refuse(x, Refusal::QueueFull)) };
    let client = Rc::clone(&x.client);
    let deadlines = &client.deadlines;
    deadlines.set(Wait::Turn, limits.wait_max());
    let outcome = {
        let mut turn = pin!(places.wait());
        let either = poll_fn(|cx| match turn.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
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
        Err(_) => Err(Failure::RequestTimeout),
    }
}

fn refuse(x: &Exchange, refusal: Refusal) -> Failure {
    x.worker.counters.refuse(refusal);
    Failure::TooMuchAtOnce
}
