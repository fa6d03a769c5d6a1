//! The body of a request, kept for a mode that may send it more than once (`semantics.md` §2.5).
//!
//! Most requests have none, and cost nothing here. What is kept is read by each attempt from its first byte; the client is
//! read once, and goes on where it was for whatever comes behind the body.

use std::rc::Rc;

use weir_core::retry::{RetryPolicy, is_safe};
use weir_http::field::KnownName as K;
use weir_http::framing::Framing;
use weir_http::head::Head;
use weir_upstream::body::Body;
use weir_upstream::body::replay::{Impossible, Replay, ReplayLimits, State};

use crate::exchange::{Exchange, RequestBody};
use crate::inbound::responder::Responder;
use crate::stages::failure::Failure;

/// Whether there is a body, and the policy could repeat the request.
pub(super) fn is_wanted(x: &Exchange, policy: &RetryPolicy) -> bool {
    !x.facts.body_is_empty() && policy.repeats() && is_safe(&x.request)
}

/// Keeps the body for repeats. `semantics.md` §2.5: in memory only, unless the configuration has the word `replay`. One that
/// is known to be too large is not kept at all, and counted.
pub(super) fn for_repeats(x: &Exchange, request: &mut RequestBody) -> Option<Rc<Replay>> {
    let limits = repeat_limits(x);
    if !fits(x.facts.framing, limits) {
        note_too_large(x, limits);
        return None;
    }
    Some(keep(x, limits, request))
}

/// What is kept of a body for repeats.
fn repeat_limits(x: &Exchange) -> ReplayLimits {
    let limits = x.snapshot.replay_limits(true);
    ReplayLimits { disk_bytes: limits.disk_bytes.filter(|_| x.snapshot.replay.written), ..limits }
}

/// Has the body kept from here on. Who sends it reads it from there; [`give_back`] ends that.
pub(super) fn keep(x: &Exchange, limits: ReplayLimits, request: &mut RequestBody) -> Rc<Replay> {
    Rc::new(std::mem::take(&mut request.body).into_replay(limits, &x.worker.replay))
}

/// Whether all of the body can be sent again, now and when more of it has come; a body that is not kept is not. One whose
/// length is not known may turn out to be too large.
pub(super) fn survives(x: &Exchange, replay: Option<&Replay>) -> bool {
    let is_known = matches!(x.facts.framing, Framing::Sized(_));
    x.facts.body_is_empty() || (is_known && replay.is_some())
}

/// Whether a body with this framing is known to fit into these limits, or may.
pub(super) fn fits(framing: Framing, limits: ReplayLimits) -> bool {
    match framing {
        Framing::Sized(bytes) => bytes <= limits.content_bytes_max(),
        Framing::None | Framing::Chunked | Framing::UntilClose => true,
    }
}

/// Counts a body that is known to be larger than these limits.
pub(super) fn note_too_large(x: &Exchange, limits: ReplayLimits) {
    let has_disk = limits.disk_bytes.is_some();
    x.worker.replay.note_impossible(if has_disk { Impossible::Disk } else { Impossible::Memory });
}

/// Whether it can be sent again from its first byte: nothing of what was read of it is lost.
pub(super) fn is_whole(x: &Exchange, replay: Option<&Replay>) -> bool {
    let is_there = |replay: &Replay| matches!(replay.state(), State::Arriving | State::Whole { .. });
    x.facts.body_is_empty() || replay.is_some_and(is_there)
}

/// Who keeps a body reads it at his own pace, so a client that waits to be asked for it is asked by us, and servers are not
/// told that it waits (`semantics.md` §1.5).
pub(super) async fn invite(x: &mut Exchange, responder: &mut Responder<'_>) -> Result<(), Failure> {
    if std::mem::take(&mut x.facts.expects_continue) {
        x.request.remove(K::Expect);
        responder.interim(&Head::answer(100)).await?;
    }
    Ok(())
}

/// Gives the client's body back, for what comes behind it. Whoever reads the replay must be gone, but for losers.
pub(super) fn give_back(x: &mut Exchange, replay: &Replay, request: &mut RequestBody) {
    // A reader that nobody could follow has the source.
    request.body = Body::Empty;
    let source = replay.take_source();
    // Without it nobody knows where the next request would begin.
    x.close |= source.is_none();
    request.body = source.map_or(Body::Empty, Body::from);
    if let Body::H1(body) = &request.body {
        x.record.received_bytes = x.record.received_bytes.max(body.received_bytes());
    }
}
