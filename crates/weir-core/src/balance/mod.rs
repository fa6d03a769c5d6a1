//! Which server of an upstream gets the next attempt.
//!
//! [`pick`] is asked once per attempt. What it needs to know of the servers comes through [`Members`]; whose turn it is and
//! who owns which keys comes from the [`Plan`], which is made when servers or weights change, not per request; what the
//! request brings along ([`Turn`]) and random numbers are arguments. Nothing here counts, waits or connects, and nothing
//! allocates.
//!
//! A server of weight 0 is never picked. Shares are by weight in every strategy.

mod asked;
mod draw;
mod hash;
mod key;
mod least_requests;
mod load;
mod members;
mod needs;
mod observed;
mod p2c;
mod peak_ewma;
mod plan;
mod random;
mod report;
mod ring;
mod round_robin;
mod rule;
mod schedule;
mod sticky;

use asked::Asked;

pub use asked::Turn;
pub use key::key;
pub use members::Members;
pub use needs::Needs;
pub use observed::{DECAY, Decay, Observed, Standing};
pub use plan::{Part, Plan};
pub use report::{FORGET, Reported, Reports, parse as parse_report};
pub use ring::{POINTS_PER_WEIGHT, RING_POINTS_MAX, Ring};
pub use rule::{BOUND_PERCENT, KeyOf, Rule};
pub use schedule::{SCHEDULE_SLOTS_MAX, Schedule};
pub use sticky::{MARK_BYTES, PIN_DIGITS, Pin};

/// Makes the list below from its lines: the name of a strategy is that of its file, which has `NEEDS` and `pick`.
macro_rules! strategies {
    ($($(#[$doc:meta])* $variant:ident = $file:ident,)+) => {
        /// The balancing algorithms. A new one is one file beside this one and one line in this list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
        pub enum Strategy {
            $($(#[$doc])* $variant,)+
        }

        impl Strategy {
            /// All of them, in the order in which documents list them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in the configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($file),)+
                }
            }

            /// What must be known for it.
            pub const fn needs(self) -> Needs {
                match self {
                    $(Self::$variant => $file::NEEDS,)+
                }
            }
        }

        fn pick_by<M: Members + ?Sized>(strategy: Strategy, asked: &mut Asked<'_, M>) -> Option<usize> {
            match strategy {
                $(Strategy::$variant => $file::pick(asked),)+
            }
        }
    };
}

strategies! {
    /// Exact rotation over the whole process, smooth when weighted.
    #[default]
    RoundRobin = round_robin,
    /// Uniform, or by weight.
    Random = random,
    /// The fewest requests in flight per weight.
    LeastRequests = least_requests,
    /// The better of two drawn at random.
    P2c = p2c,
    /// Of two drawn at random the one that will answer sooner.
    PeakEwma = peak_ewma,
    /// The same server for the same key.
    Hash = hash,
    /// Less for servers that say they have much to do.
    Load = load,
}

impl Strategy {
    /// The strategy of this name; the inverse of [`Strategy::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|strategy| strategy.name() == name)
    }
}

/// The server for an attempt: an index into `members`, or `None` when none is usable.
///
/// `turn` is what the request brings along; a pinned server has it as long as it is usable. `random` gives uniform random
/// numbers; it is called a few times at most per server. `plan` was made for the same members and for what the strategy
/// needs.
pub fn pick<M: Members + ?Sized>(
    strategy: Strategy,
    plan: &Plan,
    turn: Turn,
    random: &mut dyn FnMut() -> u64,
    members: &M,
) -> Option<usize> {
    debug_assert_eq!(plan.members(), members.len(), "the plan was made for these members");
    if let Some(pinned) = turn.pinned
        && members::eligible(members, pinned)
    {
        return Some(pinned);
    }
    pick_by(strategy, &mut Asked { plan, turn, random, members })
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
