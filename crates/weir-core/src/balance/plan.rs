//! What is worked out in advance for the servers of an upstream as they are now, so that no request does it.

use super::needs::Needs;
use super::ring::Ring;
use super::schedule::Schedule;

/// A server's part in what there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its share when nothing is wrong with it.
    pub weight: u32,
    /// What it gets now; 0 is nothing. Of shares only the proportions mean something.
    pub share: u32,
}

impl From<u32> for Part {
    /// The part of a server with which nothing is wrong.
    fn from(weight: u32) -> Self {
        Self { weight, share: weight }
    }
}

/// Whose turn it is, and who owns which keys. Made when servers or weights change.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    schedule: Schedule,
    ring: Option<Ring>,
}

impl Plan {
    /// The plan of servers with these names, for a strategy that needs this. `bound_percent` is how much of its share of
    /// the requests in flight a server may have where keys decide; less than 100 counts as 100.
    ///
    /// On the ring a server stands with its weight as long as it gets anything: one that starts slowly owns its keys at
    /// once, and is kept from too many of them by its bound, because keys that move away and back again are worse.
    pub fn new<'n>(
        needs: Needs,
        bound_percent: u32,
        servers: impl IntoIterator<Item = (&'n str, Part)>,
    ) -> Self {
        let (names, parts): (Vec<&str>, Vec<Part>) = servers.into_iter().unzip();
        let shares: Vec<u32> = parts.iter().map(|part| part.share).collect();
        let ring = needs.key.then(|| {
            let weights: Vec<u32> =
                parts.iter().map(|part| if part.share == 0 { 0 } else { part.weight.max(1) }).collect();
            Ring::new(&names, &weights, bound_percent)
        });
        Self { schedule: Schedule::new(&shares), ring }
    }

    /// Whose turn it is.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Who owns which keys, where the strategy asks for that.
    pub fn ring(&self) -> Option<&Ring> {
        self.ring.as_ref()
    }

    /// How many servers it was made for.
    pub fn members(&self) -> usize {
        self.schedule.members()
    }
}
