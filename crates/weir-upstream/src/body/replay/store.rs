//! What is kept of a body while it arrives, and how it is fed.
//!
//! Bytes are copied from the source into pieces of memory. When those are full, the oldest are written to the spool file
//! and forgotten; without one, and if that is allowed, they are forgotten at once. So memory is a window over the newest
//! bytes, and offsets in the file are offsets in the body. Only whoever has read everything asks for more, so a slow reader
//! never holds up a fast one; what holds up all is the disk, when the source is faster.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use weir_http::head::Head;

use super::content::Content;
use super::error::ReplayError;
use super::files::SpoolFile;
use super::impossible::Impossible;
use super::kept::{Kept, PIECE_BYTES_MAX};
use super::limits::ReplayLimits;
use super::pool::ReplayPool;
use super::source::Source;
use super::spooling::Spooling;
use crate::body::error::ReadError;
use crate::body::source::H1Body;

/// See the module's words.
pub(super) struct Store {
    flow: Flow,
    outcome: Outcome,
    kept: Kept,
    disk: Disk,
    /// Whether the first byte is gone, or will be: nobody can begin to read any more.
    lost: bool,
    trailers: Option<Arc<Head>>,
    /// The same once more, for those who outlive the exchange.
    content: Option<Arc<Content>>,
    limits: ReplayLimits,
    pool: ReplayPool,
    /// What each reader will ask for next, as far as is known here.
    readers: Vec<(u32, u64)>,
    last_reader: u32,
}

/// Where more comes from.
enum Flow {
    /// From here, when it is asked for.
    Source(Source),
    /// Nothing more comes here: a reader has, or had, the source for itself. Here it is when it was given back.
    Direct(Option<Box<H1Body>>),
    /// The exchange has taken it.
    Taken,
}

/// How it ended.
enum Outcome {
    Arriving,
    Whole,
    Failed(ReadError),
}

/// The spool file.
enum Disk {
    /// There is none, or it is of no use any more.
    Off,
    /// Memory has been enough.
    Idle,
    Going(Spooling),
}

/// Who asks for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// A reader that has read everything.
    Reader(u32),
    /// Whoever wants the body whole.
    Holder,
}

/// What became of asking for more.
pub(super) enum Fed {
    /// There is more, or it has ended, or failed.
    More,
    /// Nobody else can follow: the reader goes on with the source itself.
    Direct(Box<H1Body>),
    /// The body can't be kept whole. Readers may go on.
    NotWhole(ReplayError),
}

/// What is there for a reader.
pub(super) enum Look {
    Lent(Bytes),
    /// So many bytes, from where it stands, are in the file.
    InFile(Arc<SpoolFile>, u64),
    /// The end.
    End(Option<Arc<Head>>),
    /// Nothing yet.
    Tip,
    Never(ReadError),
}

/// What a replay is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is still arriving, and whoever begins to read gets it from the first byte.
    Arriving,
    /// All of it is here.
    Whole {
        /// Its length.
        bytes: u64,
    },
    /// Its beginning has been forgotten: those who read may go on, nobody else can begin.
    Lost,
    /// It broke, and every reader gets the error.
    Failed,
}

impl Store {
    pub(super) fn new(source: Source, limits: ReplayLimits, pool: &ReplayPool) -> Self {
        let useful = |disk: &u64| pool.files.is_some() && *disk > limits.memory_bytes as u64;
        let limits = ReplayLimits { disk_bytes: limits.disk_bytes.filter(useful), ..limits };
        let (source, kept, whole) = match source {
            Source::Memory(bytes) => (Source::Memory(Bytes::new()), Kept::whole(bytes), true),
            Source::H1(body) => {
                let ended = body.is_end();
                (Source::H1(body), Kept::default(), ended)
            }
        };
        let mut store = Self {
            flow: Flow::Source(source),
            outcome: Outcome::Arriving,
            kept,
            disk: if limits.disk_bytes.is_some() { Disk::Idle } else { Disk::Off },
            lost: false,
            trailers: None,
            content: None,
            limits,
            pool: pool.clone(),
            readers: Vec::new(),
            last_reader: 0,
        };
        if whole {
            store.finish();
        }
        store
    }

    /// A body that is whole already.
    pub(super) fn of(content: &Arc<Content>) -> Self {
        let limits = ReplayLimits { memory_bytes: 0, disk_bytes: None, lossy: false };
        let mut store = Self::new(Source::Memory(Bytes::new()), limits, &content.pool);
        store.kept = Kept::of(&content.pieces, content.file_bytes);
        if let Some(file) = &content.file {
            store.disk = Disk::Going(Spooling::done(Arc::clone(file), content.file_bytes));
        }
        store.trailers.clone_from(&content.trailers);
        store.content = Some(Arc::clone(content));
        store
    }

    pub(super) fn state(&self) -> State {
        match &self.outcome {
            Outcome::Failed(_) => State::Failed,
            _ if self.lost => State::Lost,
            Outcome::Whole => State::Whole { bytes: self.kept.end() },
            Outcome::Arriving => State::Arriving,
        }
    }

    /// Whether it has become whole; `None` while it may still.
    pub(super) fn is_whole(&self) -> Option<Result<(), ReadError>> {
        match &self.outcome {
            Outcome::Failed(error) => Some(Err(error.again())),
            _ if self.lost => Some(Err(ReplayError::Forgotten.into())),
            Outcome::Whole => Some(Ok(())),
            Outcome::Arriving => None,
        }
    }

    pub(super) fn pool(&self) -> &ReplayPool {
        &self.pool
    }

    /// Adds a reader at the first byte.
    pub(super) fn add_reader(&mut self) -> u32 {
        self.last_reader += 1;
        self.readers.push((self.last_reader, 0));
        self.last_reader
    }

    pub(super) fn remove_reader(&mut self, id: u32) {
        self.readers.retain(|(other, _)| *other != id);
    }

    /// Gives back the source that a reader went on with.
    pub(super) fn give_back(&mut self, source: Box<H1Body>) {
        if let Flow::Direct(place) = &mut self.flow {
            *place = Some(source);
        }
    }

    /// Takes the source, if no reader has it. If more of it was to come, nobody gets that.
    pub(super) fn take_source(&mut self) -> Option<Source> {
        match std::mem::replace(&mut self.flow, Flow::Taken) {
            Flow::Source(source) => {
                if matches!(self.outcome, Outcome::Arriving) {
                    self.fail(ReplayError::Abandoned.into());
                }
                Some(source)
            }
            Flow::Direct(source) => source.map(|source| Source::H1(*source)),
            Flow::Taken => None,
        }
    }

    /// Says that nobody waits for the source.
    pub(super) fn pause(&self) {
        if let Flow::Source(Source::H1(body)) = &self.flow {
            body.from().pause_reading();
        }
    }

    /// What is there for this reader, from `position` on.
    pub(super) fn look(&mut self, id: u32, position: u64) -> Look {
        if let Outcome::Failed(error) = &self.outcome {
            return Look::Never(error.again());
        }
        if position < self.kept.start() {
            return match &self.disk {
                Disk::Going(Spooling { file: Some(file), .. }) => {
                    Look::InFile(Arc::clone(file), self.kept.start() - position)
                }
                Disk::Off | Disk::Idle | Disk::Going(_) => Look::Never(ReplayError::Forgotten.into()),
            };
        }
        let lent = self.kept.lend(position);
        self.note(id, position + lent.len() as u64);
        match (&self.outcome, &self.flow) {
            _ if !lent.is_empty() => Look::Lent(lent),
            (Outcome::Whole, _) => Look::End(self.trailers.clone()),
            (_, Flow::Source(_)) => Look::Tip,
            (_, Flow::Direct(_)) => Look::Never(ReplayError::Forgotten.into()),
            (_, Flow::Taken) => Look::Never(ReplayError::Abandoned.into()),
        }
    }

    /// The trailers, if this is the end.
    pub(super) fn end_at(&self, position: u64) -> Option<Option<Arc<Head>>> {
        let ended = matches!(self.outcome, Outcome::Whole) && position == self.kept.end();
        ended.then(|| self.trailers.clone())
    }

    fn note(&mut self, id: u32, next: u64) {
        if let Some((_, noted)) = self.readers.iter_mut().find(|(other, _)| *other == id) {
            *noted = next;
        }
    }

    /// The whole body for those who outlive the exchange.
    pub(super) fn content(&mut self) -> Option<Arc<Content>> {
        if self.lost || !matches!(self.outcome, Outcome::Whole) {
            return None;
        }
        if self.content.is_none() {
            let file = match &self.disk {
                Disk::Going(spooling) => spooling.file.clone(),
                Disk::Off | Disk::Idle => None,
            };
            self.content = Some(Arc::new(Content {
                pieces: self.kept.pieces_from(0).cloned().collect(),
                file,
                file_bytes: self.kept.start(),
                bytes: self.kept.end(),
                trailers: self.trailers.clone(),
                pool: self.pool.clone(),
            }));
        }
        self.content.clone()
    }

    /// Reads some more from the source.
    pub(super) fn poll_feed(&mut self, cx: &mut Context<'_>, asking: Asking) -> Poll<Fed> {
        if let Disk::Going(spooling) = &mut self.disk
            && let Poll::Ready(Err(error)) = spooling.poll_written(cx)
            && let Err(error) = self.give_up(asking, Impossible::Io, error)
        {
            return Poll::Ready(error);
        }
        let Flow::Source(Source::H1(source)) = &mut self.flow else { return Poll::Ready(Fed::More) };
        if !matches!(self.outcome, Outcome::Arriving) {
            return Poll::Ready(Fed::More);
        }
        match ready!(source.poll_fill(cx)) {
            Err(error) => {
                self.fail(error);
                Poll::Ready(Fed::More)
            }
            Ok(()) if source.chunk().is_empty() => {
                self.finish();
                Poll::Ready(Fed::More)
            }
            Ok(()) => self.poll_keep(cx, asking),
        }
    }

    /// Keeps some of what the source has, making room as the limits allow.
    fn poll_keep(&mut self, cx: &mut Context<'_>, asking: Asking) -> Poll<Fed> {
        loop {
            let room = self.room_bytes();
            let Flow::Source(Source::H1(source)) = &mut self.flow else { return Poll::Ready(Fed::More) };
            let wanted = source.chunk().len();
            let count = self.kept.append(source.chunk(), room, &self.pool.memory);
            if count > 0 {
                source.consume(count);
                if source.is_end() {
                    self.finish();
                } else if let Disk::Going(spooling) = &mut self.disk {
                    // Early, so that the source seldom waits for the disk. A full queue is no reason to give up yet.
                    let _ = spooling.begin(&mut self.kept, PIECE_BYTES_MAX);
                }
                return Poll::Ready(Fed::More);
            }
            let over = room == 0 && !self.lost && self.kept.end() >= self.limits.content_bytes_max();
            let relieved = if over {
                let disk = self.limits.disk_bytes.is_some();
                let reason = if disk { Impossible::Disk } else { Impossible::Memory };
                Poll::Ready(self.give_up(asking, reason, ReplayError::TooLarge))
            } else {
                self.poll_relieve(cx, asking, wanted.min(PIECE_BYTES_MAX))
            };
            if let Err(fed) = ready!(relieved) {
                return Poll::Ready(fed);
            }
        }
    }

    /// How much may be kept now.
    fn room_bytes(&self) -> usize {
        let window = match &self.disk {
            Disk::Going(_) => self.limits.memory_bytes.max(PIECE_BYTES_MAX),
            Disk::Off | Disk::Idle => self.limits.memory_bytes,
        };
        let room = window.saturating_sub(self.kept.bytes());
        if self.lost {
            return room;
        }
        let left = self.limits.content_bytes_max().saturating_sub(self.kept.end());
        room.min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// Makes room in memory, the process's or that of these limits: `bytes` of it, or some. An error ends the asking.
    fn poll_relieve(&mut self, cx: &mut Context<'_>, asking: Asking, bytes: usize) -> Poll<Result<(), Fed>> {
        if let Disk::Idle = self.disk {
            self.disk = Disk::Going(Spooling::new(self.pool.files.clone()));
            return Poll::Ready(Ok(()));
        }
        if let Disk::Going(spooling) = &mut self.disk {
            if spooling.forget_written(&mut self.kept, bytes) {
                return Poll::Ready(Ok(()));
            }
            if self.kept.bytes() > 0 {
                let written = match spooling.begin(&mut self.kept, 1) {
                    Ok(()) => ready!(spooling.poll_written(cx)),
                    Err(error) => Err(error),
                };
                return Poll::Ready(match written {
                    Ok(()) => Ok(()),
                    Err(error @ ReplayError::Busy) => self.give_up(asking, Impossible::QueueFull, error),
                    Err(error) => self.give_up(asking, Impossible::Io, error),
                });
            }
        }
        if !self.lost {
            // Nothing of ours can be given up instead: others have it.
            return Poll::Ready(self.give_up(asking, Impossible::Total, ReplayError::NoMemory));
        }
        Poll::Ready(self.forget(asking))
    }

    /// The body can't be kept whole. Where that is no reason to end, its beginning is given up; an error ends the asking.
    fn give_up(&mut self, asking: Asking, reason: Impossible, error: ReplayError) -> Result<(), Fed> {
        if self.limits.lossy && asking == Asking::Holder {
            return Err(Fed::NotWhole(error));
        }
        self.pool.counts.add(reason);
        self.disk = Disk::Off;
        if self.limits.lossy {
            self.lost = true;
            return Ok(());
        }
        self.fail(error.into());
        Err(Fed::More)
    }

    /// Forgets the oldest piece, or hands the source to the reader that asks if nobody follows it.
    fn forget(&mut self, asking: Asking) -> Result<(), Fed> {
        let Asking::Reader(id) = asking else { return Err(Fed::NotWhole(ReplayError::Forgotten)) };
        let start = self.kept.start();
        let followed = self.readers.iter().any(|(other, next)| *other != id && *next > start);
        self.kept.close();
        if followed && self.kept.forget_first(u64::MAX) {
            return Ok(());
        }
        self.kept.clear();
        match std::mem::replace(&mut self.flow, Flow::Direct(None)) {
            Flow::Source(Source::H1(source)) => Err(Fed::Direct(Box::new(source))),
            flow @ (Flow::Source(Source::Memory(_)) | Flow::Direct(_) | Flow::Taken) => {
                self.flow = flow;
                Err(Fed::More)
            }
        }
    }

    /// Every reader gets the error, and nobody needs what is kept.
    fn fail(&mut self, error: ReadError) {
        self.outcome = Outcome::Failed(error);
        self.kept.clear();
        self.disk = Disk::Off;
    }

    fn finish(&mut self) {
        self.kept.close();
        if let Flow::Source(Source::H1(source)) = &self.flow {
            self.trailers = source.trailers().cloned().map(Arc::new);
        }
        self.outcome = Outcome::Whole;
    }
}
