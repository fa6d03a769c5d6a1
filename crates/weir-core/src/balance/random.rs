//! `random`: by weight, without memory.

use super::asked::Asked;
use super::draw::draw;
use super::members::Members;
use super::needs::Needs;

pub(super) const NEEDS: Needs = Needs::NOTHING;

/// A server by weight.
pub(super) fn pick<M: Members + ?Sized>(asked: &mut Asked<'_, M>) -> Option<usize> {
    draw(asked.plan.schedule(), asked.random, asked.members, None)
}
