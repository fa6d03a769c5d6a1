//! How a server has answered until now, in 64 bits, so that any number of workers share it in one atomic.
//!
//! Two things are remembered: how long it takes to the head of an answer, and which share of its exchanges failed. Both
//! are moving averages over time and not over exchanges, so a server with much traffic and one with little forget equally
//! fast. A time that is longer than the average becomes the average at once (the peak), because a server that has become
//! slow must not get as many requests as it takes to find that out.
//!
//! The word is written when it says something new: after a hundredth of a second, or for a peak. So a server with 10,000 answers
//! a second costs its workers a hundred writes, and reads of memory that seldom changes.

use std::time::Duration;

/// The time in which what is known loses all but 1/e of its weight, unless the configuration says otherwise.
pub const DECAY: Duration = Duration::from_secs(10);

/// How fast what is known fades, as a number that is multiplied with: servers are compared for every request, and the time that the
/// configuration says would have to be converted each time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    /// The part of the whole time that a millisecond is.
    per_milli: f32,
}

impl Decay {
    /// What is known loses all but 1/e of its weight in this time, which is taken for a millisecond if it is less.
    pub const fn over(time: Duration) -> Self {
        let millis = time.as_millis();
        Self { per_milli: if millis == 0 { 1.0 } else { 1.0 / millis as f32 } }
    }

    /// The same in 32 bits; never 0.
    pub fn to_bits(self) -> u32 {
        self.per_milli.to_bits()
    }

    /// What [`to_bits`](Self::to_bits) gave.
    pub fn from_bits(bits: u32) -> Self {
        Self { per_milli: f32::from_bits(bits) }
    }
}

/// What is newer than this says nothing new, unless it is a peak.
const STEP_MILLIS: u64 = 10;

/// A peak is more than an eighth above what is known; less may wait for its turn.
const PEAK: f32 = 1.125;

/// What one exchange counts for in the share of failures, however soon it follows. By time alone, a server that has begun to
/// fail fast would get most of the requests for seconds before the share said so.
const COUNTED: f32 = 0.1;

/// A share of failures below this is none.
const FAILING_MIN: f32 = 0.005;

const TIME_BITS: u32 = 24;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// Upper bits of a positive `f32`: its sign is left out, and 16 bits of its fraction stay.
const LATENCY_SHIFT: u32 = 7;
const LATENCY_MASK: u64 = (1 << 24) - 1;
const FAILED_MAX: f32 = u16::MAX as f32;

/// What is known of a server, packed: the time of the last note in milliseconds (24 bits), microseconds to the head (24),
/// failed share (16). 0 is: nothing.
///
/// Times are modulo 2²⁴ milliseconds, 4.6 hours. What was noted longer ago than half of that may count as just noted, once,
/// until the next answer; nobody has asked the server in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observed(u64);

/// What a server can be expected to do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Standing {
    /// Microseconds to the head of an answer; `None` when nothing is known, or it is long ago.
    pub latency_micros: Option<f32>,
    /// The share of exchanges that fail, from 0 to 1.
    pub failing: f32,
}

impl Observed {
    /// What is in a word.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The word.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// Notes an exchange that took so long to the head of its answer. `now` is the time since any moment that is the same for all
    /// notes. `None` when that says nothing new.
    #[must_use]
    pub fn succeeded(self, now: Duration, took: Duration, decay: Decay) -> Option<Self> {
        let (latency, sample) = (self.latency(), micros(took));
        let elapsed = self.elapsed(now);
        let is_news = sample > latency * PEAK || self.failing() > 0.0;
        if elapsed < STEP_MILLIS && !is_news {
            return None;
        }
        let kept = kept(elapsed, decay);
        let latency = if sample > latency { sample } else { latency * kept + sample * (1.0 - kept) };
        let failing = self.failing() * kept.min(1.0 - COUNTED);
        Some(Self::packed(now, latency, if failing < FAILING_MIN { 0.0 } else { failing }))
    }

    /// Notes an exchange that failed after so long.
    ///
    /// It counts as at least as slow as the server was until now: failing fast is not being fast. What it costs the
    /// server is in the share of failed exchanges.
    #[must_use]
    pub fn failed(self, now: Duration, took: Duration, decay: Decay) -> Self {
        let latency = self.latency();
        // Of a server that has never answered nothing is known but that.
        let latency = if latency > 0.0 { latency.max(micros(took)) } else { 0.0 };
        let kept = kept(self.elapsed(now), decay).min(1.0 - COUNTED);
        Self::packed(now, latency, self.failing() * kept + (1.0 - kept))
    }

    /// Notes an exchange that was ended by us after so long: it would have taken at least that.
    #[must_use]
    pub fn cut(self, now: Duration, took: Duration, decay: Decay) -> Option<Self> {
        if micros(took) > self.latency() * PEAK && self.latency() > 0.0 {
            return self.succeeded(now, took, decay);
        }
        None
    }

    /// What can be expected now. What is known fades while nobody asks: a server that was slow is asked again in the end.
    pub fn at(self, now: Duration, decay: Decay) -> Standing {
        if self.0 == 0 {
            return Standing::default();
        }
        let kept = kept(self.elapsed(now), decay);
        let latency = self.latency() * kept;
        Standing { latency_micros: (latency >= 1.0).then_some(latency), failing: self.failing() * kept }
    }

    fn packed(now: Duration, latency: f32, failing: f32) -> Self {
        let latency = u64::from(latency.to_bits() >> LATENCY_SHIFT) & LATENCY_MASK;
        // From 0 to 2¹⁶ − 1; a conversion from a float stays within the bounds of its type.
        let failed = u64::from((failing.clamp(0.0, 1.0) * FAILED_MAX).round() as u16);
        Self((millis(now) & TIME_MASK) << 40 | latency << 16 | failed)
    }

    fn latency(self) -> f32 {
        // 24 bits, shifted by 7.
        f32::from_bits(((self.0 >> 16 & LATENCY_MASK) as u32) << LATENCY_SHIFT)
    }

    fn failing(self) -> f32 {
        f32::from(self.0 as u16) / FAILED_MAX
    }

    /// Milliseconds since the last note. Another worker may have noted something a moment after our `now`: that is no time.
    fn elapsed(self, now: Duration) -> u64 {
        let elapsed = millis(now).wrapping_sub(self.0 >> 40) & TIME_MASK;
        if elapsed > TIME_MASK / 2 && self.0 != 0 { 0 } else { elapsed }
    }
}

fn millis(time: Duration) -> u64 {
    // What `as_millis` does, without 128 bits: this is done for every server that is drawn.
    time.as_secs().saturating_mul(1000).saturating_add(u64::from(time.subsec_millis()))
}

/// At least one: nothing takes no time.
fn micros(took: Duration) -> f32 {
    let micros = took.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(took.subsec_micros()));
    (micros as f32).max(1.0)
}

/// How much of what is known is left after so many milliseconds.
fn kept(elapsed_millis: u64, decay: Decay) -> f32 {
    let share = elapsed_millis as f32 * decay.per_milli;
    // The beginning of its series is as exact as the type up to here, and takes a few instructions where `exp` takes a hundred.
    if share < 1.0 / 128.0 { 1.0 - share + share * share / 2.0 } else { (-share).exp() }
}

#[cfg(test)]
mod tests;
