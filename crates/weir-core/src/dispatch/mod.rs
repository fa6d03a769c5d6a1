//! How many servers get a request, and whose answer the client gets.
//!
//! Each mode is a state machine without IO: what happened goes in, what shall be done comes out, and the driver above
//! performs it over real connections. A machine decides who is asked, how often, and whose answer counts; it does not choose
//! among equals (that is `balance`), does not see a byte, and keeps no time: `now` is an argument, and a deadline that has
//! passed is an event like any other.
//!
//! | mode | machine | servers asked | whose answer |
//! |---|---|---|---|
//! | `balance` | [`Balance`] | one; the next where that does no harm | the last one asked |
//! | `race` | [`Race`] | all, or `width` at a time | the first usable one |
//! | `hedge` | [`Hedge`] | one; a second one if it is slow | the first one |
//! | `majority` | [`Majority`] | all | that of more than half |
//! | `duplicate` | [`Duplicate`] | all, in the end | the first one, the last one needed, or the primary's |
//!
//! `balance` speaks in [`Event`] and [`Action`]; it is what most routes use, and has one attempt at a time. The others
//! speak in [`Happened`] and [`Act`], and [`Fan`] is any one of them, for a driver that serves all.

mod act;
mod balance;
mod budget;
mod duplicate;
mod event;
mod fan;
mod hedge;
mod majority;
mod marks;
mod of_method;
mod race;
mod rule;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod simulation;
mod status_set;

pub use act::{Act, Acts, Happened, QueueWhy, To};
pub use balance::Balance;
pub use budget::Budget;
pub use duplicate::{Duplicate, Targets};
pub use event::{Action, Attempt, Event, RequestFacts, Reuse, Why};
pub use fan::Fan;
pub use hedge::{Hedge, HedgeFacts};
pub use majority::Majority;
pub use of_method::of_method;
pub use race::Race;
pub use rule::{Acknowledge, After, CatchUp, DuplicateRule, HedgeRule, MajorityRule, Otherwise, RaceRule};
pub use status_set::StatusSet;

pub use crate::queue::Full;

/// The dispatch mode of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// One server.
    #[default]
    Balance,
    /// Every server, at least once.
    Duplicate,
    /// Several servers; the first usable answer wins.
    Race,
    /// One server, and another one if it is slow.
    Hedge,
    /// Every server; what more than half of them say.
    Majority,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Balance, Self::Duplicate, Self::Race, Self::Hedge, Self::Majority];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Duplicate => "duplicate",
            Self::Race => "race",
            Self::Hedge => "hedge",
            Self::Majority => "majority",
        }
    }
}
