//! A stream together with what reading and writing it may take.

use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::buffer::ReadBuffer;
use super::conduit::Conduit;
use super::deadline::{Deadlines, Wait};
use super::stream::Stream;

/// How long a stream may stand still in one direction, and which slot says so.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The slot.
    pub wait: Wait,
    /// The longest time without a byte.
    pub at_most: Duration,
}

/// A stream that notes a deadline whenever it has to wait.
///
/// The deadlines only take effect where somebody polls [`Deadlines::guard`] around the work.
#[derive(Debug, Clone)]
pub struct Timed {
    /// The stream.
    pub stream: Rc<Stream>,
    /// The deadlines of the task that uses it.
    pub deadlines: Rc<Deadlines>,
    /// For reads; `None` when another deadline covers them.
    pub read: Option<Patience>,
    /// For writes.
    pub write: Option<Patience>,
}

impl Timed {
    /// Like [`Stream::poll_read`].
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut ReadBuffer) -> Poll<io::Result<usize>> {
        let outcome = self.stream.poll_read(cx, buffer);
        self.note(self.read, outcome.is_pending(), Stream::take_received);
        outcome
    }

    /// Like [`Stream::poll_write`].
    pub fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let outcome = self.stream.poll_write(cx, slices);
        self.note(self.write, outcome.is_pending(), Stream::take_sent);
        outcome
    }

    /// Like [`Stream::poll_into`].
    pub fn poll_into(
        &self,
        cx: &mut Context<'_>,
        conduit: &mut Conduit,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        let outcome = self.stream.poll_into(cx, conduit, bytes_max);
        self.note(self.read, outcome.is_pending(), Stream::take_received);
        outcome
    }

    /// Like [`Stream::poll_out_of`].
    pub fn poll_out_of(&self, cx: &mut Context<'_>, conduit: &mut Conduit) -> Poll<io::Result<usize>> {
        let outcome = self.stream.poll_out_of(cx, conduit);
        self.note(self.write, outcome.is_pending(), Stream::take_sent);
        outcome
    }

    /// Like [`Stream::poll_flush`].
    #[inline]
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.stream.poll_flush(cx);
        self.note(self.write, outcome.is_pending(), Stream::take_sent);
        outcome
    }

    /// Says that nobody waits for the next byte until it is read for again; the time until then does not count.
    pub fn pause_reading(&self) {
        self.clear(self.read);
    }

    /// A stream that waits has not necessarily stood still: `moved` says whether bytes have passed all the same.
    #[inline]
    fn note(&self, patience: Option<Patience>, waits: bool, moved: impl FnOnce(&Stream) -> bool) {
        if !waits || moved(&self.stream) {
            self.clear(patience);
        }
        if let (Some(patience), true) = (patience, waits) {
            self.deadlines.begin(patience.wait, patience.at_most);
        }
    }

    #[inline]
    fn clear(&self, patience: Option<Patience>) {
        if let Some(patience) = patience {
            self.deadlines.clear(patience.wait);
        }
    }
}
