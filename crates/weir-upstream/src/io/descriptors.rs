//! File descriptors as something that runs out: who gets the last ones.
//!
//! Clients could take all of them by connecting, and then no request could be sent on to a server any more, not even those of
//! clients who have been there for long. So some are kept: a client that has one of those waits, accepted and not served, until
//! another one has gone. Nothing is counted for that. The system gives the smallest number that is free, so the number of a
//! descriptor says how many are taken at least when it is given, and two numbers are compared for each connection.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::resource::{Resource, getrlimit};

/// Of so many descriptors one is kept, within these bounds. A request in progress needs one for its server.
const SHARE: u64 = 8;
const LEAST: u64 = 8;
const MOST: u64 = 1024;

/// Which descriptors are for clients.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// Those with smaller numbers.
    for_clients: RawFd,
}

impl Descriptors {
    /// As many as this process may have now.
    pub fn of_process() -> Self {
        match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((soft, _)) => Self::of(soft),
            Err(_) => Self::of(u64::MAX),
        }
    }

    fn of(limit: u64) -> Self {
        let kept = (limit / SHARE).clamp(LEAST, MOST);
        Self { for_clients: limit.saturating_sub(kept).try_into().unwrap_or(RawFd::MAX) }
    }

    /// Whether this one is kept for other things than clients.
    pub fn keep(self, descriptor: RawFd) -> bool {
        descriptor >= self.for_clients
    }

    /// Whether there is one for a client: the system is asked for one, which is given back.
    pub fn have_room(self) -> bool {
        let free = io::stdin().as_fd().try_clone_to_owned();
        free.is_ok_and(|free| !self.keep(free.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eighth_is_kept_but_neither_few_nor_many() {
        for (limit, kept) in [(40, 8), (64, 8), (1024, 128), (8192, 1024), (1_000_000, 1024)] {
            let descriptors = Descriptors::of(limit);
            let first = RawFd::try_from(limit - kept).unwrap_or(0);
            assert!(descriptors.keep(first) && !descriptors.keep(first - 1), "{limit}");
        }
    }

    #[test]
    fn who_may_have_any_number_keeps_none_that_can_be_had() {
        assert!(!Descriptors::of(u64::MAX).keep(RawFd::MAX - 1));
        assert!(Descriptors::of(u64::MAX).have_room());
    }

    #[test]
    fn who_may_have_nearly_none_has_no_room() {
        assert!(Descriptors::of(3).keep(0));
        assert!(!Descriptors::of(3).have_room());
    }
}
