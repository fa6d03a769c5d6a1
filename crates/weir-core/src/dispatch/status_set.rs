//! A set of statuses: what is usable, and what is better than what.
//!
//! A bitmap over all statuses there are, so that asking is one shift however the set was written (`2xx`, `404`,
//! `500-503`). Reading the words is the configuration's business.

use std::fmt;
use std::ops::RangeInclusive;

/// The statuses that exist (RFC 9110 §15).
const STATUSES: RangeInclusive<u16> = 100..=599;
const BITS: u16 = u64::BITS as u16;
const WORDS: usize = 8;

/// Statuses from 100 to 599. Whatever lies outside is in no set: a server that says 700 says nothing that could be wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct StatusSet {
    words: [u64; WORDS],
}

impl StatusSet {
    /// None.
    pub const EMPTY: Self = Self { words: [0; WORDS] };

    /// What a race takes for an answer if nothing else is written: 2xx, 3xx, 4xx (`semantics.md` §3.4).
    pub const USABLE: Self = Self::EMPTY.with_class(2).with_class(3).with_class(4);

    /// With all statuses of a class: `with_class(2)` adds 200 to 299. A class other than 1 to 5 adds none.
    #[must_use]
    pub const fn with_class(self, class: u16) -> Self {
        if class > 5 { self } else { self.with_range(class * 100, class * 100 + 99) }
    }

    /// With one status.
    #[must_use]
    pub const fn with_code(self, status: u16) -> Self {
        self.with_range(status, status)
    }

    /// With all statuses from `first` to `last`, both included; what lies outside of 100 to 599 is left out.
    #[must_use]
    pub const fn with_range(mut self, first: u16, last: u16) -> Self {
        let mut status = if first < *STATUSES.start() { *STATUSES.start() } else { first };
        while status <= last && status <= *STATUSES.end() {
            let bit = status - *STATUSES.start();
            self.words[(bit / BITS) as usize] |= 1 << (bit % BITS);
            status += 1;
        }
        self
    }

    /// With all statuses that are in `other`.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (word, more) in self.words.iter_mut().zip(other.words) {
            *word |= more;
        }
        self
    }

    /// Whether the status is one of them.
    pub fn contains(&self, status: u16) -> bool {
        let Some(bit) = status.checked_sub(*STATUSES.start()) else { return false };
        let word = self.words.get(usize::from(bit / BITS)).copied().unwrap_or_default();
        word & (1 << (bit % BITS)) != 0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }
}

impl fmt::Display for StatusSet {
    /// As it may be written in the configuration: whole classes, then what is left of the others: `2xx, 304, 400-403`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut status = *STATUSES.start();
        while status <= *STATUSES.end() {
            let is_whole = |class: u16| {
                Self::EMPTY.with_class(class).words.iter().zip(self.words).all(|(a, b)| a & b == *a)
            };
            if status.is_multiple_of(100) && is_whole(status / 100) {
                write!(f, "{separator}{}xx", status / 100)?;
                status += 100;
            } else if self.contains(status) {
                // A run ends with its class at the latest, so that the next class can be told whole.
                let class_end = status / 100 * 100 + 99;
                let last = (status..=class_end).take_while(|status| self.contains(*status)).last();
                let last = last.unwrap_or(status);
                match last == status {
                    true => write!(f, "{separator}{status}")?,
                    false => write!(f, "{separator}{status}-{last}")?,
                }
                status = last + 1;
            } else {
                status += 1;
                continue;
            }
            separator = ", ";
        }
        Ok(())
    }
}

impl fmt::Debug for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: StatusSet, expected: &str) {
        assert_eq!(set.to_string(), expected);
    }

    #[test]
    fn sets_are_told_as_they_may_be_written() {
        check(StatusSet::EMPTY, "");
        check(StatusSet::USABLE, "2xx, 3xx, 4xx");
        check(StatusSet::EMPTY.with_code(100).with_code(599), "100, 599");
        check(StatusSet::EMPTY.with_range(400, 403).with_code(304).with_class(2), "2xx, 304, 400-403");
        check(StatusSet::EMPTY.with_range(198, 301), "198-199, 2xx, 300-301");
        check(StatusSet::EMPTY.with_range(0, u16::MAX), "1xx, 2xx, 3xx, 4xx, 5xx");
        assert_eq!(format!("{:?}", StatusSet::EMPTY.with_class(5)), "StatusSet(5xx)");
    }

    #[test]
    fn every_status_is_its_own() {
        for status in 0..=u16::MAX {
            let set = StatusSet::EMPTY.with_code(status);
            assert_eq!(set.contains(status), STATUSES.contains(&status), "{status}");
            assert_eq!(set.is_empty(), !STATUSES.contains(&status), "{status}");
            assert!(!set.contains(status.wrapping_add(1)) && !set.contains(status.wrapping_sub(1)));
        }
    }

    #[test]
    fn classes_end_where_the_next_one_begins() {
        for class in 0..=u16::MAX {
            let set = StatusSet::EMPTY.with_class(class);
            let inside = (0..2000).filter(|status| set.contains(*status));
            let expected = (0..2000).filter(|status| (1..=5).contains(&class) && status / 100 == class);
            assert!(inside.eq(expected), "{class}");
            if class > 600 {
                break;
            }
        }
    }

    #[test]
    fn ranges_that_run_backwards_are_empty_and_unions_keep_both() {
        assert!(StatusSet::EMPTY.with_range(500, 400).is_empty());
        let both = StatusSet::EMPTY.with_class(2).with(&StatusSet::EMPTY.with_code(418));
        check(both, "2xx, 418");
        assert!(both.contains(299) && both.contains(418) && !both.contains(417) && !both.contains(700));
    }
}
