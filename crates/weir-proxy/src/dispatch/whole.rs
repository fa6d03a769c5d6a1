//! Reading an answer to its end before anybody gets it, with a digest of its body, for modes that compare answers.
//!
//! The body is kept like a request's: in memory, then in a file, up to the same limits. An answer that is larger is as good
//! as broken.

use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;
use std::task::Poll;

use weir_upstream::body::replay::{ReplayLimits, Source};
use weir_upstream::body::{Body, ReadError};

use super::copy::Held;
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

/// A digest of bytes that is the same however they are cut into pieces.
struct Digest<H> {
    hasher: H,
    /// Bytes that are no whole word yet.
    odd: [u8; 8],
    odd_bytes: usize,
    bytes: u64,
}

impl<H: Hasher> Digest<H> {
    fn new(hasher: H) -> Self {
        Self { hasher, odd: [0; 8], odd_bytes: 0, bytes: 0 }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while self.odd_bytes > 0 || bytes.len() < 8 {
            let Some((first, rest)) = bytes.split_first() else { return };
            self.odd[self.odd_bytes] = *first;
            self.odd_bytes += 1;
            bytes = rest;
            if self.odd_bytes == 8 {
                self.hasher.write_u64(u64::from_le_bytes(self.odd));
                self.odd_bytes = 0;
            }
        }
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.hasher.write_u64(u64::from_le_bytes(*word));
        }
        self.odd[..rest.len()].copy_from_slice(rest);
        self.odd_bytes = rest.len();
    }

    fn finish(mut self) -> u64 {
        self.odd[self.odd_bytes..].fill(0);
        self.hasher.write_u64(u64::from_le_bytes(self.odd));
        self.hasher.write_u64(self.bytes);
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use super::*;

    fn digest(state: &RandomState, pieces: &[&[u8]]) -> u64 {
        let mut digest = Digest::new(state.build_hasher());
        pieces.iter().for_each(|piece| digest.add(piece));
        digest.finish()
    }

    #[test]
    fn a_digest_does_not_depend_on_how_the_bytes_came() {
        let state = RandomState::new();
        let bytes: Vec<u8> = (0..100).collect();
        let whole = digest(&state, &[&bytes]);
        for first in 0..=100 {
            for second in first..=100 {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(digest(&state, &pieces), whole, "{first} {second}");
            }
        }
        assert_ne!(digest(&state, &[&bytes[..99]]), whole);
        assert_ne!(digest(&state, &[b"a\0"]), digest(&state, &[b"a"]));
        assert_ne!(digest(&state, &[b""]), digest(&state, &[b"\0"]));
        assert_ne!(digest(&RandomState::new(), &[&bytes]), whole, "each process has a secret of its own");
    }
}
