//! `round_robin`: exact rotation over the whole process.
//!
//! The ticket names a turn of the schedule. If the server whose turn it is can't be used, the search goes on along the
//! schedule, but it begins at a place that moves from cycle to cycle. If it always began at the next turn, the server behind
//! a dead one would get all of the dead one's share: of A, B, C without A, B would have two thirds.

use super::asked::Asked;
use super::members::{Members, eligible};
use super::needs::Needs;

pub(super) const NEEDS: Needs = Needs { ticket: true, ..Needs::NOTHING };

/// The server for the ticket.
pub(super) fn pick<M: Members + ?Sized>(asked: &mut Asked<'_, M>) -> Option<usize> {
    let (schedule, ticket, members) = (asked.plan.schedule(), asked.turn.ticket, asked.members);
    let due = schedule.at(ticket)?;
    if eligible(members, due) {
        return Some(due);
    }
    let (slots, turn, cycle) = (schedule.len(), ticket % schedule.len(), ticket / schedule.len());
    let others = slots - 1;
    // Over as many cycles as there are other turns, each of them is the first to stand in for this one once.
    let start = turn.wrapping_add(cycle).checked_rem(others)?;
    (0..others)
        .filter_map(|step| schedule.at(turn + 1 + (start + step) % others))
        .find(|index| eligible(members, *index))
}
