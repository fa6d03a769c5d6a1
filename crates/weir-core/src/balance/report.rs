//! What a server says of its own load: `X-Load: cpu=0.7, mem=0.4`.
//!
//! Read strictly: a number that was misunderstood would send the requests of all the others to one server. A field with
//! anything in it that is not in its grammar says nothing at all. `cpu` and `mem` are shares from 0 to 1, at least one of
//! them, each at most once, in any order; the larger one counts, because a server stops at what runs out first.

use std::time::Duration;

/// A report that is older than this says nothing any more, unless the configuration says otherwise.
pub const FORGET: Duration = Duration::from_secs(10);

/// The time in which a new report outweighs those before it. A report is about one moment; a request that was heavy is over
/// when the next one comes.
const SMOOTHING: Duration = Duration::from_secs(1);

/// Reports that follow within this say nothing new.
const STEP_MILLIS: u64 = 10;

/// Longest value: two numbers of many digits.
const BYTES_MAX: usize = 64;

/// The load that a field value reports, from 0 to 1; `None` when it says nothing that can be understood.
pub fn parse(value: &[u8]) -> Option<f32> {
    if value.len() > BYTES_MAX {
        return None;
    }
    let (mut cpu, mut memory) = (None, None);
    for part in value.split(|byte| *byte == b',') {
        let (name, number) = split(part.trim_ascii())?;
        let slot = match name {
            b"cpu" => &mut cpu,
            b"mem" => &mut memory,
            _ => return None,
        };
        if slot.replace(share(number)?).is_some() {
            return None;
        }
    }
    // `None` is less than anything.
    if cpu > memory { cpu } else { memory }
}

fn split(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|byte| *byte == b'=')?;
    Some((&part[..at], &part[at + 1..]))
}

/// `0`, `1`, `0.7`, `1.00`: one digit, and perhaps a point and more of them. No sign, no exponent, no `.5`.
fn share(text: &[u8]) -> Option<f32> {
    let (whole, fraction) = match text {
        [whole] => (*whole, &[][..]),
        [whole, b'.', fraction @ ..] if !fraction.is_empty() => (*whole, fraction),
        _ => return None,
    };
    if !matches!(whole, b'0' | b'1') || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: f32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number <= 1.0).then_some(number)
}

/// Reports of a server, smoothed, in 64 bits: the time of the last one in milliseconds (48 bits, 0 for never), and the load
/// (16). So any number of workers share it in one atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reports(u64);

/// What the reports of a server are worth now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reported {
    /// From 0 to 1.
    pub load: f32,
    /// From 1 for what was just reported to 0 for what is forgotten.
    pub trust: f32,
}

impl Reports {
    /// What is in a word.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The word.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// Notes a report; `None` when it says nothing new. `now` is the time since any moment that is the same for all notes; what
    /// is older than `forget` is not smoothed with.
    #[must_use]
    pub fn noted(self, now: Duration, load: f32, forget: Duration) -> Option<Self> {
        let at = millis(now);
        let elapsed = at.saturating_sub(self.0 >> 16);
        let load = match self.0 {
            0 => load,
            _ if elapsed < STEP_MILLIS => return None,
            _ if u128::from(elapsed) >= forget.as_millis() => load,
            _ => {
                let kept = (-(elapsed as f32) / SMOOTHING.as_millis() as f32).exp();
                self.load() * kept + load * (1.0 - kept)
            }
        };
        let load = (load.clamp(0.0, 1.0) * f32::from(u16::MAX)).round() as u16;
        Some(Self(at << 16 | u64::from(load)))
    }

    /// What they are worth now: a report counts fully for half of `forget`, then less and less, and then not at all.
    pub fn at(self, now: Duration, forget: Duration) -> Option<Reported> {
        let age = millis(now).saturating_sub(self.0 >> 16) as f32;
        let trust = (2.0 - 2.0 * age / (forget.as_millis() as f32).max(1.0)).min(1.0);
        (self.0 != 0 && trust > 0.0).then(|| Reported { load: self.load(), trust })
    }

    fn load(self) -> f32 {
        f32::from(self.0 as u16) / f32::from(u16::MAX)
    }
}

/// 48 bits of milliseconds are 8,900 years. Never 0, which stands for no report.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, (1 << 48) - 1)
}

#[cfg(test)]
mod tests;
