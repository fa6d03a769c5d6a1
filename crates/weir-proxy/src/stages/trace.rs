//! What becomes of `traceparent` and `tracestate` (W3C Trace Context), inside of *receive*.
//!
//! Weir records no spans itself. Its line of the access log is one: it has the trace, the client's part of it and ours. A
//! request without a trace, where none is begun, costs one look at the names of its fields.

use weir_config::model::{Believed, Trace, TraceRule};
use weir_core::forwarded;
use weir_core::trace_context::TraceContext;
use weir_http::field::{KnownName as K, NameSet};
use weir_http::head::Head;

use crate::access_log::Traced;
use crate::exchange::Exchange;
use crate::runtime::snapshot::Snapshot;

/// Whether anything has to be done.
#[inline]
pub(super) fn concerns(request: &Head, rule: &Trace) -> bool {
    match rule.rule {
        TraceRule::Off => false,
        TraceRule::Continue => request.has(K::Traceparent),
        TraceRule::Begin => true,
    }
}

/// Whether what this client says of ids counts.
pub(super) fn is_believed(x: &Exchange, snapshot: &Snapshot, from: Believed) -> bool {
    match from {
        Believed::Anyone => true,
        Believed::TrustedProxies => forwarded::is_trusted(x.client.peer().ip(), &snapshot.trusted_proxies),
        Believed::Nobody => false,
    }
}

/// Continues the client's trace or begins one, and says so to servers.
#[inline(never)]
pub(super) fn receive(x: &mut Exchange, snapshot: &Snapshot) {
    let rule = &snapshot.trace;
    let believed = is_believed(x, snapshot, rule.from);
    // §3.2: one field; two of them could be read as either.
    let came = x.request.only(K::Traceparent).filter(|_| believed).and_then(TraceContext::parse);
    let (context, parent_id) = match came {
        Some(came) => (came.asked_by(fastrand::u64(..)), Some(came.parent_id)),
        None => {
            // §3.3: whoever can't read the one field must not pass the other on.
            x.request.remove_all(NameSet::of(&[K::Traceparent, K::Tracestate]));
            if !believed && rule.rule == TraceRule::Continue {
                return;
            }
            let is_sampled = fastrand::f64() < rule.sampled.0;
            (TraceContext::begin(fastrand::u128(..), fastrand::u64(..), is_sampled), None)
        }
    };
    x.request.replace(K::Traceparent, &context.field());
    let traced = Traced { trace_id: context.trace_id, span_id: context.parent_id, parent_id };
    x.origin.trace = Some(Box::new((context, traced)));
}

/// The trace of the request, for those who make copies of it: each asks under an id of its own.
pub(crate) fn of_copy(x: &Exchange) -> Option<TraceContext> {
    x.origin.trace.as_deref().map(|(context, _)| *context)
}

/// Gives a copy of a request an id of its own in its trace, unless the route has taken the trace away.
pub(crate) fn mark_copy(head: &mut Head, context: TraceContext) {
    if head.has(K::Traceparent) {
        head.replace(K::Traceparent, &context.asked_by(fastrand::u64(..)).field());
    }
}
