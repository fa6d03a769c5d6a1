//! Bodies, as something that lends bytes until it ends.
//!
//! `fill` makes some bytes available, `chunk` lends them, `consume` gives them back used; after the end there may be
//! trailers. HTTP/1 lends straight from its read buffer, so a body that is passed on is copied by nobody.

mod error;
pub mod replay;
mod room;
mod source;

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use weir_http::head::Head;

pub use error::ReadError;
pub use room::{Charge, KeptBytes, NoRoom, Room};
pub use source::{BodyLimits, H1Body};

use self::replay::{Replay, ReplayBody, ReplayLimits, ReplayPool, Source};

/// The body of a message.
#[derive(Debug, Default)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// Bytes in memory.
    Memory(Bytes),
    /// Bytes of an HTTP/1 connection as they come.
    H1(H1Body),
    /// Bytes that others read too.
    Replay(ReplayBody),
}

impl From<ReplayBody> for Body {
    fn from(reader: ReplayBody) -> Self {
        Self::Replay(reader)
    }
}

impl From<Source> for Body {
    fn from(source: Source) -> Self {
        match source {
            Source::Memory(bytes) if bytes.is_empty() => Self::Empty,
            Source::Memory(bytes) => Self::Memory(bytes),
            Source::H1(body) => Self::H1(body),
        }
    }
}

impl Body {
    /// Keeps this body so that it can be read many times. One that is read from a replay already stays with that, whose
    /// limits hold.
    pub fn into_replay(self, limits: ReplayLimits, pool: &ReplayPool) -> Replay {
        match self {
            Self::Empty => Replay::new(Source::Memory(Bytes::new()), limits, pool),
            Self::Memory(bytes) => Replay::new(Source::Memory(bytes), limits, pool),
            Self::H1(body) => Replay::new(Source::H1(body), limits, pool),
            Self::Replay(reader) => Replay::of(&reader),
        }
    }

    /// Waits until [`chunk`](Self::chunk) lends something or the body has ended.
    ///
    /// # Errors
    /// The body can't be read to its end; it must not be asked again.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        match self {
            Self::Empty | Self::Memory(_) => Poll::Ready(Ok(())),
            Self::H1(body) => body.poll_fill(cx),
            Self::Replay(body) => body.poll_fill(cx),
        }
    }

    /// See [`poll_fill`](Self::poll_fill). Cancel safe.
    ///
    /// # Errors
    /// The body can't be read to its end.
    pub async fn fill(&mut self) -> Result<(), ReadError> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Waits until it is known that it can't be read to its end, without using up anything: for a body that is held back. What is
    /// not known before more is read stays unknown, as when the server has sent more than fits into the buffer, or over TLS.
    pub fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<ReadError> {
        match self {
            Self::H1(body) => body.poll_broken(cx),
            // Nobody holds back what others read too.
            Self::Empty | Self::Memory(_) | Self::Replay(_) => Poll::Pending,
        }
    }

    /// Says that nobody waits for more until it is asked for again, so that its deadline does not run meanwhile.
    pub fn pause(&self) {
        match self {
            Self::Empty | Self::Memory(_) => {}
            Self::H1(body) => body.from().pause_reading(),
            Self::Replay(body) => body.pause(),
        }
    }

    /// Bytes that are available now; empty after the end.
    #[inline]
    pub fn chunk(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Memory(bytes) => bytes,
            Self::H1(body) => body.chunk(),
            Self::Replay(body) => body.chunk(),
        }
    }

    /// Says that so many bytes of the chunk have been used.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        match self {
            Self::Empty => {}
            Self::Memory(bytes) => bytes.advance(count),
            Self::H1(body) => body.consume(count),
            Self::Replay(body) => body.consume(count),
        }
    }

    /// Whether everything, trailers included, has been read and used.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Memory(bytes) => bytes.is_empty(),
            Self::H1(body) => body.is_end(),
            Self::Replay(body) => body.is_end(),
        }
    }

    /// The trailers, once the body has ended; `None` when there are none.
    pub fn trailers(&self) -> Option<&Head> {
        match self {
            Self::Empty | Self::Memory(_) => None,
            Self::H1(body) => body.trailers(),
            Self::Replay(body) => body.trailers(),
        }
    }

    /// Lets nobody have the trailers; they are read and checked all the same.
    pub fn drop_trailers(&mut self) {
        match self {
            Self::Empty | Self::Memory(_) => {}
            Self::H1(body) => body.drop_trailers(),
            Self::Replay(body) => body.drop_trailers(),
        }
    }

    /// Reads and forgets what is left, up to `bytes_max`. Says whether the end was reached.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>, bytes_max: &mut usize) -> Poll<bool> {
        self.poll_discard_each(cx, bytes_max, |_| {})
    }

    /// The same, and shows each piece before it is forgotten.
    pub fn poll_discard_each(
        &mut self,
        cx: &mut Context<'_>,
        bytes_max: &mut usize,
        mut show: impl FnMut(&[u8]),
    ) -> Poll<bool> {
        loop {
            if ready!(self.poll_fill(cx)).is_err() {
                return Poll::Ready(false);
            }
            let count = self.chunk().len();
            if count == 0 {
                return Poll::Ready(true);
            }
            if count > *bytes_max {
                return Poll::Ready(false);
            }
            *bytes_max -= count;
            show(self.chunk());
            self.consume(count);
        }
    }
}
