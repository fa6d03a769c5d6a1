//! Times of answers, counted by whoever gets them and collected by whoever publishes a percentile.
//!
//! One count a copy, on words that all workers share, like the requests in flight: only modes that need to know count.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use weir_core::latency::{BUCKETS, bucket};

/// The times of one server since they were last taken. Takes no memory until something is counted.
#[derive(Default)]
pub struct Latencies {
    counts: OnceLock<Box<[AtomicU32]>>,
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies").finish_non_exhaustive()
    }
}

impl Latencies {
    /// Counts an answer whose head has come after this time, or that was not waited for any longer.
    pub fn observe(&self, time: Duration) {
        let counts = self.counts.get_or_init(|| (0..BUCKETS).map(|_| AtomicU32::new(0)).collect());
        counts[bucket(time)].fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what was counted since the last time, by bucket; nothing if nothing ever was.
    pub fn take(&self) -> impl Iterator<Item = u32> {
        let counts = self.counts.get().map_or(&[][..], |counts| counts);
        counts.iter().map(|count| count.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_once() {
        let latencies = Latencies::default();
        assert_eq!(latencies.take().count(), 0);
        latencies.observe(Duration::from_millis(3));
        latencies.observe(Duration::from_millis(3));
        latencies.observe(Duration::from_secs(9));
        assert_eq!(latencies.take().sum::<u32>(), 3);
        assert_eq!(latencies.take().sum::<u32>(), 0);
    }
}
