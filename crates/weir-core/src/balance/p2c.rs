//! `p2c`: the better of two drawn at random ("power of two choices").
//!
//! Both are drawn by weight and compared by requests in flight per weight; among equals the first one drawn stays, so
//! that idle servers have exactly their shares. Two looks are nearly as good as looking at all (Mitzenmacher, "The power
//! of two choices in randomized load balancing", 2001), and many workers with slightly old numbers do not all rush to the
//! same server.

use std::cmp::Ordering;

use super::asked::Asked;
use super::draw::{Drawn, draw_two};
use super::members::{Burden, Members};
use super::needs::Needs;

pub(super) const NEEDS: Needs = Needs::NOTHING;

/// The better of two different servers, or the only one.
pub(super) fn pick<M: Members + ?Sized>(asked: &mut Asked<'_, M>) -> Option<usize> {
    let members = asked.members;
    match draw_two(asked.plan.schedule(), asked.random, members)? {
        Drawn::One(only) => Some(only),
        Drawn::Two(first, second) => match Burden::of(members, second).compare(Burden::of(members, first)) {
            Ordering::Less => Some(second),
            Ordering::Equal | Ordering::Greater => Some(first),
        },
    }
}
