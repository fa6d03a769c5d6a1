//! A pipe in memory, for tests with paused clocks: what carries a [`Stream`](super::stream::Stream) where a socket would
//! keep the clock waiting.
//!
//! It can't be asked whether it is readable without reading, so it keeps what it read to answer. A pipe has no resets of its
//! own; whoever holds the [`Resetter`] of one makes them, and also a panic, which stands for any bug on a request's way.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, DuplexStream, ReadBuf};

/// One end of a pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) end: DuplexStream,
    pub(super) ahead: Vec<u8>,
    pub(super) ended: bool,
    reset: Arc<Mutex<Reset>>,
}

#[derive(Debug, Default)]
struct Reset {
    happened: bool,
    panics: bool,
    watcher: Option<Waker>,
}

/// Resets a pipe, as if from its other end. Drop that end behind it, so that whoever waits there hears of it.
#[derive(Debug)]
pub struct Resetter(Arc<Mutex<Reset>>);

impl Resetter {
    /// From now on reading and writing fail; what was on its way is lost.
    pub fn reset(&self) {
        let watcher = {
            let mut reset = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            reset.happened = true;
            reset.watcher.take()
        };
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }

    /// From now on reading and writing panic. Whoever waits hears of it when the other end says something.
    pub fn panic(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).panics = true;
    }

    /// Whether the stream on this pipe still exists.
    pub fn is_open(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Pipe {
    pub(super) fn new(end: DuplexStream) -> (Self, Resetter) {
        let reset = Arc::default();
        (Self { end, ahead: Vec::new(), ended: false, reset: Arc::clone(&reset) }, Resetter(reset))
    }

    /// # Errors
    /// It was reset.
    pub(super) fn check(&self) -> io::Result<()> {
        let (happened, panics) = {
            let reset = self.reset.lock().unwrap_or_else(PoisonError::into_inner);
            (reset.happened, reset.panics)
        };
        assert!(!panics, "a test wants a panic");
        if happened { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    /// Waits for a reset.
    pub(super) fn poll_reset(&self, cx: &Context<'_>) -> Poll<io::Error> {
        let mut reset = self.reset.lock().unwrap_or_else(PoisonError::into_inner);
        if reset.happened {
            return Poll::Ready(io::ErrorKind::ConnectionReset.into());
        }
        reset.watcher = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until a read would give something.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ahead.is_empty() || self.ended || self.check().is_err() {
            return Poll::Ready(());
        }
        let mut bytes = [0; 1024];
        let mut room = ReadBuf::new(&mut bytes);
        match ready!(Pin::new(&mut self.end).poll_read(cx, &mut room)) {
            Ok(()) if !room.filled().is_empty() => self.ahead.extend_from_slice(room.filled()),
            Ok(()) | Err(_) => self.ended = true,
        }
        Poll::Ready(())
    }

    /// Whether nothing has come. Nobody may be waiting for something meanwhile.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.poll_readable(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Reads into this room, which is not empty. `Ok(0)` is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(self.take_ahead(room)));
        }
        let mut room = ReadBuf::new(room);
        Pin::new(&mut self.end).poll_read(cx, &mut room).map_ok(|()| room.filled().len())
    }

    /// Takes what was read already.
    pub(super) fn take_ahead(&mut self, bytes: &mut [u8]) -> usize {
        let count = self.ahead.len().min(bytes.len());
        bytes[..count].copy_from_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
        count
    }
}
