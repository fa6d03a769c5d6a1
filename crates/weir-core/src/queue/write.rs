//! One write, and where it stands with each of its servers.

use std::fmt;
use std::time::Duration;

use smallvec::SmallVec;

use super::burial::Burial;
use super::gate::ServerId;

/// The number of a write in its queue, given when it is accepted. Later ones are larger, over restarts too; there are gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A server that shall get a new write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedTarget {
    /// The server.
    pub server: ServerId,
    /// Whether it may get a live copy. False for one that is known to be away: it gets the write from its backlog.
    pub live: bool,
}

/// Where a write stands with one server. A server that has it is not in the list any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The driver of the request sends it.
    Live,
    /// In the backlog.
    Waiting {
        /// Since when; `keep` counts from there.
        since: Duration,
    },
    /// Taken from the backlog and being delivered.
    Flying {
        /// Since when it waited; `keep` counts from there.
        since: Duration,
    },
    /// A dead letter.
    Dead {
        /// Why.
        burial: Burial,
        /// Since when.
        since: Duration,
    },
}

impl State {
    /// Whether it is still on its way.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Dead { .. })
    }

    /// Its name for lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Waiting { .. } => "waiting",
            Self::Flying { .. } => "in_flight",
            Self::Dead { .. } => "dead",
        }
    }
}

/// A server of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The server.
    pub server: ServerId,
    /// Where the write stands with it.
    pub state: State,
}

/// A write that some server has yet to get, or that is somebody's dead letter.
#[derive(Debug, Clone)]
pub struct Write {
    /// When it was accepted.
    pub accepted: Duration,
    /// Bytes of its head, body and trailers.
    pub bytes: u64,
    /// Whether all of its body is there; until then it can't be delivered from the backlog.
    pub whole: bool,
    /// Whether some server has taken it, or may have: of one that waits after a restart nobody knows.
    pub taken: bool,
    /// The servers that it is not settled with.
    pub targets: SmallVec<[Target; 4]>,
}

impl Write {
    /// Where it stands with the server.
    pub fn state(&self, server: ServerId) -> Option<State> {
        self.targets.iter().find(|target| target.server == server).map(|target| target.state)
    }

    pub(super) fn state_mut(&mut self, server: ServerId) -> Option<&mut State> {
        self.targets.iter_mut().find(|target| target.server == server).map(|target| &mut target.state)
    }

    pub(super) fn remove(&mut self, server: ServerId) {
        self.targets.retain(|target| target.server != server);
    }

    /// Whether all servers that were to get it have refused it, so that nobody was told that it is kept.
    pub fn is_refused_by_all(&self) -> bool {
        let refused = |state| matches!(state, State::Dead { burial: Burial::RefusedByAll { .. }, .. });
        self.targets.iter().all(|target| refused(target.state))
    }

    /// Notes whether all servers have refused it, with each of them, so that it is known after a restart too. Says for which
    /// servers that is something new, and since when it is their dead letter.
    pub(super) fn note_refusals(&mut self, by_all: bool) -> SmallVec<[(ServerId, Burial, Duration); 4]> {
        let mut changed = SmallVec::new();
        for Target { server, state } in &mut self.targets {
            let State::Dead { burial, since } = state else { continue };
            let noted = match *burial {
                Burial::Refused { status } if by_all => Burial::RefusedByAll { status },
                Burial::RefusedByAll { status } if !by_all => Burial::Refused { status },
                _ => continue,
            };
            *burial = noted;
            changed.push((*server, noted, *since));
        }
        changed
    }

    /// Whether all that is left of it are refusals, and no server has it.
    pub(super) fn nobody_wants_it(&self) -> bool {
        let refused = |state| {
            matches!(state, State::Dead { burial: Burial::Refused { .. } | Burial::RefusedByAll { .. }, .. })
        };
        !self.taken && self.targets.iter().all(|target| refused(target.state))
    }

    /// Whether some server has yet to get it.
    pub fn is_open(&self) -> bool {
        self.targets.iter().any(|target| target.state.is_open())
    }
}
