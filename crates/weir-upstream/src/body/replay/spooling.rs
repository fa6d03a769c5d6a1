//! Moving what is in memory into the spool file, one write at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::error::ReplayError;
use super::files::{FileThreads, SpoolFile, Written};
use super::kept::Kept;

/// Bytes of one write: more would only be waited for longer.
const WRITE_BYTES_MAX: usize = 256 * 1024;

/// A body on its way into a file.
#[derive(Debug)]
pub(super) struct Spooling {
    threads: Option<Arc<FileThreads>>,
    /// Made with the first write.
    pub(super) file: Option<Arc<SpoolFile>>,
    /// Content before this offset is in the file.
    written: u64,
    writing: Option<Writing>,
}

#[derive(Debug)]
struct Writing {
    end: u64,
    outcome: Written,
}

impl Spooling {
    pub(super) fn new(threads: Option<Arc<FileThreads>>) -> Self {
        Self { threads, file: None, written: 0, writing: None }
    }

    /// Everything that will be in the file is there.
    pub(super) fn done(file: Arc<SpoolFile>, written: u64) -> Self {
        Self { threads: None, file: Some(file), written, writing: None }
    }

    /// Begins to write, unless that is going on, or less than `least` has to be written.
    ///
    /// # Errors
    /// Too many jobs wait, or there is nobody to do it.
    pub(super) fn begin(&mut self, kept: &mut Kept, least: usize) -> Result<(), ReplayError> {
        let unwritten = kept.end() - self.written;
        let Some(threads) = self.threads.as_ref().filter(|_| self.writing.is_none()) else { return Ok(()) };
        if unwritten < least as u64 {
            return Ok(());
        }
        kept.close();
        let (mut bytes, mut end) = (0, self.written);
        let mut pieces = Vec::new();
        for piece in kept.pieces_from(self.written) {
            if bytes >= WRITE_BYTES_MAX {
                break;
            }
            bytes += piece.bytes.len();
            end = piece.end();
            pieces.push(piece.bytes.clone());
        }
        let outcome = threads.write(self.file.clone(), self.written, pieces)?;
        self.writing = Some(Writing { end, outcome });
        Ok(())
    }

    /// Waits until the write that is going on, if there is one, is done.
    ///
    /// # Errors
    /// It failed; the file is of no use any more.
    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReplayError>> {
        let Some(Writing { end, outcome }) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let outcome = ready!(Pin::new(outcome).poll(cx));
        let end = *end;
        self.writing = None;
        let file = outcome.map_err(|error| ReplayError::Spool(Arc::new(error)))?;
        self.file = Some(file);
        self.written = end;
        Poll::Ready(Ok(()))
    }

    /// Forgets what has been written, the oldest first, until so many bytes are gone. Says whether any are.
    pub(super) fn forget_written(&self, kept: &mut Kept, bytes: usize) -> bool {
        let before = kept.bytes();
        while before - kept.bytes() < bytes && kept.forget_first(self.written) {}
        kept.bytes() < before
    }
}
