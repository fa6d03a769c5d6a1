//! Observations of durations, in buckets that are the same everywhere.

/// A histogram with the fixed bounds [`DURATION_BOUNDS_SECONDS`].
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Observations per bucket, not cumulative; the last one is above all bounds.
    pub counts: Vec<u64>,
    /// Sum of all observations in seconds.
    pub sum_seconds: f64,
}

/// Upper bounds of the buckets of every duration histogram, in seconds.
pub const DURATION_BOUNDS_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl Histogram {
    /// Adds the observations of another one.
    pub fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
        self.sum_seconds += other.sum_seconds;
    }
}
