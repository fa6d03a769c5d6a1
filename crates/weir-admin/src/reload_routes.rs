//! What the admin listener answers under `/api/v1/reload`: the configuration is read again, and what that changed is told.
//!
//! The answer comes when every worker uses the new configuration, or when it is known why none does. A page in a browser can't
//! ask for it: another origin is refused before.

use bytes::Bytes;
use http_body_util::Full;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use weir_core::ports::reload::{ReloadError, Reloaded, SharedReloadControl};

use crate::problem::{allowed, not_allowed, problem, problem_with, shown};

/// Answers a request whose Host and Origin were checked.
pub(crate) async fn answer(control: &SharedReloadControl, head: &Parts) -> Response<Full<Bytes>> {
    if allowed(&[Method::POST], &head.method).is_none() {
        return not_allowed(&[Method::POST]);
    }
    if head.uri.query().is_some_and(|query| !query.is_empty()) {
        return problem(StatusCode::BAD_REQUEST, "this takes no parameters");
    }
    match control.reload().await {
        Ok(reloaded) => shown(StatusCode::OK, &told(&reloaded)),
        Err(error) => refused(&error),
    }
}

pub(crate) fn told(reloaded: &Reloaded) -> Value {
    let changes = reloaded
        .changes
        .iter()
        .map(|change| json!({ "what": change.what.name(), "how": change.how.name(), "name": change.name }));
    json!({
        "generation": reloaded.generation,
        "took_seconds": reloaded.took.as_secs_f64(),
        "pause_seconds": reloaded.pause.as_secs_f64(),
        "changes": changes.collect::<Vec<_>>(),
        "changes_total": reloaded.changes_total,
        "warnings": reloaded.warnings,
    })
}

fn refused(error: &ReloadError) -> Response<Full<Bytes>> {
    let status = match error {
        ReloadError::Invalid { json, .. } => {
            let report = serde_json::from_str(json).unwrap_or(Value::Null);
            return problem_with(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string(), ("report", report));
        }
        ReloadError::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        ReloadError::NoFile | ReloadError::Refused(_) => StatusCode::CONFLICT,
        ReloadError::Ending => StatusCode::SERVICE_UNAVAILABLE,
    };
    problem(status, &error.to_string())
}
