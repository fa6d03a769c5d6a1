//! What the admin listener answers that is read as a whole. The table of paths stands in [`table`](crate::table); what can be
//! changed in [`queue_routes`](crate::queue_routes) and [`upstream_routes`](crate::upstream_routes).

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use weir_core::limit_hit::LimitHit;
use weir_core::metric::ANSWER_CLASSES;
use weir_core::ports::{AuthenticatedStatus, DURATION_BOUNDS_SECONDS, Histogram, Status, StatusSource};
use weir_core::refusal::Refusal;

use crate::certificates::certificate;
use crate::comparison::{comparison_json, comparison_status_json, mirror_json};
use crate::configuration::configuration;
use crate::failures::failure;
use crate::live::now;
use crate::metrics::{self, Dialect};
use crate::problem::shown;
use crate::upstreams::{self, upstream};

type Answer = Response<Full<Bytes>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

fn content(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// Alive: this answer is the proof, so nothing is asked.
pub(crate) fn healthz() -> Answer {
    content(StatusCode::OK, TEXT, "ok\n")
}

/// Ready for new requests: false from the first moment of draining (semantics.md §4.3).
pub(crate) fn readyz(source: &dyn StatusSource) -> Answer {
    let why = source.unready();
    if why.is_empty() {
        return content(StatusCode::OK, TEXT, "ready\n");
    }
    content(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready\n{}\n", why.join("\n")))
}

pub(crate) fn metrics(source: &dyn StatusSource, fields: &HeaderMap) -> Answer {
    let dialect = Dialect::accepted_by(fields);
    let page = metrics::page(&source.status(), now(), dialect);
    let mut answer = content(StatusCode::OK, HeaderValue::from_static(dialect.content_type()), page);
    answer.headers_mut().insert(hyper::header::VARY, HeaderValue::from_static("Accept"));
    answer
}

pub(crate) fn status(source: &dyn StatusSource) -> Answer {
    source.look_on();
    shown(StatusCode::OK, &status_json(&source.status()))
}

/// What comparisons of answers have found.
pub(crate) fn compare(source: &dyn StatusSource) -> Answer {
    let routes: Vec<_> = source.comparisons().iter().map(comparison_json).collect();
    shown(StatusCode::OK, &json!({ "routes": routes }))
}

/// Certificates that listeners serve.
pub(crate) fn certificates(source: &dyn StatusSource) -> Answer {
    let certificates: Vec<_> = source.status().certificates.iter().map(certificate).collect();
    shown(StatusCode::OK, &json!({ "certificates": certificates }))
}

/// The servers of all upstreams.
pub(crate) fn servers(source: &dyn StatusSource) -> Answer {
    source.look_on();
    let status = source.status();
    let servers = status.upstreams.iter().flat_map(|upstream| {
        upstream.servers.iter().map(|server| {
            let mut shown = upstreams::server(server);
            shown["upstream"] = upstream.name.as_str().into();
            shown
        })
    });
    shown(StatusCode::OK, &json!({ "servers": servers.collect::<Vec<_>>() }))
}

/// Requests that failed lately.
pub(crate) fn failures(source: &dyn StatusSource) -> Answer {
    let failures: Vec<_> = source.failures().iter().map(failure).collect();
    shown(StatusCode::OK, &json!({ "failures": failures }))
}

pub(crate) fn status_json(status: &Status) -> Value {
    let answers = ANSWER_CLASSES.iter().zip(status.answers_by_class);
    let limits = LimitHit::ALL.iter().zip(status.limits_hit);
    let refused = Refusal::ALL.iter().zip(status.refused_by_reason);
    json!({
        "version": status.version,
        "uptime_seconds": status.uptime_seconds,
        "ready": status.ready,
        "listeners": status.listeners,
        "certificates": status.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "configuration": configuration(&status.configuration),
        "workers": status.workers,
        "stalled_seconds": status.stalled.as_secs_f64(),
        "connections_open": status.connections_open,
        "connections_total": status.connections_total,
        "requests_in_flight": status.requests_in_flight,
        "requests_total": status.requests_total,
        "answers_by_class": Value::Object(answers.map(|(class, count)| ((*class).to_owned(), count.into())).collect()),
        "refused_by_reason": Value::Object(
            refused.map(|(reason, count)| (reason.name().to_owned(), count.into())).collect()
        ),
        "requests_waiting": status.requests_waiting,
        "limits_hit": Value::Object(limits.map(|(limit, count)| (limit.name().to_owned(), count.into())).collect()),
        "pool_connections_idle": status.pool_idle,
        "rate_takeovers_total": status.rate_takeovers_total,
        "bytes_received": status.bytes_received,
        "bytes_sent": status.bytes_sent,
        "panics_total": status.panics_total,
        "log_lines_dropped": status.log_lines_dropped,
        "authentication_refusals": status.authentication_refusals,
        "authenticated": status.authenticated.iter().map(authenticated_json).collect::<Vec<_>>(),
        "request_duration": histogram_json(&status.request_duration),
        "mirrors": status.mirrors.iter().map(mirror_json).collect::<Vec<_>>(),
        "comparisons": status.comparisons.iter().map(comparison_status_json).collect::<Vec<_>>(),
        "upstreams": status.upstreams.iter().map(upstream).collect::<Vec<_>>(),
    })
}

/// Counts per bucket, not cumulative; the last bucket is above all bounds and its bound is null.
fn histogram_json(histogram: &Histogram) -> Value {
    let counts = metrics::bucket_counts(histogram);
    let bounds = DURATION_BOUNDS_SECONDS.iter().map(|bound| Value::from(*bound)).chain([Value::Null]);
    let buckets = bounds.zip(counts).map(|(bound, count)| json!({"up_to_seconds": bound, "count": count}));
    json!({
        "count": counts.iter().sum::<u64>(),
        "sum_seconds": histogram.sum_seconds,
        "buckets": buckets.collect::<Vec<_>>(),
    })
}

fn authenticated_json(one: &AuthenticatedStatus) -> Value {
    json!({ "proof": one.proof, "name": one.name, "requests_total": one.requests_total })
}
