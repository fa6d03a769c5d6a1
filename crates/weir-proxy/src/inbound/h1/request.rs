//! Reading the head of a request.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use tokio::task::coop;
use weir_config::model::Limits;
use weir_http::head::{Head, HeadError};
use weir_http::scan::{HeadScanner, blank_lines};
use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::Wait;
use weir_upstream::io::lent::LentHead;

use crate::inbound::client::Client;
use crate::runtime::snapshot::Snapshot;
use crate::stages::failure::Failure;

/// What came.
pub(super) enum Received {
    /// The head of a request.
    Head(LentHead),
    /// Nothing yet: readiness is a hint, and a fresh socket is taken for ready.
    Nothing,
    /// The end of the connection where a request could begin, or a client that is gone: nobody waits for an answer.
    End,
}

/// Reads a head. What came behind it stays in the buffer.
///
/// # Errors
/// Bytes that are no head, and a head that does not come to its end in time.
pub(super) async fn receive(
    client: &Client,
    snapshot: &Snapshot,
    buffer: &mut ReadBuffer,
) -> Result<Received, Failure> {
    match client.deadlines.guard(pin!(read(client, snapshot, buffer))).await {
        Ok(outcome) => {
            client.deadlines.clear(Wait::ClientHead);
            outcome
        }
        Err(_) => Err(Failure::RequestHeadTimeout),
    }
}

async fn read(client: &Client, snapshot: &Snapshot, buffer: &mut ReadBuffer) -> Result<Received, Failure> {
    let limits = &snapshot.limits;
    let mut scanner = HeadScanner::default();
    let mut skipped_bytes = 0;
    loop {
        if !scanner.has_begun() && !buffer.is_empty() {
            let blank = blank_lines(buffer.unread());
            skipped_bytes += blank;
            buffer.consume(blank);
            if skipped_bytes > limits.head_bytes {
                return Err(Failure::RequestHead(HeadError::TooLong));
            }
        }
        // A lone CR may be the first half of an empty line; it is looked at again with the next byte.
        if !matches!(buffer.unread(), b"" | b"\r") {
            let mut head = LentHead::new();
            if let Some(length) = parse(&mut head, &mut scanner, buffer.unread(), limits)? {
                buffer.consume(length);
                return Ok(Received::Head(head));
            }
        }
        // Empty lines begin no request: old clients send one behind a body (RFC 9112 §2.2) and are idle then.
        let begun = !buffer.is_empty();
        let read = poll_fn(|cx| match client.stream.poll_read(cx, buffer) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            // Something may have come, and it is the turn of others: to whoever waits for it the client would seem to have asked.
            Poll::Pending if !coop::has_budget_remaining() => Poll::Pending,
            Poll::Pending if begun => {
                client.deadlines.begin(Wait::ClientHead, snapshot.timeouts.request_head);
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(None),
        });
        match read.await {
            None => return Ok(Received::Nothing),
            Some(Ok(0)) if begun => return Err(Failure::RequestTruncated),
            Some(Ok(0) | Err(_)) => return Ok(Received::End),
            Some(Ok(_)) => {}
        }
    }
}

/// Parses the head once it is whole; one that is too long because of its target says so.
fn parse(
    head: &mut Head,
    scanner: &mut HeadScanner,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Option<usize>, Failure> {
    head.read_request(scanner, bytes, limits.head_bytes, limits.fields).map_err(|error| {
        let in_first_line = !bytes[..bytes.len().min(limits.head_bytes)].contains(&b'\n');
        if error == HeadError::TooLong && in_first_line {
            Failure::TargetTooLong
        } else {
            Failure::RequestHead(error)
        }
    })
}
