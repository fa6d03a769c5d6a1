//! Changing who belongs to an upstream while it runs, through the wall between those who are asked and those who do it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::health::{State, Word};

/// The longest lease; a server that wants to stay longer says so again.
pub const LEASE_MAX: Duration = Duration::from_secs(24 * 3600);

/// The shortest lease, so that renewing it is no load.
pub const LEASE_MIN: Duration = Duration::from_secs(1);

/// What is wanted of a server. What is `None` stays as it is, or is usual for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemberChange {
    /// Its weight.
    pub weight: Option<u32>,
    /// What an operator says of it.
    pub word: Option<Word>,
    /// It leaves after this time unless it says again that it is there.
    pub lease: Option<Duration>,
}

/// What has become of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// Whether the server was not a member before.
    pub is_new: bool,
    /// Its state now.
    pub state: State,
    /// Whether nobody is left who gets requests, so that they get 503.
    pub is_last: bool,
}

/// What has become of a server that was told to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    /// Whether it is gone already; else it gets nothing new and goes when it has nothing more to do.
    pub is_gone: bool,
    /// Whether nobody is left who gets requests, so that they get 503.
    pub is_last: bool,
    /// Why it will be back by itself, if it will.
    pub comes_back: Option<ComesBack>,
}

/// Why a server that was told to leave will be back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComesBack {
    /// It registers itself, and does so again.
    Registers,
    /// A name has its address, and is asked for again.
    IsFound,
}

/// Why members can't be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberError {
    /// There is no such upstream; these there are.
    NoUpstream {
        /// Their names.
        known: Vec<String>,
    },
    /// The upstream has no such server.
    NoServer,
    /// What was asked for makes no sense; why, and what to do.
    Bad(String),
    /// It makes sense, and not for what this server is; why, and what to do.
    Conflict(String),
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUpstream { known } if known.is_empty() => f.write_str("there are no upstreams"),
            Self::NoUpstream { known } => {
                write!(f, "there is no such upstream; there are `{}`", known.join("`, `"))
            }
            Self::NoServer => f.write_str("the upstream has no such server"),
            Self::Bad(why) | Self::Conflict(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for MemberError {}

/// Something that was changed while the proxy ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDifference {
    /// The server.
    pub server: String,
    /// What is different.
    pub kind: DifferenceKind,
}

/// How a server is different from what the configuration says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The configuration does not name it.
    Added {
        /// Its weight.
        weight: u32,
        /// Whether it leaves by itself when it does not say again that it is there.
        is_leased: bool,
    },
    /// The configuration names it, and it is no member.
    Left {
        /// The weight that it would have.
        weight: u32,
    },
    /// It has another weight.
    Weight {
        /// The configuration's.
        written: u32,
        /// Its own.
        now: u32,
    },
    /// Somebody has taken it out.
    TakenOut(Word),
}

/// Somebody who can change members. Takes locks; for people and programs that ask, not for a request's way.
pub trait MemberControl: Send + Sync {
    /// Lets a server be a member with what is wanted of it. The same again changes nothing.
    ///
    /// # Errors
    /// See [`MemberError`]; nothing is changed then.
    fn put(&self, upstream: &str, server: &str, change: MemberChange) -> Result<Changed, MemberError>;

    /// What the upstream calls the server at this address, however that is written; also one that is leaving.
    ///
    /// # Errors
    /// There is no such upstream, or it has no such server.
    fn name_of(&self, upstream: &str, server: &str) -> Result<String, MemberError>;

    /// Lets a server leave: at once, or within `drain` when its requests have ended.
    ///
    /// # Errors
    /// See [`MemberError`]; nothing is changed then.
    fn leave(&self, upstream: &str, server: &str, drain: Option<Duration>) -> Result<Leaving, MemberError>;
}

/// The usual way to hand one around.
pub type SharedMemberControl = Arc<dyn MemberControl>;

/// A file that names servers of an upstream and is followed while the proxy runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InventoryStatus {
    /// Where it is.
    pub file: String,
    /// When what holds now was read, since 1970.
    pub read: Duration,
    /// Why what the file holds is not used, with its place; `None` when it is.
    pub problem: Option<String>,
    /// Changes of the file that were taken.
    pub taken_total: u64,
    /// Changes of the file that could not be used.
    pub refused_total: u64,
}
