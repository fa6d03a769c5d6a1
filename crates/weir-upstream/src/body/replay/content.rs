//! A whole body that outlives its exchange and belongs to no thread.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use weir_http::head::Head;

use super::files::SpoolFile;
use super::kept::{Piece, lend_from};
use super::pool::ReplayPool;

/// A whole body: its beginning in a file if it was large, the rest in memory. Holds both until it is dropped.
pub struct Content {
    pub(super) pieces: Vec<Piece>,
    /// What lies before the pieces.
    pub(super) file: Option<Arc<SpoolFile>>,
    /// Content bytes in the file.
    pub(super) file_bytes: u64,
    pub(super) bytes: u64,
    pub(super) trailers: Option<Arc<Head>>,
    /// For what is read from the file.
    pub(super) pool: ReplayPool,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Content {
    /// Bytes of the body.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The trailers, if there were any.
    pub fn trailers(&self) -> Option<&Head> {
        self.trailers.as_deref()
    }

    /// The same, in memory that nobody has reserved: for those who count what they keep by themselves.
    #[must_use]
    pub fn detached(&self) -> Self {
        let copy = |piece: &Piece| Piece { start: piece.start, bytes: Bytes::copy_from_slice(&piece.bytes) };
        Self {
            pieces: self.pieces.iter().map(copy).collect(),
            file: self.file.clone(),
            trailers: self.trailers.clone(),
            pool: self.pool.clone(),
            ..*self
        }
    }

    /// The same, whose file somebody waits for with this patience.
    #[cfg(test)]
    pub(super) fn with_patience(&self, at_most: std::time::Duration) -> Self {
        Self { file: self.file.as_ref().map(|file| file.with_patience(at_most)), ..self.detached() }
    }

    pub(super) fn lend(&self, position: u64) -> Bytes {
        lend_from(&self.pieces, position)
    }
}
