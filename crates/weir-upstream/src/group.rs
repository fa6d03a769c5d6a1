//! The servers of an upstream as they are at one moment.
//!
//! A group never changes. Whoever changes members, weights or states publishes another one, and what runs ends with the
//! one it began with. So the place of a server is its number for as long as a request lasts, and nothing on a request's way
//! waits for somebody who changes something.

use std::sync::Arc;

use weir_core::balance::{Part, Plan, Rule};
use weir_core::health::Shares;

use crate::member::Server;
use crate::sticky::Sticky;

/// Who belongs to an upstream, as far as requests depend on it.
#[derive(Debug)]
pub(crate) struct Members {
    /// All of them.
    pub(crate) servers: Vec<Arc<Server>>,
    /// The share of each among those that are healthy.
    pub(crate) weights: Vec<u32>,
    /// What each may get now.
    pub(crate) shares: Shares,
    /// The one that acknowledges for the others.
    pub(crate) primary: usize,
    /// How many requests those may have at once together that get any; `None` for any number.
    pub(crate) places: Option<u32>,
}

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
    /// Whose turn it is, and who owns which keys.
    pub plan: Plan,
    /// What stands for each server in the cookies of clients that stay with it; empty where they do not.
    pub pins: Box<[u64]>,
    weights: Box<[u32]>,
}

impl Group {
    /// These members, balanced by this rule.
    pub(crate) fn new(members: Members, rule: &Rule, sticky: Option<&Sticky>) -> Self {
        let Members { servers, weights, shares, primary, places } = members;
        debug_assert_eq!(servers.len(), shares.of.len(), "each server has a share");
        debug_assert_eq!(servers.len(), weights.len(), "each server has a weight");
        let parts =
            || weights.iter().zip(&shares.of).map(|(weight, share)| Part { weight: *weight, share: *share });
        let plan = Plan::new(
            rule.strategy.needs(),
            rule.bound_percent,
            servers.iter().map(|server| server.name()).zip(parts()),
        );
        let pins =
            sticky.into_iter().flat_map(|sticky| servers.iter().map(|server| sticky.number(server.name())));
        let pins = pins.collect();
        servers.iter().for_each(|server| server.observation.serve(rule));
        Self {
            plan,
            pins,
            servers,
            shares: shares.of.into(),
            panic: shares.panic,
            primary,
            places,
            weights: weights.into(),
        }
    }

    /// Whether the server may get requests now.
    pub fn takes_requests(&self, server: usize) -> bool {
        self.shares.get(server).is_some_and(|share| *share > 0)
    }

    /// Whether a request that began with this group may begin something new with the server: nobody has taken it out since.
    #[inline]
    pub fn still_has(&self, server: usize) -> bool {
        self.servers.get(server).is_some_and(|server| !server.is_taken_out())
    }

    /// Whether another group would say the same.
    pub(crate) fn is_like(&self, members: &Members) -> bool {
        let same = |(one, other)| Arc::ptr_eq(one, other);
        self.servers.len() == members.servers.len()
            && self.servers.iter().zip(&members.servers).all(same)
            && *self.weights == *members.weights
            && *self.shares == *members.shares.of
            && self.panic == members.shares.panic
            && self.primary == members.primary
            && self.places == members.places
    }
}
