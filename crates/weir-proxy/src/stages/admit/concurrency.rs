//! The wait of a request that can't be in progress, or with its upstream, together with those that are.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use weir_core::refusal::Refusal;
use weir_upstream::io::deadline::Wait;

use crate::exchange::Exchange;
use crate::inbound::client::Client;
use crate::runtime::concurrency::{Places, SharedConcurrency};
use crate::runtime::snapshot::Forward;
use crate::runtime::upstream_room::UpstreamRoom;
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
    let client = Rc::clone(&x.client);
    // They stay where they are left when the exchange is dropped.
    let (Some(limits), Some(places)) = (limits, &mut x.places) else { return Ok(()) };
    let since = x.now;
    let outcome = until_complete(&client, limits, places).await;
    let over = x.look();
    x.record.queued += over - since;
    outcome.map_err(|ended| ended.failure(x, Refusal::QueueFull, Refusal::QueueTimeout))
}

/// Takes a place at the upstream, and waits for it if need be: for as long as the client does and the queue allows.
pub(in crate::stages) async fn at_upstream(
    x: &mut Exchange,
    forward: &Forward,
    room: &UpstreamRoom,
) -> Result<(), Failure> {
    let group = x.worker.groups.of(&forward.upstream);
    let place = room.arrive(&group);
    let is_complete = place.are_complete();
    x.upstream_place = Some(place);
    // Where no server gets anything, nothing is waited for: the mode says so.
    if is_complete || group.places == Some(0) {
        return Ok(());
    }
    // In memory of its own, so that those that need not wait have no room for it.
    let outcome = Box::pin(turn_at_upstream(x, room)).await;
    if outcome.is_err() {
        x.leave_upstream();
    }
    outcome
}

async fn turn_at_upstream(x: &mut Exchange, room: &UpstreamRoom) -> Result<(), Failure> {
    let client = Rc::clone(&x.client);
    let Some(place) = &mut x.upstream_place else { return Ok(()) };
    let since = x.now;
    let outcome = until_complete(&client, room.places(), place).await;
    let over = x.look();
    x.record.queued += over - since;
    outcome.map_err(|ended| ended.failure(x, Refusal::UpstreamQueueFull, Refusal::UpstreamQueueTimeout))
}

/// How a wait ended that did not come to its end.
enum Ended {
    /// It could not begin.
    Full,
    /// It took too long.
    Timeout,
    /// For a reason of its own.
    Otherwise(Failure),
}

impl Ended {
    fn failure(self, x: &Exchange, full: Refusal, timeout: Refusal) -> Failure {
        match self {
            Self::Full => refuse(x, full),
            Self::Timeout => refuse(x, timeout),
            Self::Otherwise(failure) => failure,
        }
    }
}

/// Waits for what is missing of these places.
async fn until_complete(
    client: &Client,
    limits: &SharedConcurrency,
    places: &mut Places,
) -> Result<(), Ended> {
    let Some(_waiting) = limits.queue(places) else { return Err(Ended::Full) };
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
    match outcome {
        Ok(done) => done.map_err(Ended::Otherwise),
        Err(Wait::Turn) => Err(Ended::Timeout),
        // The only other one that runs now is that of the whole request.
        Err(_) => Err(Ended::Otherwise(Failure::RequestTimeout)),
    }
}

fn refuse(x: &Exchange, refusal: Refusal) -> Failure {
    x.worker.counters.refuse(refusal);
    Failure::TooMuchAtOnce
}
