//! Which server of an upstream gets the next attempt of a request.

use tokio::time::Instant;
use weir_core::balance::{self, Members, Reported, Standing, Turn};

use crate::group::Group;
use crate::member::InFlight;
use crate::upstream::Upstream;

/// What a request brings along: its place in the rotation, the hash of its key, and the number of the server that its client was
/// with, as far as the upstream wants to know. One for each request; its repeats use the same.
pub fn turn(upstream: &Upstream, group: &Group, key: Option<u64>, pin: Option<u64>) -> Turn {
    let ticket = match upstream.retries.budget() {
        // Where repeats are paid for, requests are counted anyhow, and that number is the place.
        Some(budget) => budget.request() as usize,
        None if upstream.balance.strategy.needs().ticket => upstream.ticket(),
        None => 0,
    };
    let pinned = pin.and_then(|pin| group.pins.iter().position(|own| *own == pin));
    Turn { ticket, key, pinned }
}

/// The server of the group for an attempt, as an index; `None` when none is usable.
pub fn pick(
    upstream: &Upstream,
    group: &Group,
    turn: Turn,
    now: Instant,
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    if group.servers.len() == 1 {
        return (group.takes_requests(0) && usable(0)).then_some(0);
    }
    pick_among(upstream, group, turn, now, usable)
}

/// The same among several. Apart, so that the code of all strategies is not in the way where there is one server.
#[inline(never)]
fn pick_among(
    upstream: &Upstream,
    group: &Group,
    turn: Turn,
    now: Instant,
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    let view = View { group, usable, now };
    balance::pick(upstream.balance.strategy, &group.plan, turn, &mut random, &view)
}

/// The same, and the request is in flight to it from then on: the server [has room](crate::member::Server::has_room) for it.
pub fn take(
    upstream: &Upstream,
    group: &Group,
    turn: Turn,
    now: Instant,
    usable: impl Fn(usize) -> bool,
) -> Option<(usize, InFlight)> {
    let admits = |server: usize| group.servers[server].has_room(group.panic);
    loop {
        let server = pick(upstream, group, turn, now, |server| usable(server) && admits(server))?;
        // Another worker may have been quicker; then it has no room any more, and another one is picked.
        if let Some(in_flight) = InFlight::enter(&group.servers[server], group.panic) {
            return Some((server, in_flight));
        }
    }
}

struct View<'g, F> {
    group: &'g Group,
    usable: F,
    now: Instant,
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

    fn standing(&self, index: usize) -> Standing {
        self.group.servers[index].observation.standing(self.now)
    }

    fn reported(&self, index: usize) -> Option<Reported> {
        self.group.servers[index].observation.reported(self.now)
    }
}

fn random() -> u64 {
    fastrand::u64(..)
}
