//! One body, read once and handed to any number of readers, each at its own pace, while it is still arriving.
//!
//! Retries, copies and losers need what a connection gives only once. A [`Replay`] keeps it: in memory up to a limit, then in
//! a spool file without a name, and says so when neither is enough. Readers ask for what they want next: whoever has read
//! everything has the source read on; whoever is behind gets what is kept, and holds up nobody. What is whole may leave
//! the thread and outlive the exchange as [`Content`].
//!
//! It does not decide who may read, how often, or what an error means for a request; and it never reads ahead.

mod content;
mod error;
mod feed;
mod files;
mod impossible;
mod kept;
mod limits;
mod memory;
mod patience;
mod pool;
mod reader;
mod source;
mod spooling;
mod store;
mod waiters;

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use self::feed::Feed;
use self::store::{Asking, Fed, Store};
use super::error::ReadError;

pub use self::content::Content;
pub use self::error::{Fault, ReplayError};
pub use self::impossible::Impossible;
pub use self::limits::ReplayLimits;
pub use self::pool::ReplayPool;
pub use self::reader::ReplayBody;
pub use self::source::Source;
pub use self::store::State;

/// A body that may be read many times. It belongs to one thread; readers may be in any of its tasks.
///
/// Dropping it takes nothing from its readers: they go on reading the source.
pub struct Replay {
    feed: Rc<Feed>,
    waits: Cell<bool>,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Replay {
    /// A replay of what this source gives. What is in memory already stays there, costs nothing more and is always whole.
    pub fn new(source: Source, limits: ReplayLimits, pool: &ReplayPool) -> Self {
        Self::over(Feed::new(Store::new(source, limits, pool)))
    }

    /// The replay that this reader reads, with its limits, not one of its own.
    pub(super) fn of(reader: &ReplayBody) -> Self {
        Self::over(reader.feed())
    }

    fn over(feed: Rc<Feed>) -> Self {
        Self { feed, waits: Cell::new(false) }
    }

    /// A reader from the first byte on. When [`State::Lost`], its first read is an error.
    pub fn reader(&self) -> ReplayBody {
        ReplayBody::live(&self.feed)
    }

    /// What it is now.
    pub fn state(&self) -> State {
        self.feed.store.borrow().state()
    }

    /// Reads the source on, whether or not somebody wants to have read it, until all of it is here.
    ///
    /// # Errors
    /// The source broke, or it can't be kept whole. In the latter case readers of a lossy replay may go on.
    pub fn poll_whole(&self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        let whole = self.poll_until_whole(cx);
        self.set_waits(whole.is_pending());
        whole
    }

    fn poll_until_whole(&self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        loop {
            if let Some(whole) = self.feed.store.borrow().is_whole() {
                return Poll::Ready(whole);
            }
            if let Fed::NotWhole(error) = ready!(self.feed.poll_more(cx, Asking::Holder)) {
                return Poll::Ready(Err(error.into()));
            }
        }
    }

    /// See [`poll_whole`](Self::poll_whole). Cancel safe; call [`pause`](Self::pause) after dropping it.
    ///
    /// # Errors
    /// As there.
    pub async fn whole(&self) -> Result<(), ReadError> {
        poll_fn(|cx| self.poll_whole(cx)).await
    }

    /// Says that [`poll_whole`](Self::poll_whole) is not waited for any more, so that the source's deadline runs only for
    /// readers that wait.
    pub fn pause(&self) {
        self.set_waits(false);
    }

    /// All of it, for those who outlive the exchange or live on another thread; `None` while it is not whole.
    pub fn content(&self) -> Option<Arc<Content>> {
        self.feed.store.borrow_mut().content()
    }

    /// The source, as far as it has been read, for what comes behind it on its connection. Readers go on if the body is
    /// whole; otherwise they get [`ReplayError::Abandoned`]. `None` while a reader has the source for itself because nobody
    /// could follow it: drop that first.
    pub fn take_source(&self) -> Option<Source> {
        let source = self.feed.store.borrow_mut().take_source();
        self.feed.wake_all();
        source
    }

    fn set_waits(&self, waits: bool) {
        if self.waits.replace(waits) != waits {
            self.feed.set_waits(waits);
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.set_waits(false);
    }
}

#[cfg(test)]
mod tests;
