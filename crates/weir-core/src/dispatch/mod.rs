//! How many servers get a request, and whose answer the client gets.
//!
//! Each mode is a state machine without IO: what happened goes in as an [`Event`], what shall be done comes out as an
//! [`Action`], and the driver above performs it over real connections. A machine decides who is asked, how often, and whose
//! answer counts; it does not choose among equals (that is `balance`), does not see a byte, and keeps no time: a deadline
//! that has passed is an event like any other.

mod balance;
mod event;
mod marks;

pub use balance::Balance;
pub use event::{Action, Attempt, Event, RequestFacts, Reuse, Why};

/// The dispatch mode of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// One server.
    #[default]
    Balance,
}

impl Mode {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
        }
    }
}
