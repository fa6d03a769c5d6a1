//! A body that lies in the file, read piece by piece.

use std::io;

use bytes::Bytes;
use weir_core::ports::queue::{LocalFuture, Pieces, WriteBody};

use super::reader::{Loaded, Reader};

/// The body of a write.
#[derive(Debug)]
pub(crate) struct FileBody {
    reader: Reader,
    write: Loaded,
}

impl FileBody {
    pub(crate) fn new(reader: Reader, write: Loaded) -> Self {
        Self { reader, write }
    }
}

impl WriteBody for FileBody {
    fn bytes(&self) -> u64 {
        self.write.body_bytes
    }

    fn trailers(&self) -> Bytes {
        self.write.trailers.clone()
    }

    fn open(&self) -> Box<dyn Pieces> {
        let (reader, write) = (self.reader.clone(), self.write.clone());
        Box::new(FilePieces { reader, left: write.body_bytes, write, next: 0 })
    }
}

struct FilePieces {
    reader: Reader,
    write: Loaded,
    next: u32,
    left: u64,
}

impl Pieces for FilePieces {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Option<Bytes>>> {
        Box::pin(async {
            if self.left == 0 {
                return Ok(None);
            }
            let piece = self.reader.piece(self.write.body, self.next).await?;
            let Some(left) = self.left.checked_sub(piece.len() as u64) else {
                let error = "the body in the queue's file is longer than it was";
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            };
            self.left = left;
            self.next += 1;
            Ok(Some(piece))
        })
    }
}
