//! One reader of a replay.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use weir_http::head::Head;

use super::content::Content;
use super::error::ReplayError;
use super::feed::Feed;
use super::files::{Read, SpoolFile};
use super::kept::PIECE_BYTES_MAX;
use super::memory::SMALL_BYTES;
use super::pool::ReplayPool;
use super::store::{Asking, Fed, Look, Store};
use crate::body::error::ReadError;
use crate::body::source::H1Body;

/// A body that is read from a replay, from its first byte, at its own pace. It may be dropped at any time.
pub struct ReplayBody {
    from: From,
    /// Where the lent bytes begin.
    position: u64,
    lent: Bytes,
    /// What is on its way from the file.
    reading: Option<Read>,
    /// The source itself, when nobody else can follow.
    direct: Option<Box<H1Body>>,
    ended: bool,
    trailers: Option<Arc<Head>>,
    drops_trailers: bool,
}

/// What it reads.
enum From {
    /// A body that may still be arriving; this reader's number, and whether it waits for the source.
    Live { feed: Rc<Feed>, id: u32, waits: Cell<bool> },
    /// A whole one.
    Content(Arc<Content>),
}

impl fmt::Debug for ReplayBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody")
            .field("position", &self.position)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl ReplayBody {
    pub(super) fn live(feed: &Rc<Feed>) -> Self {
        let id = feed.store.borrow_mut().add_reader();
        Self::new(From::Live { feed: Rc::clone(feed), id, waits: Cell::new(false) })
    }

    /// A reader of a whole body, on whatever thread it is wanted.
    pub fn of(content: Arc<Content>) -> Self {
        Self::new(From::Content(content))
    }

    fn new(from: From) -> Self {
        let mut reader = Self {
            from,
            position: 0,
            lent: Bytes::new(),
            reading: None,
            direct: None,
            ended: false,
            trailers: None,
            drops_trailers: false,
        };
        reader.notice_end();
        reader
    }

    /// See [`Body::poll_fill`](crate::body::Body::poll_fill).
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        if self.ended || !self.lent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.direct.is_none() {
            let filled = self.poll_lent(cx);
            self.set_waits(filled.is_pending() && self.reading.is_none());
            ready!(filled)?;
        }
        match &mut self.direct {
            Some(source) => source.poll_fill(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Waits until something is lent, or this reader has the source, or the end is reached.
    fn poll_lent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let outcome = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                self.lent = outcome.map_err(|error| self.failed(ReplayError::Spool(Arc::new(error))))?;
                return Poll::Ready(Ok(()));
            }
            match self.look() {
                Look::Lent(bytes) => {
                    self.lent = bytes;
                    return Poll::Ready(Ok(()));
                }
                Look::End(trailers) => {
                    self.end(trailers);
                    return Poll::Ready(Ok(()));
                }
                Look::InFile(file, bytes) => {
                    let reading = self.read(&file, bytes);
                    self.reading = Some(reading.map_err(|error| self.failed(error))?);
                }
                Look::Never(error) => return Poll::Ready(Err(error)),
                Look::Tip => {
                    let From::Live { feed, id, .. } = &self.from else { return Poll::Ready(Ok(())) };
                    match ready!(feed.poll_more(cx, Asking::Reader(*id))) {
                        Fed::More => {}
                        Fed::Direct(source) => {
                            self.direct = Some(source);
                            return Poll::Ready(Ok(()));
                        }
                        Fed::NotWhole(error) => return Poll::Ready(Err(error.into())),
                    }
                }
            }
        }
    }

    fn look(&self) -> Look {
        match &self.from {
            From::Live { feed, id, .. } => feed.store.borrow_mut().look(*id, self.position),
            From::Content(content) => match (content.lend(self.position), &content.file) {
                (bytes, _) if !bytes.is_empty() => Look::Lent(bytes),
                (_, Some(file)) if self.position < content.file_bytes => {
                    Look::InFile(Arc::clone(file), content.file_bytes - self.position)
                }
                _ => Look::End(content.trailers.clone()),
            },
        }
    }

    /// Begins to read some of the bytes that the file has from here on.
    fn read(&self, file: &Arc<SpoolFile>, bytes: u64) -> Result<Read, ReplayError> {
        let most = usize::try_from(bytes).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
        let memory = &self.pool().memory;
        let sizes = [most, most.min(SMALL_BYTES)];
        let reserved = sizes.into_iter().find_map(|size| Some((size, memory.reserve(size, 0)?)));
        let (length, reservation) = reserved.ok_or(ReplayError::NoMemory)?;
        file.read(self.position, length, reservation)
    }

    /// See [`Body::chunk`](crate::body::Body::chunk).
    #[inline]
    pub fn chunk(&self) -> &[u8] {
        match &self.direct {
            Some(source) => source.chunk(),
            None => &self.lent,
        }
    }

    /// See [`Body::consume`](crate::body::Body::consume).
    #[inline]
    pub fn consume(&mut self, count: usize) {
        match &mut self.direct {
            Some(source) => source.consume(count),
            None => {
                self.position += count as u64;
                self.lent.advance(count);
                if self.lent.is_empty() {
                    // The memory may be the last that is held of it.
                    self.lent = Bytes::new();
                    self.notice_end();
                }
            }
        }
    }
}

impl ReplayBody {
    /// See [`Body::is_end`](crate::body::Body::is_end).
    pub fn is_end(&self) -> bool {
        match &self.direct {
            Some(source) => source.is_end(),
            None => self.ended,
        }
    }

    /// See [`Body::trailers`](crate::body::Body::trailers).
    pub fn trailers(&self) -> Option<&Head> {
        let trailers = match &self.direct {
            Some(source) => source.trailers(),
            None => self.trailers.as_deref(),
        };
        trailers.filter(|_| !self.drops_trailers)
    }

    /// See [`Body::drop_trailers`](crate::body::Body::drop_trailers).
    pub fn drop_trailers(&mut self) {
        self.drops_trailers = true;
    }

    /// See [`Body::pause`](crate::body::Body::pause). The source rests when nobody else waits for it either.
    pub fn pause(&self) {
        match &self.direct {
            Some(source) => source.from().pause_reading(),
            None => self.set_waits(false),
        }
    }

    /// What it reads, once more.
    pub(super) fn feed(&self) -> Rc<Feed> {
        match &self.from {
            From::Live { feed, .. } => Rc::clone(feed),
            From::Content(content) => Feed::new(Store::of(content)),
        }
    }

    fn notice_end(&mut self) {
        let end = match &self.from {
            From::Live { feed, .. } => feed.store.borrow().end_at(self.position),
            From::Content(content) => (self.position == content.bytes).then(|| content.trailers.clone()),
        };
        if let Some(trailers) = end {
            self.end(trailers);
        }
    }

    fn end(&mut self, trailers: Option<Arc<Head>>) {
        self.ended = true;
        self.trailers = trailers;
    }

    fn set_waits(&self, waits: bool) {
        if let From::Live { feed, waits: flag, .. } = &self.from
            && flag.replace(waits) != waits
        {
            feed.set_waits(waits);
        }
    }

    fn pool(&self) -> ReplayPool {
        match &self.from {
            From::Live { feed, .. } => feed.store.borrow().pool().clone(),
            From::Content(content) => content.pool.clone(),
        }
    }

    /// Notes that reading the file was not possible, and why.
    fn failed(&self, error: ReplayError) -> ReadError {
        if let Some(reason) = error.reason() {
            self.pool().counts.add(reason);
        }
        error.into()
    }
}

impl Drop for ReplayBody {
    fn drop(&mut self) {
        self.set_waits(false);
        if let From::Live { feed, id, .. } = &self.from {
            let mut store = feed.store.borrow_mut();
            store.remove_reader(*id);
            if let Some(source) = self.direct.take() {
                store.give_back(source);
            }
        }
    }
}
