//! Stage *record*: what is told of an exchange when it is over.

use std::rc::Rc;
use std::time::Duration;

use smallvec::SmallVec;
use weir_core::dispatch::Mode;
use weir_core::ports::failures::RecentFailure;
use weir_http::field::KnownName as K;
use weir_upstream::io::deadline::since_epoch;
use weir_upstream::message_counts::Source;

use super::failure::Failure;
use crate::access_log::{Entry, Try};
use crate::exchange::Exchange;
use crate::inbound::client::Client;
use crate::inbound::responder::{Progress, Responder};
use crate::runtime::clock::time_of_day;
use crate::runtime::durations::Sample;
use crate::runtime::traffic::Over;
use crate::runtime::worker::Worker;
use crate::tries::Tried;

/// Bytes of what a client has written that are shown to people.
const SHOWN_BYTES_MAX: usize = 200;

/// Counts the exchange and writes its line.
pub(super) fn record(x: &mut Exchange, responder: &Responder<'_>, failure: Option<&Failure>) {
    if responder.progress() != Progress::Ended {
        x.look();
    }
    let duration = x.now - x.begun;
    x.client.last_active.set(Some(x.now));
    let counters = &x.worker.counters;
    let sample = Sample::of(duration);
    counters.observe_duration(sample);
    x.record.sent_bytes += responder.content_bytes();
    counters.sent_bytes.add(x.record.sent_bytes);
    counters.received_bytes.add(x.record.received_bytes);
    if matches!(failure, Some(Failure::Panic)) {
        counters.panics.add(1);
        tracing::error!(request_id = %String::from_utf8_lossy(&x.origin.request_id), "an exchange panicked");
    }
    if responder.progress() == Progress::NotBegun {
        x.record.status = 0;
    }
    count_status(&x.worker, x.record.status);
    if let Some(place) = x.found {
        x.snapshot.tally(place).note(&Over {
            mode: x.record.mode,
            method: x.request.method(),
            status: x.record.status,
            duration: sample,
            head: x.record.upstream,
        });
    }
    if let Some(limit) = failure.and_then(Failure::limit) {
        x.worker.counters.hit(limit);
    }
    if x.record.status >= 500 || matches!(failure, Some(Failure::AnswerBroken)) {
        note_failure(x, failure, duration);
    }
    if let Some(messages) = &x.snapshot.messages {
        messages.request(Source::Client, x.request.method());
        messages.answer(Source::Proxy, x.record.status);
    }
    x.record.reason = failure.map(Failure::reason).or(x.record.reason);
    if let Some(failure) = failure {
        tell(x, failure);
    }
    if let Some(wanted) = &x.snapshot.access_log
        && wanted.takes(x.record.status, x.record.reason)
        && let Some(log) = &mut *x.worker.log.borrow_mut()
    {
        let tries: SmallVec<[Try<'_>; 4]> = x.record.tries.iter().map(told).collect();
        log.log(&wanted.form, &Entry { tries: &tries, ..entry(x, duration) });
    }
}

/// Keeps a request that failed by no fault of its client, for people.
#[cold]
fn note_failure(x: &Exchange, failure: Option<&Failure>, duration: Duration) {
    let at = since_epoch();
    let shortened = |text: &[u8]| {
        let text = String::from_utf8_lossy(&text[..text.len().min(SHOWN_BYTES_MAX)]);
        text.into_owned()
    };
    x.worker.counters.failures.note(at, || RecentFailure {
        at,
        service: x.service().map_or_else(String::new, |service| service.name.to_string()),
        route: x.route().map_or_else(String::new, |route| route.name.to_string()),
        server: x.record.server.as_ref().map_or_else(String::new, |server| server.name().to_owned()),
        method: shortened(x.request.method_token()),
        // A bug that ended the exchange may have left it half changed.
        path: shortened(x.request.target().get(x.facts.path.clone()).unwrap_or_default()),
        status: x.record.status,
        reason: failure.map_or("server_answered", Failure::reason),
        text: failure.map_or_else(|| format!("the server answered with {}", x.record.status), Failure::text),
        attempts: x.record.attempts,
        duration,
        request_id: shortened(&x.origin.request_id),
    });
}

/// Counts and logs bytes that did not become an exchange.
pub(super) fn record_refused(worker: &Rc<Worker>, client: &Rc<Client>, failure: &Failure, sent_bytes: u64) {
    worker.counters.requests.add(1);
    count_status(worker, failure.status());
    if let Some(limit) = failure.limit() {
        worker.counters.hit(limit);
    }
    let snapshot = worker.snapshot();
    if let Some(messages) = &snapshot.messages {
        messages.answer(Source::Proxy, failure.status());
    }
    tracing::debug!(client = %client.peer().ip(), reason = failure.reason(), "bytes that are no request were refused");
    if let (Some(log), Some(wanted)) = (&mut *worker.log.borrow_mut(), &snapshot.access_log) {
        let entry = Entry {
            status: failure.status(),
            bytes_sent: sent_bytes,
            reason: Some(failure.reason()),
            scheme: client.scheme(),
            ..Entry::of(client.peer().ip(), time_of_day())
        };
        log.log(&wanted.form, &entry);
    }
}

/// Says in the operational log what the access log and the client have a word for, under the same id.
#[cold]
fn tell(x: &Exchange, failure: &Failure) {
    tracing::debug!(
        request_id = %String::from_utf8_lossy(&x.origin.request_id),
        route = x.route().map_or("", |route| &*route.name),
        server = x.record.server.as_deref().map(weir_upstream::member::Server::name),
        status = x.record.status,
        reason = failure.reason(),
        why = failure.text().as_str(),
        "a request failed",
    );
}

fn count_status(worker: &Worker, status: u16) {
    if let Some(class) = usize::from(status / 100).checked_sub(1).filter(|class| *class < 5) {
        worker.counters.answers_by_class[class].add(1);
    }
}

fn told(tried: &Tried) -> Try<'_> {
    let (server, outcome, status) = (tried.server.name(), tried.outcome.name(), tried.outcome.status());
    Try { server, outcome, status, time: tried.time }
}

fn entry(x: &Exchange, duration: Duration) -> Entry<'_> {
    Entry {
        client: x.facts.client,
        peer: x.client.peer().ip(),
        received: time_of_day() - duration,
        method: x.request.method_token(),
        target: &x.origin.target,
        version: x.facts.version.as_str(),
        scheme: x.client.scheme(),
        status: x.record.status,
        bytes_sent: x.record.sent_bytes,
        bytes_received: x.record.received_bytes,
        referer: x.request.get(K::Referer),
        user_agent: x.request.get(K::UserAgent),
        host: (!x.origin.authority.is_empty()).then_some(&*x.origin.authority),
        service: x.service().map_or("", |service| &*service.name),
        route: x.route().map_or("", |route| &*route.name),
        server: x.record.server.as_deref().map(weir_upstream::member::Server::name),
        user: (!x.identity.is_empty()).then_some(&*x.identity),
        head: Some(&x.request),
        attempts: x.record.attempts,
        tries: &[],
        mode: x.record.mode.map_or("", Mode::name),
        copies: x.record.copies,
        queued: x.record.queued,
        connecting: x.record.connecting,
        upstream_seconds: x.record.upstream,
        duration,
        request_id: &x.origin.request_id,
        trace: x.origin.trace.as_deref().map(|(_, traced)| *traced),
        reason: x.record.reason,
    }
}
