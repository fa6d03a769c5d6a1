//! Answers that Weir makes itself: small, honest, and with nothing internal in them.

use std::io::Write;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use weir_config::model::Redirect;
use weir_http::field::KnownName as K;
use weir_http::framing::Framing;
use weir_http::head::{Head, is_field_value};
use weir_http::{quality, status};
use weir_upstream::body::Body;
use weir_upstream::h1::pump::{PumpError, pump};
use weir_upstream::io::deadline::{Wait, now};
use weir_upstream::io::lent::LentHead;

use super::authenticate;
use super::failure::Failure;
use super::record;
use super::respond::{self, Source};
use crate::exchange::{Exchange, RequestBody};
use crate::inbound::client::Client;
use crate::inbound::responder::{Delivery, Responder};
use crate::runtime::snapshot::Respond;
use crate::runtime::worker::Worker;

/// The most bytes of an unread request body that are passed over to keep the connection.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// Methods that a refusal of TRACE and CONNECT names (RFC 9110 §15.5.6 asks for some); others are passed on too.
const PASSED_ON_METHODS: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Answers with the fixed text of a route.
pub(super) async fn respond(
    x: &mut Exchange,
    respond: &Respond,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    let mut head = LentHead::new();
    head.begin_answer(respond.status);
    send(x, &mut head, respond.content_type.as_bytes(), respond.body.clone(), request, responder).await
}

/// Answers with the redirect of a route.
pub(super) async fn redirect(
    x: &mut Exchange,
    redirect: &Redirect,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    let location = location(x, &redirect.location);
    let mut head = LentHead::new();
    head.begin_answer(redirect.status);
    // The path is normal and the query came in a request line, but a template is an operator's text.
    if !is_field_value(&location) {
        return Err(Failure::Rewrite);
    }
    head.append(K::Location, &location);
    let body = format!("{} {}\n", redirect.status, status::reason(redirect.status));
    send(x, &mut head, TEXT.as_bytes(), body.into(), request, responder).await
}

/// Answers `OPTIONS *`, which asks nothing but whether we are there (RFC 9110 §9.3.7).
pub(super) async fn options(
    x: &mut Exchange,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    let mut head = LentHead::new();
    head.begin_answer(204);
    send(x, &mut head, b"", Bytes::new(), request, responder).await
}

/// Puts the request's parts into the template of a redirect.
fn location(x: &Exchange, template: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(template.len() + x.request.target().len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.extend_from_slice(before.as_bytes());
        let variable = ["scheme", "host", "path", "query"].into_iter().find(|name| after.starts_with(name));
        match variable {
            Some("scheme") => out.extend_from_slice(x.scheme().as_bytes()),
            Some("host") => out.extend_from_slice(&x.facts.host),
            Some("path") => out.extend_from_slice(x.path()),
            Some(_) => {
                if let Some(query) = x.query() {
                    out.push(b'?');
                    out.extend_from_slice(query);
                }
            }
            None => out.push(b'$'),
        }
        rest = &after[variable.map_or(0, str::len)..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// Makes a failure visible: as an answer, while none has begun, else by cutting it.
pub(super) async fn fail(
    x: &mut Exchange,
    failure: &Failure,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) {
    // An answer whose head has not left yet is taken back: a client that got nothing at all would take the connection for
    // one that died while it was idle, and send its request again.
    if !failure.has_reader() || !responder.take_back() {
        responder.abort();
        return;
    }
    let mut head = LentHead::new();
    // Clients with keys are programs.
    let for_programs = matches!(failure, Failure::Unauthenticated { .. });
    let wants_json = for_programs || quality::prefers_json(x.request.get_all(K::Accept));
    let body = failure_body(&mut head, failure, &x.origin.request_id, wants_json, &repeats(x));
    if let Failure::Unauthenticated { bad_token, .. } = failure
        && head.status() == 401
    {
        authenticate::challenge(x, &mut head, *bad_token);
    } else if let Failure::MethodNotRouted(methods) = failure {
        head.append("Allow", methods.join(", ").as_bytes());
    } else if matches!(failure, Failure::MethodRefused) {
        head.append("Allow", PASSED_ON_METHODS);
    }
    x.record.reason = Some(failure.reason());
    x.client.deadlines.clear_all();
    let content_type = if wants_json { JSON } else { TEXT };
    if send(x, &mut head, content_type.as_bytes(), body.into(), request, responder).await.is_err() {
        responder.abort();
    }
}

/// Answers bytes that did not become an exchange.
///
/// # Errors
/// The client is gone.
pub(crate) async fn answer_without_exchange(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    failure: &Failure,
    responder: &mut Responder<'_>,
) -> Result<(), PumpError> {
    let mut head = LentHead::new();
    let body = failure_body(&mut head, failure, b"", false, "");
    let length = body.len();
    head.append(K::ContentType, TEXT.as_bytes());
    head.append(K::ContentLength, length.to_string().as_bytes());
    head.append(K::Date, &worker.date.date(now()));
    head.append(K::Connection, b"close");
    responder.head(&head, Delivery::Sized);
    pump(&mut Body::Memory(body.into()), responder).await?;
    record::record_refused(worker, client, failure, length as u64);
    Ok(())
}

/// What `Proxy-Status` says of repeats, behind what went wrong at last.
fn repeats(x: &Exchange) -> String {
    let attempts = match x.record.attempts {
        attempts @ 2.. => format!(", after {attempts} attempts"),
        _ => String::new(),
    };
    if x.record.unpaid { attempts + ", the retry budget is used up" } else { attempts }
}

/// Begins the head of a failure's answer and gives its body.
fn failure_body(head: &mut Head, failure: &Failure, request_id: &[u8], json: bool, repeats: &str) -> Vec<u8> {
    let code = failure.status();
    head.begin_answer(code);
    let text = failure.text();
    // RFC 9209 §2: our name, the kind of error, and what it was, as a quoted string.
    let details = text.replace(['\\', '"'], "'");
    head.append_parts(
        K::ProxyStatus,
        &[
            b"weir; error=",
            failure.reason().as_bytes(),
            b"; details=\"",
            details.as_bytes(),
            repeats.as_bytes(),
            b"\"",
        ],
    );
    if let Some(seconds) = failure.retry_after_seconds() {
        head.append(K::RetryAfter, seconds.to_string().as_bytes());
    }
    let mut body = Vec::new();
    let id = String::from_utf8_lossy(request_id);
    let reason = status::reason(code);
    // Writing into memory can't fail; the texts hold nothing that JSON would have to escape but quotes and backslashes.
    let _ = if json {
        let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let (text, id) = (quote(&text), quote(&id));
        writeln!(
            body,
            "{{\"status\":{code},\"error\":\"{reason}\",\"detail\":\"{text}\",\"request_id\":\"{id}\"}}"
        )
    } else if id.is_empty() {
        writeln!(body, "{code} {reason}: {text}")
    } else {
        writeln!(body, "{code} {reason}: {text}\nrequest id: {id}")
    };
    body
}

/// Sends an answer of ours. The rest of the request's body is passed over if it is small and here already; otherwise the
/// connection ends after the answer.
async fn send(
    x: &mut Exchange,
    head: &mut Head,
    content_type: &[u8],
    content: Bytes,
    request: &mut RequestBody,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    let request_read =
        x.facts.keep_alive && !x.facts.expects_continue && is_passed_over(&mut request.body).await;
    let has_content = !matches!(head.status(), 204 | 304);
    if has_content {
        if !content.is_empty() {
            head.append(K::ContentType, content_type);
        }
        head.append(K::ContentLength, content.len().to_string().as_bytes());
    }
    let is_head = x.request.method() == weir_http::method::Method::Head;
    let framing = if has_content && !is_head { Framing::Sized(content.len() as u64) } else { Framing::None };
    respond::begin(x, head, framing, Source::Weir, request_read, responder);
    let deadlines = Rc::clone(&x.client.deadlines);
    deadlines.clear(Wait::Request);
    let mut body = Body::Memory(content);
    let outcome = deadlines.guard(pin!(pump(&mut body, responder))).await;
    x.look();
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Failure::ClientGone),
    }
}

/// Whether the body could be passed over without waiting for it.
async fn is_passed_over(body: &mut Body) -> bool {
    let mut left = DISCARDED_BYTES_MAX;
    let passed_over = std::future::poll_fn(|cx| match body.poll_discard(cx, &mut left) {
        Poll::Ready(ended) => Poll::Ready(ended),
        Poll::Pending => Poll::Ready(false),
    });
    let passed_over = passed_over.await;
    // Nobody waits for it any more; our answer may take its time.
    body.pause();
    passed_over
}
