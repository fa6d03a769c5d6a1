//! Which server of an upstream gets the next attempt of a request.

use weir_core::balance::{self, Members};

use crate::group::Group;
use crate::member::InFlight;
use crate::upstream::Upstream;

/// A request's place in the rotation, if the strategy has one. One for each request; its repeats keep it. Where repeats are
/// paid for, requests are counted anyhow, and that number is the place.
pub fn ticket(upstream: &Upstream) -> usize {
    match upstream.retries.budget() {
        Some(budget) => budget.request() as usize,
        None if upstream.strategy.takes_ticket() => upstream.ticket(),
        None => 0,
    }
}

/// The server of the group for an attempt, as an index; `None` when none is usable.
pub fn pick(
    upstream: &Upstream,
    group: &Group,
    ticket: usize,
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    if group.servers.len() == 1 {
        return (group.takes_requests(0) && usable(0)).then_some(0);
    }
    let view = View { group, usable };
    balance::pick(upstream.strategy, &group.schedule, ticket, &mut random, &view)
}

/// The same, and the request is in flight to it from then on: the server [has room](crate::member::Server::has_room) for it.
pub fn take(
    upstream: &Upstream,
    group: &Group,
    ticket: usize,
    usable: impl Fn(usize) -> bool,
) -> Option<(usize, InFlight)> {
    let admits = |server: usize| group.servers[server].has_room(group.panic);
    loop {
        let server = pick(upstream, group, ticket, |server| usable(server) && admits(server))?;
        // Another worker may have been quicker; then it has no room any more, and another one is picked.
        if let Some(in_flight) = InFlight::enter(&group.servers[server], group.panic) {
            return Some((server, in_flight));
        }
    }
}

struct View<'g, F> {
    group: &'g Group,
    usable: F,
}

impl<F: Fn(usize) -> bool> Members for View<'_, F> {
    fn len(&self) -> usize {
        self.group.servers.len()
    }

    fn weight(&self, index: usize) -> u32 {
        self.group.shares[index]
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.group.servers[index].in_flight()
    }

    fn usable(&self, index: usize) -> bool {
        (self.usable)(index)
    }
}

fn random() -> u64 {
    fastrand::u64(..)
}
