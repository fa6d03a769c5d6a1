//! The time of day, read once a second.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use weir_upstream::io::deadline::since_epoch;

/// The `Date` of answers, made anew when its second is over.
#[derive(Debug)]
pub struct DateClock {
    current: RefCell<Current>,
}

#[derive(Debug)]
struct Current {
    text: [u8; 29],
    until: Option<Instant>,
}

impl Default for DateClock {
    fn default() -> Self {
        Self { current: RefCell::new(Current { text: [b' '; 29], until: None }) }
    }
}

impl DateClock {
    /// The value of a `Date` field at `now` (RFC 9110 §5.6.7).
    pub fn date(&self, now: Instant) -> [u8; 29] {
        let mut current = self.current.borrow_mut();
        if current.until.is_none_or(|until| now >= until) {
            let time = time_of_day();
            let text = httpdate::fmt_http_date(time);
            current.text.copy_from_slice(text.as_bytes());
            let into_second =
                time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
            current.until = Some(now + Duration::from_nanos(1_000_000_000 - u64::from(into_second)));
        }
        current.text
    }
}

/// The system's time of day.
pub fn time_of_day() -> SystemTime {
    SystemTime::UNIX_EPOCH + since_epoch()
}

/// The same in whole seconds since 1970.
pub fn seconds_of_day() -> u64 {
    time_of_day().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_date_is_a_date_and_stays_for_its_second() {
        let clock = DateClock::default();
        let now = weir_upstream::io::deadline::now();
        let first = clock.date(now);
        assert!(httpdate::parse_http_date(&String::from_utf8_lossy(&first)).is_ok());
        assert_eq!(clock.date(now), first);
    }
}
