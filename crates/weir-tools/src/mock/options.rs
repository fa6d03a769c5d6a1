//! How a mock misbehaves, and how that is written on a command line.
//!
//! The values are types that cannot hold nonsense, each with a [`FromStr`]; whoever has flags hands over their text and
//! gets an error for people back. No argument parser is known here.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The longest delay that can be asked for, by an option or a path.
const DELAY_MAX: Duration = Duration::from_secs(3600);

/// How one mock behaves. The default is to answer 200 at once, always.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MockOptions {
    /// Whether every path answers with the request as JSON, as `/echo` does.
    pub debug: bool,
    /// The share of requests that get a 500.
    pub errors: Share,
    /// How long each answer waits.
    pub delay: Delay,
    /// The status of answers that are no error; `/status/N` says its own.
    pub status: AnswerStatus,
    /// Whether `PUT /_mock` changes all this while it runs.
    pub control: bool,
    /// Where the random numbers behind `errors` and `delay` start, so that a test sees the same twice. `None` is a new
    /// start each time.
    pub seed: Option<u64>,
}

/// A text that is none of what an option takes. Its `Display` says why and how to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionError(String);

impl OptionError {
    fn new(what: &str, text: &str, why: &str, hint: &str) -> Self {
        Self(format!("`{text}` is no {what}: {why}\n\nhint: {hint}"))
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionError {}

/// A share of requests, from 0 % to 100 %. Written `50%` or `0.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Share(f64);

impl Share {
    /// Whether a random number in `0.0..1.0` falls into the share: never for 0 %, always for 100 %.
    pub fn holds(self, random: f64) -> bool {
        random < self.0
    }
}

impl fmt::Display for Share {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was written with some decimals has been divided by a hundred; a millionth of a percent is lost here.
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

impl FromStr for Share {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let error = |why| OptionError::new("share", text, why, "write a percentage such as `50%`");
        let number = text.strip_suffix('%').ok_or_else(|| error("it does not end in `%`"))?;
        // `f64` would also take `1e1`, `inf` and signs, which nobody means here.
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(error("there is no plain number before the `%`"));
        }
        let percent: f64 = number.parse().map_err(|_| error("there is no plain number before the `%`"))?;
        if percent > 100.0 {
            return Err(error("it is more than everything"));
        }
        Ok(Self(percent / 100.0))
    }
}

/// How long an answer waits: a fixed time or a random one in a range. Written `20ms` or `0..1000ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    shortest: Duration,
    longest: Duration,
}

impl Delay {
    /// A fixed time; over an hour it is an hour.
    pub fn fixed(delay: Duration) -> Self {
        let delay = delay.min(DELAY_MAX);
        Self { shortest: delay, longest: delay }
    }

    /// The shortest and the longest wait, both possible.
    pub fn range(self) -> RangeInclusive<Duration> {
        self.shortest..=self.longest
    }

    /// The wait for a random number in `0.0..1.0`; even over the range.
    pub fn pick(self, random: f64) -> Duration {
        (self.shortest + (self.longest - self.shortest).mul_f64(random.clamp(0.0, 1.0))).min(self.longest)
    }
}

impl fmt::Display for Delay {
    /// As it is written, in milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shortest != self.longest {
            write!(f, "{}..", self.shortest.as_millis())?;
        }
        write!(f, "{}ms", self.longest.as_millis())
    }
}

impl FromStr for Delay {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let Some((low, high)) = text.split_once("..") else {
            return parse_duration(text).map(Self::fixed);
        };
        let longest = parse_duration(high)?;
        // `5..1000ms` borrows the unit behind the range, as people write it.
        let shortest = if low.bytes().all(|b| b.is_ascii_digit()) && !low.is_empty() {
            let unit = high.trim_start_matches(|c: char| c.is_ascii_digit());
            parse_duration(&format!("{low}{unit}"))?
        } else {
            parse_duration(low)?
        };
        if shortest > longest {
            let hint = "write the shorter time first, such as `0..1000ms`";
            return Err(OptionError::new("delay", text, "it ends before it begins", hint));
        }
        Ok(Self { shortest, longest })
    }
}

/// Reads a duration such as `250ms`, `2s`, `1m` or `0`; whole numbers only, at most an hour.
///
/// # Errors
///
/// When there is no number, no unit or another one, or when it is more than an hour.
pub fn parse_duration(text: &str) -> Result<Duration, OptionError> {
    let error = |why| {
        OptionError::new("duration", text, why, "write a whole number with a unit, such as `250ms` or `2s`")
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(error("it does not begin with a digit"));
    }
    let number: u64 = number.parse().map_err(|_| error("it is longer than an hour"))?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "" if number == 0 => 1,
        "" => return Err(error("it has no unit")),
        _ => return Err(error("its unit is none of `ms`, `s`, `m`, `h`")),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= DELAY_MAX)
        .ok_or_else(|| error("it is longer than an hour"))
}

/// The status of a final answer: 200 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerStatus(u16);

impl AnswerStatus {
    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }
}

impl Default for AnswerStatus {
    fn default() -> Self {
        Self(200)
    }
}

impl FromStr for AnswerStatus {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let error =
            |why| OptionError::new("status", text, why, "write a number from 200 to 599, such as `503`");
        if text.len() != 3 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error("it does not have three digits"));
        }
        let code = text.parse().map_err(|_| error("it does not have three digits"))?;
        // 1xx are interim answers, which never end a request (RFC 9110 §15.2).
        if !(200..600).contains(&code) {
            return Err(error("it is no status of a final answer"));
        }
        Ok(Self(code))
    }
}
