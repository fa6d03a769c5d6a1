//! `hash`: requests with the same key go to the same server, unless it has too much to do (consistent hashing with bounded
//! loads; Mirrokni, Thorup and Zadimoghaddam, 2016).
//!
//! A key belongs to the first server on its way around the [`Ring`](super::Ring) that may be picked and has room. Room is
//! `bound` times its share of all requests in flight, this one counted, rounded up; the sum of all rooms is more than all
//! requests, so somebody always has some. Without a bound, one key that everybody asks for would bring its server down,
//! then the next one. A request without a key goes anywhere by weight.
//!
//! In flight is counted over the whole process, without a lock: of requests that are placed at the very same moment on
//! different threads, each may see room for one, so the bound is exceeded by as many of them at most as there are other
//! threads.

use super::asked::Asked;
use super::draw::draw;
use super::members::{Members, eligible};
use super::needs::Needs;

pub(super) const NEEDS: Needs = Needs { key: true, ..Needs::NOTHING };

/// The server of the key.
pub(super) fn pick<M: Members + ?Sized>(asked: &mut Asked<'_, M>) -> Option<usize> {
    let members = asked.members;
    let (Some(ring), Some(key)) = (asked.plan.ring(), asked.turn.key) else {
        return draw(asked.plan.schedule(), asked.random, members, None);
    };
    let mut owners = ring.owners(key).filter(|index| eligible(members, *index));
    let owner = owners.next()?;
    // Room is never less than one, so an idle server need not be compared with all others.
    if members.in_flight(owner) == 0 {
        return Some(owner);
    }
    let room = Room::among(members, ring.bound_percent());
    if room.is_left(members, owner) {
        return Some(owner);
    }
    // What is in flight may change while we look; the owner is then as good as any.
    Some(owners.find(|index| room.is_left(members, *index)).unwrap_or(owner))
}

/// What all servers together have to do, and by how much one of them may exceed its part.
struct Room {
    in_flight: u64,
    weight: u64,
    bound_percent: u64,
}

impl Room {
    fn among<M: Members + ?Sized>(members: &M, bound_percent: u32) -> Self {
        let mut room = Self { in_flight: 0, weight: 0, bound_percent: u64::from(bound_percent) };
        for index in (0..members.len()).filter(|index| eligible(members, *index)) {
            room.in_flight += u64::from(members.in_flight(index));
            room.weight += u64::from(members.weight(index));
        }
        room
    }

    /// Whether one more request stays within ⌈bound × (all in flight + 1) × weight / all weights⌉.
    fn is_left<M: Members + ?Sized>(&self, members: &M, index: usize) -> bool {
        let part = u128::from(self.in_flight + 1) * u128::from(members.weight(index));
        let most = (part * u128::from(self.bound_percent)).div_ceil(u128::from(self.weight.max(1)) * 100);
        u128::from(members.in_flight(index)) < most
    }
}
