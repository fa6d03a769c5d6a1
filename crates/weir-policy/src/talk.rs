//! A connection as messages: one after the other is read from it, and bytes are written.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use weir_upstream::io::buffer::ReadBuffer;
use weir_upstream::io::deadline::{Deadlines, Wait};
use weir_upstream::io::stream::Stream;

use crate::sight::{Doing, Sight};
use crate::wire::{Form, Frame, Framer, WireLimits, WireProblem};

/// How much of what a peer still sends is read before a connection is closed, so that it gets what was said last.
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// How long that may take.
const LINGER: Duration = Duration::from_secs(1);

/// Why there is no message.
#[derive(Debug)]
pub(crate) enum TalkError {
    /// What has come is none.
    Wire(WireProblem),
    /// The connection broke, or ended in a message.
    Connection(io::Error),
}

impl fmt::Display for TalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(problem) => problem.fmt(f),
            Self::Connection(error) => error.fmt(f),
        }
    }
}

/// How long a peer may take, and where it is noted what it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience<'s> {
    /// Until a message begins.
    pub(crate) idle: Duration,
    /// From there to its end.
    pub(crate) message: Duration,
    /// Whether a message has begun is noted here.
    pub(crate) sight: Option<&'s Sight>,
}

/// A connection, and what has come on it.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) stream: Rc<Stream>,
    buffer: ReadBuffer,
    framer: Framer,
}

impl Talk {
    /// Nothing has come yet.
    pub(crate) fn new(stream: Rc<Stream>, limits: WireLimits) -> Self {
        Self { stream, buffer: ReadBuffer::new(), framer: Framer::new(limits) }
    }

    /// Messages that begin from now on may be so large.
    pub(crate) fn bound(&mut self, limits: WireLimits) {
        self.framer.bound(limits);
    }

    /// Whether a message has begun, or more bytes are there than the last one had.
    pub(crate) fn is_quiet(&self) -> bool {
        self.buffer.is_empty() && !self.framer.is_inside()
    }

    /// The form of the message that has begun.
    pub(crate) fn form(&self) -> Option<Form> {
        self.framer.form()
    }

    /// The next message; `None` when the peer has ended. It must be [taken](Self::take) before the next one is asked for.
    ///
    /// With `patience` it notes deadlines, which take effect where they are guarded. Cancel safe.
    ///
    /// # Errors
    /// See [`TalkError`].
    pub(crate) async fn next(
        &mut self,
        deadlines: &Deadlines,
        patience: Option<Patience<'_>>,
    ) -> Result<Option<Frame>, TalkError> {
        loop {
            let frame = self.framer.advance(self.buffer.unread()).map_err(TalkError::Wire)?;
            if frame.is_some() {
                deadlines.clear(Wait::ClientHead);
                return Ok(frame);
            }
            let blank = self.framer.take_blank();
            self.buffer.consume(blank);
            if let Some(Patience { idle, message, sight }) = patience {
                // What stands between messages is no sign of life.
                let doing = match self.framer.is_inside() {
                    true => {
                        deadlines.clear(Wait::ClientIdle);
                        deadlines.begin(Wait::ClientHead, message);
                        Doing::Reading
                    }
                    false => {
                        deadlines.begin(Wait::ClientIdle, idle);
                        Doing::Idle
                    }
                };
                if let Some(sight) = sight {
                    sight.does(doing, &self.stream);
                }
            }
            let count = self.read().await.map_err(TalkError::Connection)?;
            if count == 0 {
                deadlines.clear(Wait::ClientIdle);
                return match self.framer.is_inside() {
                    true => Err(TalkError::Connection(io::ErrorKind::UnexpectedEof.into())),
                    false => Ok(None),
                };
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        if self.is_quiet() {
            // Who is idle holds no memory.
            self.buffer = ReadBuffer::new();
            poll_fn(|cx| self.stream.poll_readable(cx)).await;
        }
        poll_fn(|cx| self.stream.poll_read(cx, &mut self.buffer)).await
    }

    /// The bytes of the message that was found last.
    pub(crate) fn bytes(&self, frame: &Frame) -> &[u8] {
        &self.buffer.unread()[frame.start..frame.end]
    }

    /// Says that nobody needs these bytes any more.
    pub(crate) fn take(&mut self, frame: &Frame) {
        self.buffer.consume(frame.end);
    }

    /// Ends the connection so that the peer gets all that was said: closing with unread bytes would be a reset.
    pub(crate) async fn end(&mut self, deadlines: &Deadlines) {
        if poll_fn(|cx| self.stream.poll_shutdown(cx)).await.is_err() {
            return;
        }
        deadlines.clear_all();
        deadlines.set(Wait::ClientIdle, LINGER);
        let reading = async {
            let mut read = 0;
            while read < LINGER_BYTES_MAX {
                let unread = self.buffer.unread().len();
                self.buffer.consume(unread);
                match poll_fn(|cx| self.stream.poll_read(cx, &mut self.buffer)).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => read += count,
                }
            }
        };
        // Whoever takes longer is not waited for.
        let _ = deadlines.guard(std::pin::pin!(reading)).await;
    }
}

/// Writes all of these bytes.
///
/// # Errors
/// The connection's.
pub(crate) async fn write(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[count..];
    }
    poll_fn(|cx| stream.poll_flush(cx)).await
}
