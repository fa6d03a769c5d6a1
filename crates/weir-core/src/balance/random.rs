//! `random`: by weight, without memory.

use super::draw::draw;
use super::load::Members;
use super::schedule::Schedule;

/// A server by weight.
pub(super) fn pick<M: Members + ?Sized>(
    schedule: &Schedule,
    random: &mut dyn FnMut() -> u64,
    members: &M,
) -> Option<usize> {
    draw(schedule, random, members, None)
}
