//! Which server of an upstream gets the next attempt of a request.

use weir_core::balance::{self, Members};

use crate::member::Upstream;

/// A request's place in the rotation, if the strategy has one. One for each request; its repeats keep it.
pub fn ticket(upstream: &Upstream) -> usize {
    if upstream.strategy.takes_ticket() { upstream.ticket() } else { 0 }
}

/// The server for an attempt, as an index; `None` when none is usable.
pub fn pick(upstream: &Upstream, ticket: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
    if upstream.servers.len() == 1 {
        return usable(0).then_some(0);
    }
    let view = View { upstream, usable };
    balance::pick(upstream.strategy, &upstream.schedule, ticket, &mut random, &view)
}

struct View<'u, F> {
    upstream: &'u Upstream,
    usable: F,
}

impl<F: Fn(usize) -> bool> Members for View<'_, F> {
    fn len(&self) -> usize {
        self.upstream.servers.len()
    }

    fn weight(&self, index: usize) -> u32 {
        self.upstream.servers[index].weight
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.upstream.servers[index].in_flight()
    }

    fn usable(&self, index: usize) -> bool {
        (self.usable)(index)
    }
}

fn random() -> u64 {
    fastrand::u64(..)
}
