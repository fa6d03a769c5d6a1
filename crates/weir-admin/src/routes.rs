//! What the admin listener answers: the table of its paths.
//!
//! Everything is read-only and answers GET and HEAD. What can be changed stands in [`queue_routes`](crate::queue_routes) and
//! [`upstream_routes`](crate::upstream_routes).

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use weir_core::metric::ANSWER_CLASSES;
use weir_core::ports::{
    AuthenticatedStatus, CertificateStatus, DURATION_BOUNDS_SECONDS, Histogram, Status, StatusSource,
};
use weir_core::refusal::Refusal;

use crate::comparison::{comparison_json, comparison_status_json, mirror_json};
use crate::metrics::{self, Dialect};
use crate::problem::problem;
use crate::upstreams::upstream;

type Answer = Response<Full<Bytes>>;
/// A path and what answers it.
pub(crate) type Route = (&'static str, fn(&dyn StatusSource, &HeaderMap) -> Answer);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Everything there is.
pub(crate) const ALL: &[Route] = &[
    ("/healthz", healthz),
    ("/readyz", readyz),
    ("/metrics", metrics),
    ("/api/v1/status", status),
    ("/api/v1/compare", compare),
];

/// Metrics alone; at the root too, where the libraries of other languages serve them.
pub(crate) const METRICS: &[Route] = &[("/metrics", metrics), ("/", metrics)];

/// Answers a request whose Host and Origin were checked.
pub(crate) fn answer(paths: &[Route], source: &dyn StatusSource, head: &Parts) -> Answer {
    let Some((_, route)) = paths.iter().find(|(path, _)| *path == head.uri.path()) else {
        let paths: Vec<_> = paths.iter().map(|(path, _)| *path).collect();
        return problem(
            StatusCode::NOT_FOUND,
            &format!("there is nothing here; there are {}", paths.join(", ")),
        );
    };
    if head.method == Method::GET || head.method == Method::HEAD {
        return route(source, &head.headers);
    }
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "this can only be read, with GET or HEAD");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

fn content(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// Alive: this answer is the proof, so nothing is asked.
fn healthz(_: &dyn StatusSource, _: &HeaderMap) -> Answer {
    content(StatusCode::OK, TEXT, "ok\n")
}

/// Ready for new requests: false from the first moment of draining (semantics.md §4.3).
fn readyz(source: &dyn StatusSource, _: &HeaderMap) -> Answer {
    if source.status().ready {
        content(StatusCode::OK, TEXT, "ready\n")
    } else {
        content(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready\n")
    }
}

fn metrics(source: &dyn StatusSource, fields: &HeaderMap) -> Answer {
    let dialect = Dialect::accepted_by(fields);
    let page = metrics::page(&source.status(), dialect);
    let mut answer = content(StatusCode::OK, HeaderValue::from_static(dialect.content_type()), page);
    answer.headers_mut().insert(hyper::header::VARY, HeaderValue::from_static("Accept"));
    answer
}

fn status(source: &dyn StatusSource, _: &HeaderMap) -> Answer {
    source.look_on();
    content(StatusCode::OK, JSON, format!("{:#}\n", status_json(&source.status())))
}

/// What comparisons of answers have found.
fn compare(source: &dyn StatusSource, _: &HeaderMap) -> Answer {
    let routes: Vec<_> = source.comparisons().iter().map(comparison_json).collect();
    content(StatusCode::OK, JSON, format!("{:#}\n", json!({ "routes": routes })))
}

fn status_json(status: &Status) -> Value {
    let answers = ANSWER_CLASSES.iter().zip(status.answers_by_class);
    let refused = Refusal::ALL.iter().zip(status.refused_by_reason);
    json!({
        "version": status.version,
        "uptime_seconds": status.uptime_seconds,
        "ready": status.ready,
        "listeners": status.listeners,
        "certificates": status.certificates.iter().map(certificate_json).collect::<Vec<_>>(),
        "workers": status.workers,
        "connections_open": status.connections_open,
        "connections_total": status.connections_total,
        "requests_in_flight": status.requests_in_flight,
        "requests_total": status.requests_total,
        "answers_by_class": Value::Object(answers.map(|(class, count)| ((*class).to_owned(), count.into())).collect()),
        "refused_by_reason": Value::Object(
            refused.map(|(reason, count)| (reason.name().to_owned(), count.into())).collect()
        ),
        "requests_waiting": status.requests_waiting,
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

fn certificate_json(certificate: &CertificateStatus) -> Value {
    json!({
        "listener": certificate.listener,
        "file": certificate.file,
        "names": certificate.names,
        "issuer": certificate.issuer,
        "key": certificate.key,
        "sha256": certificate.fingerprint,
        "begins_seconds": certificate.begins_seconds,
        "expires_seconds": certificate.expires_seconds,
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
