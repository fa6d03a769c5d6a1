//! Passing a large body on without looking at it: the system moves it from one socket to the other.
//!
//! Only what needs no look: content of a length that was announced, between two plain sockets, that nobody keeps, copies, counts or
//! codes on its way. Small bodies come with their heads and are copied.

use std::io::ErrorKind::PermissionDenied;
use std::task::{Context, Poll, ready};

use super::error::PumpError;
use super::sink::{BodySink, Direct};
use crate::body::{Body, H1Body, ReadError};
use crate::io::conduit::Conduit;

/// Bytes that must be left of a body so that a passage is worth a pipe and its calls.
const WORTH_BYTES: u64 = 32 * 1024;

/// Bytes after which others have their turn: neither side may ever make it wait when both are on this machine.
const TURN_BYTES_MAX: usize = 1 << 20;

/// Whether the rest of the body is better passed on so than read and written.
#[inline]
pub(super) fn is_worth_it(body: &Body, sink: &mut impl BodySink) -> bool {
    let Body::H1(body) = body else { return false };
    body.unread_bytes() >= WORTH_BYTES
        && body.from().stream.is_plain_socket()
        && sink.direct().is_some_and(|sink| sink.takes_as_it_is())
}

/// Moves the body on until all of it has passed, or its source has ended, or there is no conduit: what is left is read and
/// written as ever. `held` is what is under way; it holds something at the end only where the system refuses to give it out.
///
/// # Errors
/// Which side failed. The body is broken then.
pub(super) fn poll(
    cx: &mut Context<'_>,
    body: &mut H1Body,
    sink: &mut dyn Direct,
    held: &mut Option<Conduit>,
) -> Poll<Result<(), PumpError>> {
    let mut moved_bytes = 0;
    loop {
        if let Some(mut conduit) = held.take_if(|conduit| !conduit.is_empty()) {
            let given = sink.poll_out_of(cx, &mut conduit);
            *held = Some(conduit);
            match ready!(given) {
                Ok(()) => continue,
                // Who forbids the call has done so on the way in; here it is a filter of packets that wants this client to get nothing.
                Err(error) if error.kind() != PermissionDenied && Conduit::is_refusal(&error) => {
                    Conduit::refuse();
                    return Poll::Ready(Ok(()));
                }
                Err(error) => return Poll::Ready(Err(PumpError::Write(error))),
            }
        }
        if moved_bytes >= TURN_BYTES_MAX {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let left = body.unread_bytes();
        let Some(mut conduit) = held.take().filter(|_| left > 0).or_else(|| obtain(left)) else {
            return Poll::Ready(Ok(()));
        };
        // While nothing comes it goes back: others may need it.
        match ready!(body.poll_into(cx, &mut conduit)) {
            Ok(0) => return Poll::Ready(Ok(())),
            Ok(bytes) => {
                moved_bytes += bytes;
                *held = Some(conduit);
            }
            Err(error) if Conduit::is_refusal(&error) => {
                Conduit::refuse();
                return Poll::Ready(Ok(()));
            }
            Err(error) => return Poll::Ready(Err(PumpError::Read(ReadError::Io(error)))),
        }
    }
}

fn obtain(left_bytes: u64) -> Option<Conduit> {
    if left_bytes == 0 { None } else { Conduit::obtain() }
}

#[cfg(test)]
mod tests;
