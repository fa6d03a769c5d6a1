//! The bodies of answers, made as they are sent.
//!
//! A body of any length costs the same memory: `/bytes/N` hands out slices of one static block, `/stream/N` makes one line
//! at a time.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Length of the pattern. A prime, so that no block of a power of two lines up with it and a lost or doubled block shows.
const PATTERN_PERIOD: usize = 251;
/// Repetitions in the static block: about 63 KiB, and a whole number of periods, so that every frame begins at zero.
const PATTERN_REPETITIONS: usize = 256;

static PATTERN: LazyLock<Bytes> = LazyLock::new(|| {
    let length = PATTERN_PERIOD * PATTERN_REPETITIONS;
    (0..length as u64).map(pattern_byte).collect::<Vec<u8>>().into()
});

/// The byte at an offset of `/bytes/N`: the offset modulo 251.
pub fn pattern_byte(offset: u64) -> u8 {
    // The remainder is below 251, so nothing is cut off.
    (offset % PATTERN_PERIOD as u64) as u8
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Payload {
    /// What is left of a body that is at hand.
    Whole(Bytes),
    /// So many bytes of the pattern, of a known length.
    Pattern {
        /// Bytes not yet sent.
        remaining: u64,
    },
    /// Lines that name their number and the port, one frame each, of an unknown length.
    Lines {
        /// Lines sent.
        sent: u64,
        /// Lines in all.
        total: u64,
        /// The port they name.
        port: u16,
    },
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Whole(bytes) => std::mem::take(bytes),
            Self::Pattern { remaining } => {
                let length = PATTERN.len().min(usize::try_from(*remaining).unwrap_or(usize::MAX));
                *remaining -= length as u64;
                PATTERN.slice(..length)
            }
            Self::Lines { sent, total, port } => {
                if sent == total {
                    return Poll::Ready(None);
                }
                *sent += 1;
                Bytes::from(format!("line {sent} of {total} from port {port}\n"))
            }
        };
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Pattern { remaining } => *remaining == 0,
            // Never said in advance, so that also an empty stream is sent in chunks.
            Self::Lines { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pattern { remaining } => SizeHint::with_exact(*remaining),
            Self::Lines { .. } => SizeHint::default(),
        }
    }
}
