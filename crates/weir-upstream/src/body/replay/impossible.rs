//! How often a body could not be kept, by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a body could not be kept whole. The names are the labels of `weir_replay_impossible_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impossible {
    /// It is larger than `replay.memory`, and there is no disk for it.
    Memory,
    /// It is larger than `replay.disk`.
    Disk,
    /// Too much waited already to be written to, or read from, spool files.
    QueueFull,
    /// Its spool file could not be made, written or read, or not in time.
    Io,
    /// The memory that all replays share was used up.
    Total,
}

impl Impossible {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Memory, Self::Disk, Self::QueueFull, Self::Io, Self::Total];

    /// The name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::QueueFull => "queue_full",
            Self::Io => "io",
            Self::Total => "total",
        }
    }
}

/// Counts by reason, for the whole process.
#[derive(Debug, Default)]
pub(super) struct ImpossibleCounts {
    counts: [AtomicU64; Impossible::ALL.len()],
}

impl ImpossibleCounts {
    pub(super) fn add(&self, reason: Impossible) {
        self.counts[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, reason: Impossible) -> u64 {
        self.counts[reason as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_count() {
        let counts = ImpossibleCounts::default();
        for (number, reason) in Impossible::ALL.into_iter().enumerate() {
            (0..=number).for_each(|_| counts.add(reason));
        }
        for (number, reason) in Impossible::ALL.into_iter().enumerate() {
            assert_eq!(counts.count(reason), number as u64 + 1, "{}", reason.name());
        }
    }
}
