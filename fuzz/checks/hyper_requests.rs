//! Requests on one connection: hyper reads the same ones, and each ends at the same byte. Where it does not, the difference
//! stands in the list of `deviations`, with its section.

use crate::ours::{self, Kind, Reading};
use crate::{agreement, theirs};

/// What comes behind the last request, so that its end is seen.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

/// Our reading, which is hyper's.
fn agreed(bytes: &[u8]) -> Reading {
    let ours = ours::read(&Kind::Requests, [bytes]);
    let theirs = theirs::requests(bytes);
    match agreement::check(bytes, false, &ours, &theirs.messages, theirs.error.as_deref()) {
        Ok(()) => ours,
        Err(disagreement) => panic!("{disagreement}"),
    }
}

/// Holds any bytes against what must be true of them.
pub(crate) fn check(input: &[u8]) {
    let whole = agreed(input);
    let Some(&end) = whole.ends.last() else { return };
    let cut = agreed(&input[..end - 1]);
    assert_eq!(cut.messages.len() + 1, whole.messages.len(), "the last request needs its last byte");
    let mut more = input[..end].to_vec();
    more.extend_from_slice(NEXT);
    let more = agreed(&more);
    assert_eq!(
        more.messages[..whole.messages.len()],
        whole.messages,
        "what comes behind a request is no part of it"
    );
}
