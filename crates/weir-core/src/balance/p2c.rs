//! `p2c`: the better of two drawn at random ("power of two choices").
//!
//! Both are drawn by weight and compared by requests in flight per weight; among equals the first one drawn stays, so
//! that idle servers have exactly their shares. Two looks are nearly as good as looking at all (Mitzenmacher, "The power
//! of two choices in randomized load balancing", 2001), and many workers with slightly old numbers do not all rush to the
//! same server.

use std::cmp::Ordering;

use super::draw::draw;
use super::load::{Load, Members};
use super::schedule::Schedule;

/// The better of two different servers, or the only one.
pub(super) fn pick<M: Members + ?Sized>(
    schedule: &Schedule,
    random: &mut dyn FnMut() -> u64,
    members: &M,
) -> Option<usize> {
    let first = draw(schedule, random, members, None)?;
    let Some(second) = draw(schedule, random, members, Some(first)) else {
        return Some(first);
    };
    match Load::of(members, second).compare(Load::of(members, first)) {
        Ordering::Less => Some(second),
        Ordering::Equal | Ordering::Greater => Some(first),
    }
}
