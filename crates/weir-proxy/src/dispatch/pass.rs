//! Passing on the answer that was chosen among several.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use weir_core::ports::queue::KeptAnswer;
use weir_http::field::KnownName as K;
use weir_http::framing::Framing;
use weir_http::head::Head;
use weir_upstream::body::Body;
use weir_upstream::h1::pump::{PumpError, pump};
use weir_upstream::io::deadline::Wait;

use super::copy::Held;
use super::hearing::{Heard, Hearing};
use super::linger;
use crate::exchange::Exchange;
use crate::inbound::responder::Responder;
use crate::stages::failure::Failure;
use crate::stages::respond;

/// Passes this answer on, to its end. The rest of its request goes on meanwhile; that of a write may go on for so long
/// behind it, because a server that answers early does not have all of it yet.
///
/// # Errors
/// The client is gone, or the answer broke off.
pub(super) async fn on(
    x: &mut Exchange,
    mut held: Box<Held>,
    request_read: bool,
    goes_on: Option<Duration>,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    x.record.upstream = Some(x.look() - x.begun);
    (x.record.served, x.record.connecting) = (Some(held.served), held.connecting);
    respond::begin(x, &mut held.head, held.framing, respond::Source::Server, request_read, responder);
    let client = Rc::clone(&x.client);
    let hearing = Hearing::of(&mut held, &x.worker, linger::BYTES_MAX);
    let mut heard = Heard { sink: responder, hearing };
    let Held { body, upload, deadlines, .. } = &mut *held;
    let mut uploaded = None;
    let outcome = {
        let mut download = pin!(pump(body, &mut heard));
        poll_fn(|cx| {
            if let Some(sending) = upload
                && let Poll::Ready(outcome) = sending.as_mut().poll(cx)
            {
                uploaded = Some(outcome.is_ok());
                *upload = None;
            }
            if let Poll::Ready(outcome) = download.as_mut().poll(cx) {
                return Poll::Ready(outcome.map_err(|error| match error {
                    PumpError::Read(error) => {
                        tracing::debug!(%error, "an answer broke off");
                        Failure::AnswerBroken
                    }
                    PumpError::Write(error) => error.into(),
                }));
            }
            if upload.is_none() && client.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Failure::ClientGone));
            }
            loop {
                match deadlines.poll_passed(cx) {
                    // `semantics.md` §1.7: once the answer has begun, the rest of the request is worth less than the answer.
                    Poll::Ready(Wait::ServerWrite) => *upload = None,
                    Poll::Ready(_) => return Poll::Ready(Err(Failure::AnswerBroken)),
                    Poll::Pending => break,
                }
            }
            loop {
                match client.deadlines.poll_passed(cx) {
                    Poll::Ready(Wait::ClientBody) => *upload = None,
                    Poll::Ready(Wait::Request) => return Poll::Ready(Err(Failure::RequestTimeout)),
                    Poll::Ready(_) => return Poll::Ready(Err(Failure::ClientGone)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    };
    if let Some(done) = uploaded {
        held.uploaded(done);
    }
    x.look();
    if matches!(outcome, Err(Failure::AnswerBroken)) {
        held.blame();
    }
    match goes_on.filter(|_| held.upload.is_some()) {
        Some(patience) => linger::let_write_go(&x.worker, *held, patience),
        None if outcome.is_ok() => held.finish(&x.worker),
        None => {}
    }
    outcome
}

/// Passes an answer on that was kept whole. One that was too large to be kept comes without its body: what matters of the
/// answer to a write is that the server has it.
///
/// # Errors
/// The client is gone, or what was kept is no answer.
pub(super) async fn delivered(
    x: &mut Exchange,
    answer: &KeptAnswer,
    request_read: bool,
    responder: &mut Responder<'_>,
) -> Result<(), Failure> {
    x.record.upstream = Some(x.look() - x.begun);
    let mut head = Head::default();
    if head.parse_answer(&answer.head, usize::MAX).is_err() {
        return Err(Failure::AnswerBroken);
    }
    let content = if answer.cut { Bytes::new() } else { answer.body.clone() };
    for name in [K::ContentLength, K::TransferEncoding, K::Connection] {
        head.remove(name);
    }
    if answer.cut {
        head.remove(K::ContentType);
    }
    let framing = match head.status() {
        204 | 304 => Framing::None,
        _ => {
            head.append(K::ContentLength, content.len().to_string().as_bytes());
            Framing::Sized(content.len() as u64)
        }
    };
    respond::begin(x, &mut head, framing, respond::Source::Server, request_read, responder);
    let client = Rc::clone(&x.client);
    let mut body = Body::Memory(content);
    let outcome = client.deadlines.guard(pin!(pump(&mut body, responder))).await;
    x.look();
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Failure::ClientGone),
    }
}
