//! The keys of session tickets, which are changed by the clock.
//!
//! A ticket lets a client go on with an earlier session; whoever has its key can read the sessions of TLS 1.2 that it was
//! given in (RFC 5077 §5.5). So a key must not live longer than is said. rustls's own rotation looks at the clock when a key
//! is used: on a listener that was quiet for a week, the first client would find the key of last week. Here somebody who
//! looks at the clock anyway says when it is time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::Error;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

/// How long a key makes new tickets; for as long again, its tickets are taken.
pub const KEY_TIME: Duration = Duration::from_secs(6 * 60 * 60);

/// What makes and takes the tickets of a listener, over all workers.
#[derive(Debug)]
pub(crate) struct Tickets(ArcSwap<Keys>);

#[derive(Debug)]
struct Keys {
    current: Key,
    previous: Option<Key>,
}

#[derive(Clone)]
struct Key {
    produces: Arc<dyn ProducesTickets>,
    made: SystemTime,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("made", &self.made).finish_non_exhaustive()
    }
}

impl Key {
    fn new(now: SystemTime) -> Result<Self, Error> {
        Ok(Self { produces: Ticketer::new()?, made: now })
    }

    /// A clock that was set back makes a key old, not young.
    fn is_older(&self, than: Duration, now: SystemTime) -> bool {
        now.duration_since(self.made).is_ok_and(|age| age >= than)
            || self.made.duration_since(now).is_ok_and(|ahead| ahead >= than)
    }
}

impl Tickets {
    /// With a new key.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn new(now: SystemTime) -> Result<Self, Error> {
        Ok(Self(ArcSwap::from_pointee(Keys { current: Key::new(now)?, previous: None })))
    }

    /// Changes keys whose time is over. To be called now and then by one task; costs nothing when there is nothing to do.
    ///
    /// # Errors
    /// The system has no random numbers; the keys stay as they were.
    pub(crate) fn roll(&self, now: SystemTime) -> Result<(), Error> {
        let keys = self.0.load();
        let is_kept = |key: &Key| !key.is_older(2 * KEY_TIME, now);
        if keys.current.is_older(KEY_TIME, now) {
            let previous = Some(keys.current.clone()).filter(is_kept);
            self.0.store(Arc::new(Keys { current: Key::new(now)?, previous }));
        } else if keys.previous.as_ref().is_some_and(|key| !is_kept(key)) {
            self.0.store(Arc::new(Keys { current: keys.current.clone(), previous: None }));
        }
        Ok(())
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(KEY_TIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.load().current.produces.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let keys = self.0.load();
        let current = keys.current.produces.decrypt(cipher);
        current.or_else(|| keys.previous.as_ref()?.produces.decrypt(cipher))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn a_key_makes_tickets_for_its_time_and_takes_them_for_as_long_again() {
        let tickets = Tickets::new(START).unwrap();
        let first = tickets.encrypt(b"session").unwrap();
        tickets.roll(START + KEY_TIME - Duration::from_secs(1)).unwrap();
        let still_first = tickets.encrypt(b"session").unwrap();
        tickets.roll(START + KEY_TIME).unwrap();
        assert_eq!(tickets.decrypt(&first).unwrap(), b"session");
        assert_eq!(tickets.decrypt(&still_first).unwrap(), b"session");
        let second = tickets.encrypt(b"session").unwrap();
        tickets.roll(START + 2 * KEY_TIME).unwrap();
        assert_eq!(tickets.decrypt(&first), None);
        assert_eq!(tickets.decrypt(&second).unwrap(), b"session", "its turn to be the previous one");
    }

    /// rustls's rotation takes the current key for the previous one whatever its age is.
    #[test]
    fn after_a_long_sleep_nothing_old_is_taken() {
        let tickets = Tickets::new(START).unwrap();
        let old = tickets.encrypt(b"session").unwrap();
        tickets.roll(START + 100 * KEY_TIME).unwrap();
        assert_eq!(tickets.decrypt(&old), None);
    }

    #[test]
    fn the_previous_key_is_forgotten_also_when_the_current_one_is_young() {
        let tickets = Tickets::new(START).unwrap();
        let old = tickets.encrypt(b"session").unwrap();
        tickets.roll(START + KEY_TIME + KEY_TIME / 2).unwrap();
        assert!(tickets.decrypt(&old).is_some());
        tickets.roll(START + 2 * KEY_TIME).unwrap();
        assert_eq!(tickets.decrypt(&old), None);
    }

    #[test]
    fn a_clock_that_is_set_back_far_ends_the_keys() {
        let now = START + 100 * KEY_TIME;
        let tickets = Tickets::new(now).unwrap();
        let old = tickets.encrypt(b"session").unwrap();
        tickets.roll(START).unwrap();
        assert_eq!(tickets.decrypt(&old), None);
        assert_eq!(tickets.decrypt(b"nonsense"), None);
    }
}
