//! Hearing the body of an answer while somebody reads it anyway, so that the answers to one write can be compared.
//!
//! Nothing is read for it alone: the winner's body passes by on its way to the client, the others are read for a moment so that
//! their connections can be used again. So what is larger than that, or does not come in time, is not known to differ.

use std::hash::{BuildHasher, DefaultHasher};
use std::io;
use std::rc::Rc;

use weir_http::framing::Framing;
use weir_http::head::Head;
use weir_upstream::h1::pump::BodySink;
use weir_upstream::h1::sink::Direct;

use super::agreement::Agreement;
use super::copy::Held;
use super::digest::Digest;
use crate::runtime::worker::Worker;

/// What was heard so far of one body.
#[derive(Debug)]
pub(super) struct Hearing {
    agreement: Rc<Agreement>,
    status: u16,
    digest: Digest<DefaultHasher>,
    /// Bytes that may yet come; `None` when there were more.
    left_bytes: Option<usize>,
}

impl Hearing {
    /// Of the body of this answer, of which nothing was read yet. `None` where nobody wants to know, or where it is known to be
    /// larger than so many bytes.
    pub(super) fn of(held: &mut Held, worker: &Worker, bytes_max: usize) -> Option<Self> {
        let agreement = held.agreement.take()?;
        let status = held.head.status();
        let is_too_large = matches!(held.framing, Framing::Sized(bytes) if bytes > bytes_max as u64);
        if is_too_large || !Agreement::compares(status) {
            return None;
        }
        let digest = Digest::new(worker.digests.build_hasher());
        Some(Self { agreement, status, digest, left_bytes: Some(bytes_max) })
    }

    /// The next piece.
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.left_bytes = self.left_bytes.and_then(|left| left.checked_sub(piece.len()));
        if self.left_bytes.is_some() {
            self.digest.add(piece);
        }
    }

    /// The body has come to its end.
    pub(super) fn end(self) {
        if self.left_bytes.is_some() {
            self.agreement.hear_body(self.status, self.digest.finish());
        }
    }
}

/// Where a body goes that is heard on its way, if anybody wants to.
pub(super) struct Heard<'s, S> {
    /// Where it goes.
    pub sink: &'s mut S,
    /// What is heard of it.
    pub hearing: Option<Hearing>,
}

impl<S: BodySink> BodySink for Heard<'_, S> {
    async fn data(&mut self, chunk: &[u8]) -> io::Result<()> {
        if let Some(hearing) = &mut self.hearing {
            hearing.add(chunk);
        }
        self.sink.data(chunk).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.sink.flush().await
    }

    /// The body has come whole, whether or not the last of it can be written.
    async fn end(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        if let Some(hearing) = self.hearing.take() {
            hearing.end();
        }
        self.sink.end(trailers).await
    }

    fn keeps_back(&self) -> bool {
        self.sink.keeps_back()
    }

    fn direct(&mut self) -> Option<&mut dyn Direct> {
        if self.hearing.is_some() { None } else { self.sink.direct() }
    }
}
