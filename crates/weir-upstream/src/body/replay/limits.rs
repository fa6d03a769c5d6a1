//! What one replay may keep.

/// What one replay may keep, and what happens beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Bytes in memory. With a disk at least 64 KiB are used on the way to it.
    pub memory_bytes: usize,
    /// Bytes in a spool file, from the first byte of the body on; `None` without one. Not more than `memory_bytes` is the
    /// same as none.
    pub disk_bytes: Option<u64>,
    /// Whether readers may go on when the body can't be kept whole: those that are behind then get
    /// [`Forgotten`](super::ReplayError::Forgotten). Otherwise all of them get an error.
    pub lossy: bool,
}

impl ReplayLimits {
    /// The longest body that can be kept whole, given a pool with a spool directory where there is a disk.
    pub fn content_bytes_max(&self) -> u64 {
        (self.memory_bytes as u64).max(self.disk_bytes.unwrap_or(0))
    }
}
