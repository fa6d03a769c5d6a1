//! Where the writes themselves are: heads and bodies, in memory or in the file.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use weir_core::ports::queue::WriteBody;
use weir_core::queue::{Effect, Effects, Sequence};

use crate::file::{FileBody, Inbox, Reader};

/// Head and body of a write; no body while it is arriving.
pub(super) type Content = (Bytes, Option<Arc<dyn WriteBody>>);

/// The place.
pub(super) enum Place {
    /// In memory. Its lock is only taken while that of the books is held, or alone for a look.
    Memory(Mutex<HashMap<Sequence, Content>>),
    /// In a file.
    File { inbox: Arc<Inbox>, reader: Reader },
}

impl Place {
    pub(super) fn in_memory() -> Self {
        Self::Memory(Mutex::new(HashMap::new()))
    }

    pub(super) fn is_durable(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// Commits since the start.
    pub(super) fn commits_total(&self) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::File { inbox, .. } => inbox.commits_total(),
        }
    }

    /// Does what the ledger wants to be done to what is stored. The file does it later.
    pub(super) fn perform(&self, effects: &mut Effects) {
        if effects.is_empty() {
            return;
        }
        match self {
            Self::Memory(writes) => {
                let mut writes = lock(writes);
                for effect in effects.drain(..) {
                    if let Effect::Gone { sequence } = effect {
                        writes.remove(&sequence);
                    }
                }
            }
            Self::File { inbox, .. } => inbox.change(effects),
        }
    }

    /// Keeps a write in memory. A file has it already.
    pub(super) fn put(&self, sequence: Sequence, head: Bytes, body: Option<Arc<dyn WriteBody>>) {
        if let Self::Memory(writes) = self {
            lock(writes).insert(sequence, (head, body));
        }
    }

    /// The body of a write in memory has come.
    pub(super) fn supply(&self, sequence: Sequence, body: Arc<dyn WriteBody>) {
        if let Self::Memory(writes) = self
            && let Some((_, place)) = lock(writes).get_mut(&sequence)
        {
            *place = Some(body);
        }
    }

    /// Head and body of a write, if they are there.
    pub(super) async fn content(&self, sequence: Sequence) -> io::Result<Option<Content>> {
        match self {
            Self::Memory(writes) => Ok(lock(writes).get(&sequence).cloned()),
            Self::File { reader, .. } => Ok(reader.write(sequence).await?.map(|write| {
                let head = write.head.clone();
                let body: Arc<dyn WriteBody> = Arc::new(FileBody::new(reader.clone(), write));
                (head, Some(body))
            })),
        }
    }

    /// Returns when all that was to be performed until now outlives the process, if anything here does.
    pub(super) async fn flush(&self) -> io::Result<()> {
        let Self::File { inbox, .. } = self else { return Ok(()) };
        let (done, flushed) = tokio::sync::oneshot::channel();
        inbox.flush(Box::new(move |result| {
            // Whoever waited may have gone.
            let _ = done.send(result);
        }));
        match flushed.await {
            Ok(result) => result.map_err(|error| io::Error::other(&*error)),
            Err(_) => Err(io::Error::other("the queue has been closed")),
        }
    }
}

fn lock(writes: &Mutex<HashMap<Sequence, Content>>) -> MutexGuard<'_, HashMap<Sequence, Content>> {
    writes.lock().unwrap_or_else(PoisonError::into_inner)
}
