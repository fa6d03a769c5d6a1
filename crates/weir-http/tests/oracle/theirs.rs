//! Reading with hyper.

use std::cell::RefCell;
use std::error::Error;
use std::future::pending;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, Uri, Version};

use crate::message::{Fields, Message, Start, sorted, with_plain_length};
use crate::ours::FIELDS_MAX;
use crate::wire::Wire;

/// What hyper made of the bytes of a connection.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The whole messages.
    pub(crate) messages: Vec<Message>,
    /// Why there are no more, if not for the end of the bytes.
    pub(crate) error: Option<String>,
}

/// Reads requests as hyper's server does, until the bytes end, a connection is to be closed, or one is refused.
pub(crate) fn requests(bytes: &[u8]) -> Reading {
    let messages = RefCell::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        let start = Start::Request(parts.method.as_str().into(), target(&parts.uri).into_bytes());
        let message = whole(start, parts.version, &parts.headers, body).await?;
        messages.borrow_mut().push(message);
        // Never a 2xx, which would make a tunnel of a CONNECT.
        let mut answer = Response::new(Empty::<Bytes>::new());
        *answer.status_mut() = hyper::StatusCode::NOT_FOUND;
        Ok::<_, hyper::Error>(answer)
    });
    let wire = Wire::ending(bytes);
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .max_headers(FIELDS_MAX)
        .serve_connection(wire.clone(), service);
    let end = wire.run(connection, pending());
    let error = match end {
        None => Some("stuck".to_owned()),
        Some(Ok(())) => None,
        Some(Err(error)) => Some(story(&error)),
    };
    Reading { messages: messages.take(), error }
}

/// An answer that hyper's client gets.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A whole one.
    Whole(Box<Message>),
    /// It waits for more.
    Waiting,
    /// It refuses.
    Refused(String),
}

/// Reads the answer to a request with this method; the connection may end behind the bytes.
pub(crate) fn answer(method: &str, bytes: &[u8], ends: bool) -> Answer {
    let mut answers = answers(&[(method, bytes)], ends);
    answers.pop().unwrap_or(Answer::Waiting)
}

/// Sends requests with these methods, one after the other, each answered with its bytes once it has been sent.
pub(crate) fn answers(exchanges: &[(&str, &[u8])], ends: bool) -> Vec<Answer> {
    let wire = Wire::default();
    for (index, (_, bytes)) in exchanges.iter().enumerate() {
        wire.offer(index + 1, bytes);
    }
    if ends {
        wire.end();
    }
    let handshake =
        hyper::client::conn::http1::Builder::new().max_headers(FIELDS_MAX).handshake(wire.clone());
    let (mut sender, connection) = wire.run(handshake, pending()).unwrap().unwrap();
    let answers = RefCell::new(Vec::new());
    let goal = async {
        for (method, _) in exchanges {
            if let Err(error) = sender.ready().await {
                return answers.borrow_mut().push(Answer::Refused(story(&error)));
            }
            let target = if *method == "CONNECT" { "host:80" } else { "/" };
            let request = Request::builder().method(*method).uri(target).body(Empty::<Bytes>::new()).unwrap();
            let read = async {
                let (parts, body) = sender.send_request(request).await?.into_parts();
                let reason = match parts.extensions.get::<ReasonPhrase>() {
                    Some(reason) => reason.as_bytes().to_vec(),
                    None => parts.status.canonical_reason().unwrap_or_default().into(),
                };
                let start = Start::Answer(parts.status.as_u16(), reason);
                whole(start, parts.version, &parts.headers, body).await
            };
            match read.await {
                Ok(message) => answers.borrow_mut().push(Answer::Whole(Box::new(message))),
                Err(error) => return answers.borrow_mut().push(Answer::Refused(story(&error))),
            }
        }
    };
    let waiting = wire.run(goal, async { drop(connection.await) }).is_none();
    let mut answers = answers.take();
    if waiting {
        answers.push(Answer::Waiting);
    }
    answers
}

async fn whole(
    start: Start,
    version: Version,
    fields: &HeaderMap,
    body: Incoming,
) -> Result<Message, hyper::Error> {
    let collected = body.collect().await?;
    let trailers = collected.trailers().map(all).unwrap_or_default();
    let body = collected.to_bytes().into();
    let fields = with_plain_length(all(fields));
    Ok(Message { start, http10: version == Version::HTTP_10, fields, body, trailers })
}

fn all(fields: &HeaderMap) -> Fields {
    sorted(fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// The target as [`crate::ours`] writes it.
fn target(uri: &Uri) -> String {
    let mut text = String::new();
    if let Some(scheme) = uri.scheme() {
        text = format!("{scheme}://");
    }
    if let Some(authority) = uri.authority() {
        text += authority.as_str();
    }
    if let Some(path_and_query) = uri.path_and_query() {
        text += path_and_query.path();
        if let Some(query) = path_and_query.query() {
            text = text + "?" + query;
        }
    }
    text
}

fn story(error: &hyper::Error) -> String {
    let mut story = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        story = format!("{story}: {error}");
        source = error.source();
    }
    story
}
