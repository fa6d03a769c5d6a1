//! Which server of an upstream gets the next attempt.
//!
//! [`pick`] is asked once per attempt. What it needs to know of the servers comes through [`Members`]; whose turn it is
//! comes from the [`Schedule`], which is made when servers or weights change, not per request; the rotation's position and
//! random numbers are arguments. Nothing here counts, waits or connects, and nothing allocates.
//!
//! A server of weight 0 is never picked. Shares are by weight in every strategy.

mod draw;
mod least_requests;
mod load;
mod p2c;
mod random;
mod round_robin;
mod schedule;

pub use load::Members;
pub use schedule::{SCHEDULE_SLOTS_MAX, Schedule};

/// The balancing algorithms. A new one is one file beside this one and one line here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// Exact rotation over the whole process, smooth when weighted.
    #[default]
    RoundRobin,
    /// Uniform, or by weight.
    Random,
    /// The fewest requests in flight per weight.
    LeastRequests,
    /// The better of two drawn at random.
    P2c,
}

impl Strategy {
    /// All of them, in the order in which documents list them.
    pub const ALL: [Self; 4] = [Self::RoundRobin, Self::Random, Self::LeastRequests, Self::P2c];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Random => "random",
            Self::LeastRequests => "least_requests",
            Self::P2c => "p2c",
        }
    }

    /// The strategy of this name; the inverse of [`Strategy::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }

    /// Whether a request must take a ticket before [`pick`] is asked. The others save the shared counter.
    pub fn takes_ticket(self) -> bool {
        matches!(self, Self::RoundRobin)
    }
}

/// The server for an attempt: an index into `members`, or `None` when none is usable.
///
/// `ticket` is the request's number in the rotation, from one counter of the whole process; repeats of a request keep its
/// ticket, so that failures do not disturb the rotation. It is not looked at when [`Strategy::takes_ticket`] is false.
/// `random` gives uniform random numbers; it is called a few times at most per server. `schedule` was made from the
/// weights of the same members.
pub fn pick<M: Members + ?Sized>(
    strategy: Strategy,
    schedule: &Schedule,
    ticket: usize,
    random: &mut dyn FnMut() -> u64,
    members: &M,
) -> Option<usize> {
    debug_assert_eq!(schedule.members(), members.len(), "the schedule was made from these members");
    match strategy {
        Strategy::RoundRobin => round_robin::pick(schedule, ticket, members),
        Strategy::Random => random::pick(schedule, random, members),
        Strategy::LeastRequests => least_requests::pick(random, members),
        Strategy::P2c => p2c::pick(schedule, random, members),
    }
}

#[cfg(test)]
mod tests;
