//! `peak_ewma`: of two drawn at random the one that will answer sooner (Finagle's "peak EWMA").
//!
//! What a request costs at a server is the time that it takes to answer, a moving average that jumps up and comes down
//! slowly ([`Observed`](super::Observed)), times the queue there. Two are drawn by weight, and the cheaper one has it.
//!
//! **A server that fails fast must not attract traffic.** It answers quickly and has an empty queue, which by time and
//! queue alone makes it the best of all. So a failed exchange counts as at least as slow as the server was, which takes the
//! first advantage away; and what a server costs is divided by the square of the share that succeeds, which outweighs the
//! second one. A factor and not an amount of time, because the same rule must hold where answers take a millisecond and where
//! they take ten seconds; a square, because the queues of those that do the work grow when one stops. The share comes back
//! while nobody asks: a server that fails always is asked again after some seconds, by one request.
//!
//! Peaks are noise: of two servers that are equally fast one has had the slower answer of late. So times of which neither is
//! twice the other count as equal, and then the queue decides, and if that is equal too, the weight.
//!
//! Of a server without answers nothing is known: it is taken to be as fast as the other one, so that it is not overrun when
//! it joins.

use super::asked::Asked;
use super::draw::{Drawn, draw_two};
use super::members::{Burden, Members};
use super::needs::Needs;
use super::observed::Standing;

pub(super) const NEEDS: Needs = Needs { answers: true, ..Needs::NOTHING };

/// The least share of successes that is believed in: a server that fails always must still be comparable.
const SUCCEEDING_MIN: f32 = 1.0 / 1024.0;

/// Times that differ by less than this factor are equal.
const NOISE: f32 = 2.0;

/// The cheaper of two different servers, or the only one.
pub(super) fn pick<M: Members + ?Sized>(asked: &mut Asked<'_, M>) -> Option<usize> {
    let members = asked.members;
    let (first, second) = match draw_two(asked.plan.schedule(), asked.random, members)? {
        Drawn::One(only) => return Some(only),
        Drawn::Two(first, second) => (first, second),
    };
    let [a, b] = [first, second].map(|index| members.standing(index));
    let [latency_a, latency_b] = latencies(a, b);
    let cost_a = cost(latency_a, a.failing, Burden::of(members, first).queue());
    let cost_b = cost(latency_b, b.failing, Burden::of(members, second).queue());
    Some(if cost_b < cost_a { second } else { first })
}

/// What the two take, as far as that tells them apart.
fn latencies(a: Standing, b: Standing) -> [f32; 2] {
    match (a.latency_micros, b.latency_micros) {
        (Some(a), Some(b)) if a.max(b) > a.min(b) * NOISE => [a, b],
        (Some(a), Some(b)) => [f32::midpoint(a, b); 2],
        (Some(known), None) | (None, Some(known)) => [known; 2],
        (None, None) => [1.0; 2],
    }
}

fn cost(latency_micros: f32, failing: f32, queue: f32) -> f32 {
    let succeeding = (1.0 - failing).max(SUCCEEDING_MIN);
    latency_micros * queue / (succeeding * succeeding)
}
