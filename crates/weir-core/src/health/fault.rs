//! What speaks against a server, as requests find it out.
//!
//! A fault is what makes another server worth asking: there was no connection, it broke, it was silent for too long, what
//! came was no HTTP, or the answer itself says that the server can't (502, 503, 504). A 500 is none unless it is written:
//! mostly it means that one request met a bug, every other server has the same bug, and one client that repeats such a
//! request would take them all out. Neither is a 503 with Retry-After: whoever can say when to come again is alive and
//! sheds load, which would only fall on the others.

use std::fmt;

use crate::dispatch::StatusSet;

/// What speaks against a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There was no connection in time, or TLS could not be spoken on it.
    Unreachable,
    /// A fresh connection, or one whose answer had begun, broke. A kept one that the server had closed is no fault.
    Reset,
    /// The head of the answer did not come in time, or the server took no byte of the request for too long.
    Timeout,
    /// What came is no HTTP.
    Garbage,
    /// An answer with this status.
    Status(u16),
}

/// Numbers of the faults that are no statuses; those begin at 100.
const FAULTS: [Fault; 4] = [Fault::Unreachable, Fault::Reset, Fault::Timeout, Fault::Garbage];

impl Fault {
    /// Whether it is about the connection, which each check of a server makes too, and not about what was said on it.
    pub(super) fn is_of_connection(self) -> bool {
        match self {
            Self::Unreachable | Self::Reset => true,
            Self::Timeout | Self::Garbage | Self::Status(_) => false,
        }
    }

    /// A number below 1024 that [`Fault::of_number`] reads.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Unreachable => 0,
            Self::Reset => 1,
            Self::Timeout => 2,
            Self::Garbage => 3,
            Self::Status(status) => u64::from(status.min(1023)),
        }
    }

    pub(super) fn of_number(number: u64) -> Self {
        let known = usize::try_from(number).ok().and_then(|number| FAULTS.get(number));
        known.copied().unwrap_or(Self::Status(u16::try_from(number).unwrap_or(1023)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("no connection"),
            Self::Reset => f.write_str("connection reset"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Garbage => f.write_str("an answer that is no HTTP"),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// Which faults count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Faults {
    /// [`Fault::Unreachable`]
    pub unreachable: bool,
    /// [`Fault::Reset`]
    pub reset: bool,
    /// [`Fault::Timeout`]
    pub timeout: bool,
    /// [`Fault::Garbage`]
    pub garbage: bool,
    /// Answers.
    pub statuses: StatusSet,
}

impl Default for Faults {
    fn default() -> Self {
        let statuses = StatusSet::EMPTY.with_range(502, 504);
        Self { unreachable: true, reset: true, timeout: true, garbage: true, statuses }
    }
}

impl Faults {
    /// None.
    pub const NONE: Self =
        Self { unreachable: false, reset: false, timeout: false, garbage: false, statuses: StatusSet::EMPTY };

    /// Whether this one counts.
    pub fn count(&self, fault: Fault) -> bool {
        match fault {
            Fault::Unreachable => self.unreachable,
            Fault::Reset => self.reset,
            Fault::Timeout => self.timeout,
            Fault::Garbage => self.garbage,
            Fault::Status(status) => self.statuses.contains(status),
        }
    }

    /// With all those of another set.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            unreachable: self.unreachable || other.unreachable,
            reset: self.reset || other.reset,
            timeout: self.timeout || other.timeout,
            garbage: self.garbage || other.garbage,
            statuses: self.statuses.with(&other.statuses),
        }
    }

    /// With this one.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        match fault {
            Fault::Unreachable => self.unreachable = true,
            Fault::Reset => self.reset = true,
            Fault::Timeout => self.timeout = true,
            Fault::Garbage => self.garbage = true,
            Fault::Status(status) => self.statuses = self.statuses.with_code(status),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_one_fault() {
        for fault in FAULTS.into_iter().chain((100..600).map(Fault::Status)) {
            assert!(fault.number() < 1024);
            assert_eq!(Fault::of_number(fault.number()), fault);
        }
    }

    /// One bad request that is repeated must not take servers out.
    #[test]
    fn by_default_what_a_gateway_would_say_counts_and_a_bug_in_one_request_does_not() {
        let usual = Faults::default();
        assert!(FAULTS.iter().all(|fault| usual.count(*fault)));
        for (status, expected) in
            [(500, false), (501, false), (502, true), (503, true), (504, true), (404, false)]
        {
            assert_eq!(usual.count(Fault::Status(status)), expected, "{status}");
        }
        assert!(
            FAULTS.iter().all(|fault| !Faults::NONE.count(*fault) && Faults::NONE.with(*fault).count(*fault))
        );
        assert!(Faults::NONE.with(Fault::Status(500)).count(Fault::Status(500)));
    }
}
