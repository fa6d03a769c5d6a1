//! A histogram of durations that one thread writes and everybody reads.
//!
//! A duration is put into its bucket once ([`Sample`]), however many histograms it counts in.

use std::time::Duration;

use weir_core::ports::{DURATION_BOUNDS_SECONDS, Histogram};

use super::counter::Counter;

/// [`DURATION_BOUNDS_SECONDS`] in nanoseconds, so that observing compares integers.
const BOUNDS_NANOS: [u64; DURATION_BOUNDS_SECONDS.len()] = {
    let mut nanos = [0; DURATION_BOUNDS_SECONDS.len()];
    let mut index = 0;
    while index < nanos.len() {
        nanos[index] = (DURATION_BOUNDS_SECONDS[index] * 1e9) as u64;
        index += 1;
    }
    nanos
};

/// A duration, and the bucket that it falls into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    bucket: usize,
    nanos: u64,
}

impl Sample {
    /// Finds its bucket.
    #[inline]
    pub(crate) fn of(duration: Duration) -> Self {
        // Over 584 years a sum of nanoseconds would be wrong; a duration is never that long.
        let nanos =
            duration.as_secs().saturating_mul(1_000_000_000).saturating_add(duration.subsec_nanos().into());
        Self { bucket: BOUNDS_NANOS.partition_point(|bound| *bound < nanos), nanos }
    }
}

/// The counters of a histogram.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    buckets: [Counter; DURATION_BOUNDS_SECONDS.len() + 1],
    nanos: Counter,
}

impl Durations {
    /// Counts it; only ever called by the histogram's own worker.
    #[inline]
    pub(crate) fn observe(&self, sample: Sample) {
        self.buckets[sample.bucket].add(1);
        self.nanos.add(sample.nanos);
    }

    /// Adds what was counted to a histogram.
    pub(crate) fn add_to(&self, histogram: &mut Histogram) {
        if histogram.counts.len() < self.buckets.len() {
            histogram.counts.resize(self.buckets.len(), 0);
        }
        for (sum, counter) in histogram.counts.iter_mut().zip(&self.buckets) {
            *sum += counter.value();
        }
        histogram.sum_seconds += self.nanos.value() as f64 / 1e9;
    }

    /// Adds what another one has counted; only ever called by the histogram's own writer.
    pub(crate) fn take_in(&self, other: &Self) {
        for (sum, counter) in self.buckets.iter().zip(&other.buckets) {
            sum.add(counter.value());
        }
        self.nanos.add(other.nanos.value());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_whose_bound_they_do_not_pass() {
        let durations = Durations::default();
        for nanos in [0, 500_000, 500_001, 1_000_000, 10_000_000_000, 10_000_000_001] {
            durations.observe(Sample::of(Duration::from_nanos(nanos)));
        }
        let mut histogram = Histogram::default();
        durations.add_to(&mut histogram);
        durations.add_to(&mut histogram);
        let counts = histogram.counts;
        assert_eq!(
            (counts[0], counts[1], counts[13], counts[14]),
            (4, 4, 2, 2),
            "each twice, as if from two workers"
        );
        assert_eq!(counts.iter().sum::<u64>(), 12);
    }

    #[test]
    fn the_longest_duration_is_above_all_bounds() {
        let sample = Sample::of(Duration::MAX);
        assert_eq!((sample.bucket, sample.nanos), (DURATION_BOUNDS_SECONDS.len(), u64::MAX));
    }
}
