//! The servers of an upstream as they are at one moment.
//!
//! A group never changes. Whoever changes members, weights or states publishes another one, and what runs ends with the
//! one it began with. So the place of a server is its number for as long as a request lasts, and nothing on a request's way
//! waits for somebody who changes something.

use std::sync::Arc;

use weir_core::balance::Schedule;
use weir_core::health::Shares;

use crate::member::Server;

/// The servers of an upstream at one moment.
#[derive(Debug)]
pub struct Group {
    /// All members, also those that get nothing now, in the order in which they came.
    pub servers: Vec<Arc<Server>>,
    /// What each may get of the requests, in proportion; 0 is nothing.
    pub shares: Box<[u32]>,
    /// Whether so few are left that health is ignored.
    pub panic: bool,
    /// The one that acknowledges for the others, where a route says so.
    pub primary: usize,
    /// How many requests those may have at once together that get any; `None` for any number.
    pub places: Option<u32>,
    /// The precomputed rotation.
    pub schedule: Schedule,
}

impl Group {
    /// These servers with these shares; as many as there are servers.
    pub fn new(servers: Vec<Arc<Server>>, shares: Shares, primary: usize, places: Option<u32>) -> Self {
        debug_assert_eq!(servers.len(), shares.of.len(), "each server has a share");
        let schedule = Schedule::new(&shares.of);
        Self { servers, shares: shares.of.into(), panic: shares.panic, primary, places, schedule }
    }

    /// Whether the server may get requests now.
    pub fn takes_requests(&self, server: usize) -> bool {
        self.shares.get(server).is_some_and(|share| *share > 0)
    }

    /// Whether another group would say the same.
    pub(crate) fn is_like(
        &self,
        servers: &[Arc<Server>],
        shares: &Shares,
        primary: usize,
        places: Option<u32>,
    ) -> bool {
        let same = |(one, other)| Arc::ptr_eq(one, other);
        self.servers.len() == servers.len()
            && self.servers.iter().zip(servers).all(same)
            && *self.shares == *shares.of
            && self.panic == shares.panic
            && self.primary == primary
            && self.places == places
    }
}
