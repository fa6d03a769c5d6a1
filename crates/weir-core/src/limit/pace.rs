//! The arithmetic of a rate: times in ticks, and what they mean for one more request.
//!
//! A rule has a clock of its own, whose tick is an exact fraction (a power of two) of the interval between two requests.
//! So the interval is a whole number of ticks whatever the rate is, and nothing is rounded that adds up. The clock is read
//! rounded down: in any time the rule lets `rate × time + burst` requests pass, and the last of them may be up to one tick
//! early. A tick is at most 8 µs or a millionth of the interval, whichever is longer, and a sixteenth of the interval where
//! the rate is above 16,384 per second.
//!
//! Times are kept in 44 bits and wrap around. Only times near `now` mean anything: what lies more than a minute behind, or
//! more than two bursts and a minute ahead, is long over. After 2⁴⁴ ticks (two years at 100 per second, 12 days at a million) a time that
//! nobody has touched comes near again; if the key is used in just that moment, it seems to have used its burst before.
//! That refuses a request early, which is the safe side, and so rarely that nobody sweeps the old times away.

use std::time::Duration;

/// Bits of a time.
const TIME_BITS: u32 = 44;

/// Bits of a word beside its time.
pub(super) const TAG_BITS: u32 = u64::BITS - TIME_BITS;

/// The bits of a time.
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// Ticks per second that a rule's clock has at most, as long as the interval is not cut into too few: two years until a
/// time comes around.
const TICKS_PER_SECOND_MAX: u64 = 1 << 18;

/// The most ticks of all requests of a burst together: far below the whole range of times.
const BURST_TICKS_MAX: u64 = 1 << 41;

/// Smallest and largest power of two of ticks between two requests.
const COST_SHIFTS: (u32, u32) = (4, 30);

/// How far the clocks of two callers may differ: a thread may be stopped between its look at the clock and its question.
const SKEW: Duration = Duration::from_secs(60);

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests, from 1 to [`Rate::COUNT_MAX`].
    pub count: u32,
    /// The time: a second, a minute, an hour or a day.
    pub per: Duration,
}

impl Rate {
    /// The largest number of requests in a rate, and the largest burst.
    pub const COUNT_MAX: u32 = 1_000_000;
}

/// A time for a client, in whole seconds, rounded up. What a tick of a rule's clock adds makes no second more: it is far less
/// than an answer is under way.
pub fn whole_seconds(time: Duration) -> u64 {
    const UNFELT: Duration = Duration::from_millis(1);
    let time = time.saturating_sub(UNFELT);
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Where a key stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The burst: how many may pass at once when nothing has been used.
    pub limit: u32,
    /// How many more would pass now.
    pub remaining: u32,
    /// Until nothing is used any more.
    pub reset: Duration,
}

/// A moment on a rule's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks(u64);

#[cfg(test)]
impl Ticks {
    /// The moment after so many ticks.
    pub(super) fn at(ticks: u64) -> Self {
        Self(ticks & TIME_MASK)
    }
}

/// What a word holds beside its time.
pub(super) fn tag(word: u64) -> u64 {
    word >> TIME_BITS
}

/// A rate and a burst, ready to calculate with.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    burst: u32,
    /// Ticks between two requests at the rate.
    cost: u64,
    /// Ticks of a nanosecond, in 2⁻⁶⁴.
    ticks_per_nanosecond: u64,
    skew: u64,
}

impl Pace {
    /// `burst` is at least 1, `rate` as [`Rate`] says.
    pub(super) fn new(rate: Rate, burst: u32) -> Self {
        let count = u64::from(rate.count.clamp(1, Rate::COUNT_MAX));
        let burst = burst.clamp(1, Rate::COUNT_MAX);
        let seconds = rate.per.as_secs().max(1);
        let fits = |shift: &u32| {
            count << shift <= TICKS_PER_SECOND_MAX.saturating_mul(seconds)
                && u64::from(burst) << shift <= BURST_TICKS_MAX
        };
        let (least, most) = COST_SHIFTS;
        let cost = 1 << (least..=most).rev().find(fits).unwrap_or(least);
        let ticks = u128::from(count * cost) << 64;
        let ticks_per_nanosecond = u64::try_from(ticks / rate.per.as_nanos().max(1)).unwrap_or(u64::MAX);
        let mut pace = Self { rate, burst, cost, ticks_per_nanosecond, skew: 0 };
        pace.skew = pace.ticks(SKEW);
        pace
    }

    /// A moment of the callers' clock on this rule's clock, rounded down.
    pub(super) fn moment(&self, now: Duration) -> Ticks {
        Ticks(self.ticks(now) & TIME_MASK)
    }

    fn ticks(&self, time: Duration) -> u64 {
        // 64 bits of nanoseconds are 584 years.
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let ticks = u128::from(nanoseconds) * u128::from(self.ticks_per_nanosecond);
        u64::try_from(ticks >> 64).unwrap_or(u64::MAX)
    }

    /// How far the time in a word lies ahead of a moment that is a little before `now`; 0 when it is long over, or when the
    /// word has no tag, because nobody has used it. Larger means later.
    pub(super) fn lead(&self, word: u64, now: Ticks) -> u64 {
        if tag(word) == 0 {
            return 0;
        }
        let lead = word.wrapping_add(self.skew).wrapping_sub(now.0) & TIME_MASK;
        // Nobody is let further ahead than a burst, two together make less than two; callers' clocks differ by the skew, in
        // either direction.
        if lead <= 2 * self.burst_ticks() + 2 * self.skew { lead } else { 0 }
    }

    /// How far the time in a word lies ahead of `now`; 0 when it has passed.
    pub(super) fn ahead(&self, word: u64, now: Ticks) -> u64 {
        self.lead(word, now).saturating_sub(self.skew)
    }

    /// A word with this tag, which is not 0, and the time so far ahead of `now`.
    pub(super) fn word(&self, tag: u64, ahead: u64, now: Ticks) -> u64 {
        debug_assert!(tag > 0, "a word without a tag is one that nobody has used");
        tag << TIME_BITS | now.0.wrapping_add(ahead) & TIME_MASK
    }

    /// How far ahead a key is after one more request, if that may pass.
    pub(super) fn after_one_more(&self, ahead: u64) -> Option<u64> {
        (ahead <= self.burst_ticks() - self.cost).then_some(ahead + self.cost)
    }

    /// How far ahead a key can be at most.
    pub(super) fn burst_ticks(&self) -> u64 {
        u64::from(self.burst) * self.cost
    }

    /// How far ahead a key is that is so far ahead in several places, each of which holds some of its requests. Never less
    /// than it is, also if the moment from which this is told is long over.
    pub(super) fn together(&self, ahead: impl Iterator<Item = u64> + Clone) -> u64 {
        let most = ahead.clone().max().unwrap_or(0);
        // Nobody is let further ahead than a burst, so it is no earlier than this; what was due before is due.
        let begun = most.saturating_sub(self.burst_ticks());
        let sum: u64 = ahead.map(|ahead| ahead.saturating_sub(begun)).sum();
        // The request that was charged last made its place one request later, and the key has a burst from there.
        (begun + sum).min(most + self.burst_ticks() - self.cost)
    }

    /// What can be given back of a request that was charged at that moment.
    ///
    /// In the time since then no more has become due than the time that has passed, so the rest of the charge is still what
    /// keeps the key ahead, whatever else was charged or given back meanwhile.
    pub(super) fn left_of(&self, charged: Ticks, now: Ticks) -> u64 {
        self.cost.saturating_sub(now.0.wrapping_sub(charged.0) & TIME_MASK)
    }

    /// The word after a request is given back that was charged at that moment; `None` when nothing is left of it. `now` was
    /// read after the word.
    pub(super) fn refunded(&self, word: u64, charged: Ticks, now: Ticks) -> Option<u64> {
        let amount = self.left_of(charged, now);
        let ahead = self.ahead(word, now).saturating_sub(amount);
        (amount > 0).then(|| self.word(tag(word), ahead, now))
    }

    /// How long a key that is so far ahead must wait until one more may pass.
    pub(super) fn wait(&self, ahead: u64) -> Duration {
        let ticks = (ahead + self.cost).saturating_sub(self.burst_ticks());
        // The clock is read rounded down.
        if ticks == 0 { Duration::ZERO } else { self.duration(ticks + 1) }
    }

    /// Where a key stands that is so far ahead.
    pub(super) fn standing(&self, ahead: u64) -> Standing {
        let remaining = self.burst_ticks().saturating_sub(ahead) / self.cost;
        Standing {
            limit: self.burst,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            reset: self.duration(ahead),
        }
    }

    /// Ticks as time, rounded up.
    fn duration(&self, ticks: u64) -> Duration {
        let nanoseconds = u128::from(ticks) * self.rate.per.as_nanos();
        let nanoseconds = nanoseconds.div_ceil(u128::from(self.rate.count) * u128::from(self.cost));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
