//! What all replays of the process share: memory, the threads of the spool files, and the counts of what was not possible.

use std::path::PathBuf;
use std::sync::Arc;

use super::files::FileThreads;
use super::impossible::{Impossible, ImpossibleCounts};
use super::memory::MemoryTotal;
use super::patience::FILE_TIME_MAX;

/// What all replays of the process share. Clones are the same pool.
#[derive(Debug, Clone)]
pub struct ReplayPool {
    pub(super) memory: Arc<MemoryTotal>,
    pub(super) files: Option<Arc<FileThreads>>,
    pub(super) counts: Arc<ImpossibleCounts>,
}

impl ReplayPool {
    /// A pool whose replays hold at most `total_bytes` of memory together, and whose spool files are made in `spool`; without
    /// that there is no disk, whatever the limits of a replay say.
    ///
    /// Memory is what is kept of bodies, what waits to be written and what was read from files. The last quarter is for
    /// replays that hold at most 16 KiB. The directory is made, for our user alone, when the first file is; the two threads
    /// begin then too. A disk that takes longer than 30 s for a piece of a file is as good as none.
    pub fn new(total_bytes: usize, spool: Option<PathBuf>) -> Self {
        Self {
            memory: Arc::new(MemoryTotal::new(total_bytes)),
            files: spool.map(|directory| Arc::new(FileThreads::new(directory, FILE_TIME_MAX))),
            counts: Arc::default(),
        }
    }

    /// The same, with this patience for the disk.
    #[cfg(test)]
    pub(super) fn with_patience(total_bytes: usize, spool: PathBuf, at_most: std::time::Duration) -> Self {
        let files = Some(Arc::new(FileThreads::new(spool, Some(at_most))));
        Self { files, ..Self::new(total_bytes, None) }
    }

    /// From now on replays hold at most so many bytes together; those that hold more keep what they have.
    pub fn resize(&self, total_bytes: usize) {
        self.memory.resize(total_bytes);
    }

    /// Bytes that are reserved now.
    pub fn used_bytes(&self) -> usize {
        self.memory.used_bytes()
    }

    /// Counts a body that is known to be too large before any of it is read.
    pub fn note_impossible(&self, reason: Impossible) {
        self.counts.add(reason);
    }

    /// How many bodies could not be kept whole for this reason; one body counts once.
    pub fn impossible(&self, reason: Impossible) -> u64 {
        self.counts.count(reason)
    }
}
