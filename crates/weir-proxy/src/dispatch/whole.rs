//! Reading an answer to its end before anybody gets it, with a digest of its body, for modes that compare answers.
//!
//! The body is kept like a request's: in memory, then in a file, up to the same limits. An answer that is larger is as good
//! as broken.

use std::future::poll_fn;
use std::hash::BuildHasher;
use std::rc::Rc;
use std::task::Poll;

use weir_upstream::body::replay::{ReplayLimits, Source};
use weir_upstream::body::{Body, ReadError};

use super::copy::Held;
use super::digest::Digest;
use crate::runtime::worker::Worker;

/// An answer that can't be compared.
#[derive(Debug)]
pub(super) struct Unread;

/// Reads the answer to its end and gives its connection back. Its body can be read again after that.
pub(super) async fn read(
    mut held: Box<Held>,
    worker: Rc<Worker>,
    limits: ReplayLimits,
) -> Result<(Box<Held>, u64), Unread> {
    let replay = std::mem::take(&mut held.body).into_replay(limits, &worker.replay);
    let mut body = Body::from(replay.reader());
    let mut digest = Digest::new(worker.digests.build_hasher());
    loop {
        let deadlines = Rc::clone(&held.deadlines);
        let filled = poll_fn(|cx| {
            // A server may want the rest of the request before it says more.
            held.poll_upload(cx);
            if let Poll::Ready(filled) = body.poll_fill(cx) {
                return Poll::Ready(filled.map_err(|error| tell(&error)));
            }
            deadlines.poll_passed(cx).map(|_| Err(Unread))
        });
        if let Err(unread) = filled.await {
            held.blame();
            return Err(unread);
        }
        let chunk = body.chunk();
        if chunk.is_empty() {
            break;
        }
        digest.add(chunk);
        let count = chunk.len();
        body.consume(count);
    }
    if let Some(Source::H1(source)) = replay.take_source() {
        held.release(&worker, source);
    }
    held.body = replay.reader().into();
    Ok((held, digest.finish()))
}

fn tell(error: &ReadError) -> Unread {
    tracing::debug!(%error, "an answer can't be compared");
    Unread
}
