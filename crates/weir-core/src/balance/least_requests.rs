//! `least_requests`: the fewest requests in flight per weight.
//!
//! Among equals it is drawn by weight. Taking the first of them would send everything to one server while there is little
//! to do, which is when most are equal. It looks at every server; for hundreds of them `p2c` is nearly as even and cheaper.

use std::cmp::Ordering;

use super::asked::Asked;
use super::draw::below;
use super::members::{Burden, Members, eligible};
use super::needs::Needs;

pub(super) const NEEDS: Needs = Needs::NOTHING;

/// The server with the least to do.
pub(super) fn pick<M: Members + ?Sized>(asked: &mut Asked<'_, M>) -> Option<usize> {
    let members = asked.members;
    let mut best: Option<(usize, Burden)> = None;
    let mut weight_of_equals = 0u64;
    for index in (0..members.len()).filter(|index| eligible(members, *index)) {
        let burden = Burden::of(members, index);
        let weight = u64::from(members.weight(index));
        match best.map_or(Ordering::Less, |(_, least)| burden.compare(least)) {
            Ordering::Less => {
                best = Some((index, burden));
                weight_of_equals = weight;
            }
            // A reservoir of one: in the end each of the equals stays with its weight's share, in one pass, so that
            // numbers which change meanwhile do no harm.
            Ordering::Equal => {
                weight_of_equals += weight;
                if below((asked.random)(), weight_of_equals) < weight {
                    best = Some((index, burden));
                }
            }
            Ordering::Greater => {}
        }
    }
    best.map(|(index, _)| index)
}
