//! The memory that all replays of the process share: every byte is reserved before it is allocated, and given back when
//! the last one who holds it lets go.
//!
//! The last quarter is for those who hold next to nothing: so when large bodies have used up the rest, small ones are
//! still kept, and large ones still find the little they need on their way to the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// What one replay may hold in the last quarter of the total.
pub(super) const SMALL_BYTES: usize = 16 * 1024;

/// A number of bytes that is never exceeded.
#[derive(Debug)]
pub(super) struct MemoryTotal {
    total_bytes: AtomicUsize,
    used_bytes: AtomicUsize,
}

impl MemoryTotal {
    pub(super) fn new(total_bytes: usize) -> Self {
        Self { total_bytes: AtomicUsize::new(total_bytes), used_bytes: AtomicUsize::new(0) }
    }

    /// From now on so many. What is reserved beyond that stays until it is given back.
    pub(super) fn resize(&self, total_bytes: usize) {
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Reserves `bytes` for somebody who holds `held_bytes` already, if there is room.
    pub(super) fn reserve(self: &Arc<Self>, bytes: usize, held_bytes: usize) -> Option<Reservation> {
        self.take(bytes, held_bytes).then(|| Reservation { total: Arc::clone(self), bytes })
    }

    fn take(&self, bytes: usize, held_bytes: usize) -> bool {
        let small = held_bytes.saturating_add(bytes) <= SMALL_BYTES;
        let total = self.total_bytes.load(Ordering::Relaxed);
        let bound = if small { total } else { total - total / 4 };
        let add = |used: usize| used.checked_add(bytes).filter(|used| *used <= bound);
        self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }
}

/// Reserved bytes; dropping gives them back.
#[derive(Debug)]
pub(super) struct Reservation {
    total: Arc<MemoryTotal>,
    bytes: usize,
}

impl Reservation {
    /// Reserves more, if there is room. Says whether.
    pub(super) fn grow(&mut self, bytes: usize, held_bytes: usize) -> bool {
        let grown = self.total.take(bytes, held_bytes);
        self.bytes += if grown { bytes } else { 0 };
        grown
    }

    /// Gives back all but so many bytes.
    fn shrink(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.total.used_bytes.fetch_sub(less, Ordering::Relaxed);
    }

    /// Bytes that take their reservation with them wherever they are shared.
    pub(super) fn hold(mut self, bytes: Vec<u8>) -> Bytes {
        let bytes = bytes.into_boxed_slice();
        debug_assert!(bytes.len() <= self.bytes, "memory is reserved before it is allocated");
        self.shrink(bytes.len());
        Bytes::from_owner(Held { bytes, _reservation: self })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

struct Held {
    bytes: Box<[u8]>,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_total_is_never_exceeded_and_comes_back() {
        let total = Arc::new(MemoryTotal::new(100_000));
        assert!(total.reserve(75_001, 0).is_none(), "the last quarter is not for the large");
        let large = total.reserve(75_000, 0).unwrap();
        assert!(total.reserve(1, SMALL_BYTES).is_none(), "nor for those who hold much");
        let mut small = total.reserve(SMALL_BYTES, 0).unwrap();
        assert!(!small.grow(1, SMALL_BYTES));
        assert!(small.grow(8616, 0), "up to the last byte");
        assert!(total.reserve(1, 0).is_none());
        assert_eq!(total.used_bytes(), 100_000);
        let held = small.hold(vec![1; 10]);
        assert_eq!(total.used_bytes(), 75_010);
        let part = held.slice(3..4);
        drop((held, large));
        assert_eq!(total.used_bytes(), 10, "a part holds the whole");
        drop(part);
        assert_eq!(total.used_bytes(), 0);
    }

    #[test]
    fn nothing_overflows() {
        let total = Arc::new(MemoryTotal::new(usize::MAX));
        let most = total.reserve(usize::MAX / 2, 0).unwrap();
        assert!(total.reserve(usize::MAX, usize::MAX).is_none());
        drop(most);
        assert_eq!(total.used_bytes(), 0);
    }
}
