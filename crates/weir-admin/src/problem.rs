//! Answers in JSON: what was asked for, and refusals as problem documents (RFC 9457), so that programs can read what people can.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

/// What was asked for.
pub(crate) fn shown(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(format!("{value:#}\n")));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Which of these methods is wanted; HEAD is GET.
pub(crate) fn allowed<'m>(methods: &'m [Method], asked: &Method) -> Option<&'m Method> {
    let wanted = if *asked == Method::HEAD { &Method::GET } else { asked };
    methods.iter().find(|method| *method == wanted)
}

/// The answer to a request with another method than these (RFC 9110 §15.5.6).
pub(crate) fn not_allowed(methods: &[Method]) -> Response<Full<Bytes>> {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let names = names.join(", ");
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("this takes {names}"));
    if let Ok(value) = HeaderValue::from_str(&names.replace("GET", "GET, HEAD")) {
        answer.headers_mut().insert(ALLOW, value);
    }
    answer
}

/// An answer that says what is wrong with a request.
///
/// The type is `about:blank`: the status says what kind of problem it is, the detail says it of this request.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    document(status, detail, None)
}

/// The same with a member that says more (RFC 9457 §3.2).
pub(crate) fn problem_with(status: StatusCode, detail: &str, more: (&str, Value)) -> Response<Full<Bytes>> {
    document(status, detail, Some(more))
}

fn document(status: StatusCode, detail: &str, more: Option<(&str, Value)>) -> Response<Full<Bytes>> {
    let mut document = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let Some((name, value)) = more {
        document[name] = value;
    }
    let mut response = Response::new(Full::from(format!("{document}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
