//! `load`: servers that say they have much to do get less.
//!
//! Two are drawn by weight. What one more request costs at each is its queue divided by what the server says is free of it. If
//! the second one is cheaper, it has the request with a probability that grows with the difference: at half the cost every
//! second time. Not always, as in `p2c`: reports are about the past and the same for all workers, so everybody would run to
//! the server that was idle a moment ago and back again.
//!
//! What a server said counts less as it grows old, and a server that has said nothing is taken to be like the one that it
//! is compared with. A server that says it is full still gets a twentieth of what an idle one gets: reports come with answers,
//! and without a request it could never say that it has recovered.

use super::asked::Asked;
use super::draw::{Drawn, below, draw_two};
use super::members::{Burden, Members};
use super::needs::Needs;
use super::report::Reported;

pub(super) const NEEDS: Needs = Needs { reports: true, ..Needs::NOTHING };

/// What is free of a server at the least, whatever it says.
const FREE_MIN: f32 = 0.05;

/// One of two different servers, or the only one.
pub(super) fn pick<M: Members + ?Sized>(asked: &mut Asked<'_, M>) -> Option<usize> {
    let members = asked.members;
    let (first, second) = match draw_two(asked.plan.schedule(), asked.random, members)? {
        Drawn::One(only) => return Some(only),
        Drawn::Two(first, second) => (first, second),
    };
    let [free_a, free_b] = free(members.reported(first), members.reported(second));
    let cost_a = Burden::of(members, first).queue() / free_a;
    let cost_b = Burden::of(members, second).queue() / free_b;
    // 24 bits are what an `f32` tells apart.
    let drawn = below((asked.random)(), 1 << 24) as f32 / (1u32 << 24) as f32;
    Some(if cost_b < cost_a && drawn >= cost_b / cost_a { second } else { first })
}

/// How much of each is free: their difference counts as much as the older of the two reports.
fn free(a: Option<Reported>, b: Option<Reported>) -> [f32; 2] {
    let (Some(a), Some(b)) = (a, b) else { return [1.0, 1.0] };
    let (middle, trust) = (f32::midpoint(a.load, b.load), a.trust.min(b.trust));
    [a, b].map(|own| (1.0 - (middle + (own.load - middle) * trust)).max(FREE_MIN))
}
