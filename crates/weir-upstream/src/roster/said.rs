//! What an operator said of servers that their name has lost.
//!
//! An address that is gone from its name may be there again a moment later: name servers answer from lists that are not
//! everywhere the same at once. A server that was taken out to be repaired must not get requests because its name flickered.

use std::time::Duration;

use tokio::time::Instant;
use weir_core::health::Word;

/// How long a word holds for an address that the name lost. Some answers long, and not for ever: addresses are given to other
/// machines.
pub(super) const SAID_KEPT: Duration = Duration::from_secs(3600);

/// The most servers of which that is remembered; the oldest word is forgotten first.
pub(super) const SAID_MAX: usize = 1024;

/// What was said of one of them.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) server: Box<str>,
    pub(super) word: Word,
    /// The weight, where it is not that of the name.
    pub(super) weight: Option<u32>,
}

/// What was said of all of them, the newest last.
#[derive(Debug, Default)]
pub(super) struct AllSaid(Vec<(Instant, Said)>);

impl AllSaid {
    /// Remembers it from now on.
    pub(super) fn remember(&mut self, said: Said, now: Instant) {
        self.0.retain(|(until, known)| now < *until && known.server != said.server);
        if self.0.len() == SAID_MAX {
            self.0.remove(0);
        }
        self.0.push((now + SAID_KEPT, said));
    }

    /// What still holds of this server, which need not be remembered any more.
    pub(super) fn take(&mut self, server: &str, now: Instant) -> Option<Said> {
        let place = self.0.iter().position(|(_, said)| *said.server == *server)?;
        let (until, said) = self.0.remove(place);
        (now < until).then_some(said)
    }

    /// Of how many servers something is remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
