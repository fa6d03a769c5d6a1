//! A rule about how often somebody may ask, and several of them together.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use smallvec::SmallVec;

use super::key_table::{Entry, KeyTable, Outcome};
use super::pace::{Pace, Rate, Standing, Ticks};

/// A rate and a burst, for all requests together or for each key.
///
/// In any time, `rate × time + burst` requests pass and no more, over all threads that ask; the last of them may be up to
/// one tick of the rule's clock early (8 µs, or a millionth of the interval where that is longer).
#[derive(Debug)]
pub struct RateLimit {
    pace: Pace,
    times: Times,
}

#[derive(Debug)]
enum Times {
    One(AtomicU64),
    ByKey(KeyTable),
}

/// A request that passed and was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Where its key stands now.
    pub standing: Standing,
    at: Ticks,
    /// Where its key is, if there are keys.
    entry: Option<Entry>,
}

/// A request that would be more than the rate; nothing was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Where its key stands.
    pub standing: Standing,
    /// After this a request may pass, if no other one comes first. Never zero.
    pub retry_after: Duration,
}

impl RateLimit {
    /// One rate for all requests together. `burst` is from 1 to [`Rate::COUNT_MAX`].
    pub fn together(rate: Rate, burst: u32) -> Self {
        Self { pace: Pace::new(rate, burst), times: Times::One(AtomicU64::new(0)) }
    }

    /// A rate for each key, with memory for so many keys that are in use at the same time. A key is in use until the time of
    /// its requests has passed: after one request, for one interval.
    pub fn by_key(rate: Rate, burst: u32, entries: usize) -> Self {
        Self { pace: Pace::new(rate, burst), times: Times::ByKey(KeyTable::new(entries)) }
    }

    /// Whether a request of the key with this hash would pass; nothing is charged.
    ///
    /// # Errors
    /// It would not.
    pub fn check(&self, key: u64, now: Duration) -> Result<(), Refused> {
        let now = self.pace.moment(now);
        let ahead = match &self.times {
            Times::One(time) => self.pace.ahead(time.load(SeqCst), now),
            Times::ByKey(table) => table.ahead(&self.pace, key, now),
        };
        self.pace.after_one_more(ahead).map(|_| ()).ok_or_else(|| self.refused(ahead))
    }

    /// Charges a request to the key with this hash, if it may pass. `now` is the time since a moment that is the same for
    /// all callers.
    ///
    /// # Errors
    /// It may not pass.
    pub fn charge(&self, key: u64, now: Duration) -> Result<Charge, Refused> {
        let now = self.pace.moment(now);
        let outcome = match &self.times {
            Times::One(time) => self.charge_one(time, now).map(|ahead| (ahead, None)),
            Times::ByKey(table) => match table.charge(&self.pace, key, now) {
                Outcome::Passes(ahead, entry) => Ok((ahead, Some(entry))),
                Outcome::Refused(ahead) => Err(ahead),
            },
        };
        let (ahead, entry) = outcome.map_err(|ahead| self.refused(ahead))?;
        Ok(Charge { standing: self.pace.standing(ahead), at: now, entry })
    }

    fn charge_one(&self, time: &AtomicU64, now: Ticks) -> Result<u64, u64> {
        let mut old = time.load(SeqCst);
        loop {
            let before = self.pace.ahead(old, now);
            let ahead = self.pace.after_one_more(before).ok_or(before)?;
            match time.compare_exchange_weak(old, self.pace.word(1, ahead, now), SeqCst, SeqCst) {
                Ok(_) => return Ok(ahead),
                Err(changed) => old = changed,
            }
        }
    }

    /// Gives back what a request was charged that was refused all the same, as far as it has not become due.
    ///
    /// `now` is a look at the clock and not a time, because it must come after the look at what has been used: with a time
    /// from before, what others were charged since then would be given back.
    pub fn refund(&self, charge: Charge, now: impl Fn() -> Duration) {
        let now = || self.pace.moment(now());
        match (&self.times, charge.entry) {
            (Times::ByKey(table), Some(entry)) => table.refund(&self.pace, entry, charge.at, now),
            (Times::One(time), None) => {
                // It fails when nothing is left to be given back.
                let _ = time.fetch_update(SeqCst, SeqCst, |old| self.pace.refunded(old, charge.at, now()));
            }
            (Times::One(_), Some(_)) | (Times::ByKey(_), None) => {
                debug_assert!(false, "a charge goes back to the rule that made it");
            }
        }
    }

    /// Bytes that [`by_key`](Self::by_key) takes at most for so many entries, whatever keys come.
    pub fn bytes_max(entries: usize) -> usize {
        KeyTable::bytes_max(entries)
    }

    /// Bytes of memory for keys at this moment. They are taken as keys come, by the page, and not given back.
    pub fn bytes(&self) -> usize {
        match &self.times {
            Times::One(_) => 0,
            Times::ByKey(table) => table.bytes(),
        }
    }

    /// How often a key took over the entry of another one that was in use, because a part of the table was full. Such a key
    /// may be refused early.
    pub fn taken_over(&self) -> u64 {
        match &self.times {
            Times::One(_) => 0,
            Times::ByKey(table) => table.taken_over(),
        }
    }

    fn refused(&self, ahead: u64) -> Refused {
        Refused { standing: self.pace.standing(ahead), retry_after: self.pace.wait(ahead) }
    }
}

/// What a request was charged, in the order of the rules.
pub type Charges = SmallVec<[Charge; 2]>;

/// Charges a request to several rules, each with the hash of its key: to all of them if it may pass all, else to none.
/// `clock` is asked only where something has to be given back.
///
/// # Errors
/// The first rule that it may not pass.
pub fn charge_all<'l>(
    rules: impl Iterator<Item = (&'l RateLimit, u64)> + Clone,
    now: Duration,
    clock: impl Fn() -> Duration,
) -> Result<Charges, Refused> {
    // Asking first keeps a request that one rule refuses from being felt in the others even for a moment.
    if rules.clone().nth(1).is_some() {
        rules.clone().try_for_each(|(limit, key)| limit.check(key, now))?;
    }
    let mut charges = Charges::new();
    for (limit, key) in rules.clone() {
        match limit.charge(key, now) {
            Ok(charge) => charges.push(charge),
            Err(refused) => {
                refund_all(rules.map(|(limit, _)| limit), &charges, clock);
                return Err(refused);
            }
        }
    }
    Ok(charges)
}

/// Gives charges back to the rules that made them; see [`RateLimit::refund`].
pub fn refund_all<'l>(
    rules: impl Iterator<Item = &'l RateLimit>,
    charges: &[Charge],
    clock: impl Fn() -> Duration,
) {
    for (limit, charge) in rules.zip(charges) {
        limit.refund(*charge, &clock);
    }
}

/// The standing that is nearest to refusing.
pub fn tightest(standings: impl Iterator<Item = Standing>) -> Option<Standing> {
    standings.min_by_key(|standing| (standing.remaining, std::cmp::Reverse(standing.reset)))
}

#[cfg(test)]
mod tests;
