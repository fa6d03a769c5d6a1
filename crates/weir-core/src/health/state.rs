//! The states of a server.

use std::fmt;
use std::time::Duration;

/// What is known of a server, or what somebody has said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It is checked, and no check has ended yet.
    NotInitiated,
    /// It answers; also where it is not checked.
    #[default]
    Healthy,
    /// Checks of it fail.
    Unreachable,
    /// It gets no new requests; those that it has may end.
    Draining,
    /// It gets nothing, because somebody said so.
    Disabled,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::NotInitiated, Self::Healthy, Self::Unreachable, Self::Draining, Self::Disabled];

    /// Its name for people and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotInitiated => "NOT_INITIATED",
            Self::Healthy => "HEALTHY",
            Self::Unreachable => "UNREACHABLE",
            Self::Draining => "DRAINING",
            Self::Disabled => "DISABLED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an operator says of a server. It counts for more than what checks say, until it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Word {
    /// It does its work; what checks say counts.
    #[default]
    InService,
    /// No new requests.
    Drain,
    /// No requests at all.
    Disable,
}

impl Word {
    /// The state of a server of which this was said and which checks found in that state.
    pub fn state(self, checked: State) -> State {
        match self {
            Self::InService => checked,
            Self::Drain => State::Draining,
            Self::Disable => State::Disabled,
        }
    }
}

/// A server that came from one state into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When, in time since 1970.
    pub at: Duration,
    /// The state before.
    pub from: State,
    /// The state from then on.
    pub to: State,
    /// Why, for people.
    pub reason: Box<str>,
}
