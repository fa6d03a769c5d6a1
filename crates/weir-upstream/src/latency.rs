//! Times of answers, counted by whoever gets them and collected by whoever publishes a percentile.
//!
//! One count a copy, on words that all workers share, like the requests in flight: only modes that need to know count.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
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

/// The times of one server for people, counted only while somebody looks on; else an answer costs one look at a flag.
#[derive(Debug, Default)]
pub struct WatchedLatencies {
    is_watched: AtomicBool,
    latencies: Latencies,
    /// In microseconds; 0 is unknown.
    median: AtomicU32,
    slowest: AtomicU32,
}

impl WatchedLatencies {
    /// Counts an answer whose head has come after this time, if somebody looks on.
    #[inline]
    pub fn observe(&self, time: impl FnOnce() -> Duration) {
        if self.is_watched.load(Ordering::Relaxed) {
            self.latencies.observe(time());
        }
    }

    /// Whether somebody looks on from now on. What was known is unknown when nobody does.
    pub fn watch(&self, is_watched: bool) {
        self.is_watched.store(is_watched, Ordering::Relaxed);
        if !is_watched {
            self.latencies.take().for_each(drop);
            self.publish(None, None);
        }
    }

    /// Takes what was counted since the last time, by bucket.
    pub fn take(&self) -> impl Iterator<Item = u32> {
        self.latencies.take()
    }

    /// Says how long half of the answers take at most, and 99 % of them.
    pub fn publish(&self, median: Option<Duration>, slowest: Option<Duration>) {
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1);
        self.median.store(median.map_or(0, micros), Ordering::Relaxed);
        self.slowest.store(slowest.map_or(0, micros), Ordering::Relaxed);
    }

    /// What was said last: how long half of the answers take at most, and 99 % of them.
    pub fn published(&self) -> Option<(Duration, Duration)> {
        let known = |micros: &AtomicU32| match micros.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros.into())),
        };
        known(&self.median).zip(known(&self.slowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_counted_while_nobody_looks_on() {
        let latencies = WatchedLatencies::default();
        latencies.observe(|| panic!("nobody wants to know"));
        latencies.watch(true);
        latencies.observe(|| Duration::from_millis(3));
        assert_eq!(latencies.take().sum::<u32>(), 1);
        let (median, slowest) = (Duration::from_millis(3), Duration::from_secs(100_000));
        latencies.publish(Some(median), Some(slowest));
        assert_eq!(latencies.published().map(|(median, _)| median), Some(median));
        latencies.observe(|| Duration::from_millis(3));
        latencies.watch(false);
        assert_eq!((latencies.published(), latencies.take().sum::<u32>()), (None, 0));
    }

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
