//! How long servers take: a histogram that forgets, and what can be read from it.
//!
//! Buckets grow with the time that they stand for, eight to each doubling, so a percentile is at most an eighth too large
//! whatever the servers' speed. What was counted loses half of its weight every ten seconds; so the percentile follows a
//! server that becomes slow within some seconds, and one slow answer changes little.

use std::time::Duration;

/// Steps within a doubling.
const STEPS: u32 = 8;

const STEPS_BITS: u32 = STEPS.ilog2();

/// Buckets: the last one is for everything above an hour.
pub const BUCKETS: usize = 256;

/// The time in which a sample loses half of its weight.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// Samples of a server below which nothing is said of it.
const SAMPLES_MIN: f64 = 20.0;

/// What is left of one sample when it is not shown any more: half a minute after it.
const SAMPLES_SHOWN_MIN: f64 = 0.125;

/// The bucket of a time.
pub fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    // The doubling, and the step within it: the bits behind the leading one.
    let doubling = micros.ilog2();
    let step = if doubling >= STEPS_BITS { (micros >> (doubling - STEPS_BITS)) as u32 % STEPS } else { 0 };
    ((doubling * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The longest time of a bucket.
fn upper_bound(bucket: usize) -> Duration {
    let (doubling, step) = (bucket as u32 / STEPS, bucket as u64 % u64::from(STEPS));
    let begin = 1_u64 << doubling;
    // Below eight microseconds there are no steps.
    let length = if doubling < STEPS_BITS { begin } else { (begin * (step + 1)) >> STEPS_BITS };
    Duration::from_micros(begin + length)
}

/// The times of one server, as they are remembered.
#[derive(Debug, Clone)]
pub struct Remembered {
    weights: [f64; BUCKETS],
}

impl Default for Remembered {
    fn default() -> Self {
        Self { weights: [0.0; BUCKETS] }
    }
}

impl Remembered {
    /// Adds what was counted in the time since the last call, which lets the rest fade.
    pub fn add(&mut self, elapsed: Duration, counts: impl IntoIterator<Item = u32>) {
        let fading = 0.5_f64.powf(elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64());
        let mut counts = counts.into_iter();
        for weight in &mut self.weights {
            *weight = *weight * fading + f64::from(counts.next().unwrap_or(0));
        }
    }

    /// The time within which this share of the answers began; `None` when too little is known.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        self.percentile_of(share, SAMPLES_MIN)
    }

    /// The same for people, who see themselves that little is known: also of few answers, unless they were long ago.
    pub fn percentile_of_few(&self, share: f64) -> Option<Duration> {
        self.percentile_of(share, SAMPLES_SHOWN_MIN)
    }

    fn percentile_of(&self, share: f64, samples_min: f64) -> Option<Duration> {
        let total: f64 = self.weights.iter().sum();
        if total < samples_min {
            return None;
        }
        let mut left = total * share;
        let found = self.weights.iter().position(|weight| {
            left -= weight;
            left <= 0.0
        });
        Some(upper_bound(found.unwrap_or(BUCKETS - 1)))
    }
}

/// The middle one; of an even number the lower of the two, so that one slow server among two does not decide.
pub fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    #[test]
    fn a_bucket_is_at_most_an_eighth_wide() {
        let mut last = 0;
        for time in (1..200_000).chain([1_000_000, 60_000_000, 3_000_000_000]) {
            let found = bucket(micros(time));
            assert!(found >= last, "{time}");
            last = found;
            let bound = upper_bound(found);
            assert!(bound >= micros(time), "{time}: {bound:?}");
            assert!(time < 8 || bound <= micros(time + time / 8 + 1), "{time}: {bound:?}");
        }
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    fn counts(samples: &[(u64, u32)]) -> Vec<u32> {
        let mut counts = vec![0; BUCKETS];
        for (time, count) in samples {
            counts[bucket(micros(*time))] += count;
        }
        counts
    }

    #[test]
    fn the_percentile_is_where_so_many_have_begun() {
        let mut times = Remembered::default();
        assert_eq!(times.percentile(0.95), None);
        times.add(Duration::ZERO, counts(&[(1000, 10)]));
        assert_eq!(times.percentile(0.95), None, "ten are not enough");
        assert!(times.percentile_of_few(0.95).is_some(), "and people want to see them");
        times.add(Duration::ZERO, counts(&[(1000, 86), (40_000, 4)]));
        let found = times.percentile(0.95).map_or(0, |time| time.as_micros());
        assert!((1000..1130).contains(&found), "{found}");
        let found = times.percentile(0.99).map_or(0, |time| time.as_micros());
        assert!((40_000..45_100).contains(&found), "{found}");
    }

    #[test]
    fn one_answer_is_shown_for_half_a_minute() {
        let mut times = Remembered::default();
        assert_eq!(times.percentile_of_few(0.5), None);
        times.add(Duration::ZERO, counts(&[(1000, 1)]));
        times.add(Duration::from_secs(29), []);
        assert!(times.percentile_of_few(0.5).is_some_and(|time| time >= micros(1000)));
        times.add(Duration::from_secs(2), []);
        assert_eq!(times.percentile_of_few(0.5), None);
    }

    #[test]
    fn a_server_that_becomes_slow_is_believed_after_some_seconds() {
        let mut times = Remembered::default();
        times.add(Duration::ZERO, counts(&[(1000, 10_000)]));
        let mut seconds = 0;
        while times.percentile(0.95).is_none_or(|time| time < micros(50_000)) {
            times.add(Duration::from_secs(1), counts(&[(50_000, 100)]));
            seconds += 1;
            assert!(seconds < 30, "it is never believed");
        }
        // And when nobody asks any more, nothing is known after a while.
        times.add(Duration::from_secs(120), counts(&[]));
        assert_eq!(times.percentile(0.95), None);
    }

    #[test]
    fn the_median_does_not_follow_one_slow_server() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![micros(3)]), Some(micros(3)));
        assert_eq!(median(vec![micros(900), micros(3)]), Some(micros(3)));
        assert_eq!(median(vec![micros(900), micros(3), micros(4)]), Some(micros(4)));
    }
}
