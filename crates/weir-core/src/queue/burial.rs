//! Why a write became a dead letter: it is kept for people and not delivered by itself any more.

use std::fmt;

/// The reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burial {
    /// The server refused it with this status (`semantics.md` §3.1).
    Refused {
        /// The status.
        status: u16,
    },
    /// So did all others that were to get it: nobody was told that it is kept, and it is the first to be forgotten.
    RefusedByAll {
        /// The status.
        status: u16,
    },
    /// The server did not get it within `keep`.
    Expired,
    /// The backlog was full, and newer writes were worth more (`full: drop_oldest`).
    Dropped,
    /// Its body can't be read any more.
    Unreadable,
}

impl Burial {
    /// Its name as a label, and in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::RefusedByAll { .. } => "refused_by_all",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
            Self::Unreadable => "unreadable",
        }
    }

    /// The reason of this name. The status only matters for refusals.
    pub fn of(name: &str, status: u16) -> Option<Self> {
        Some(match name {
            "refused" => Self::Refused { status },
            "refused_by_all" => Self::RefusedByAll { status },
            "expired" => Self::Expired,
            "dropped" => Self::Dropped,
            "unreadable" => Self::Unreadable,
            _ => return None,
        })
    }

    /// The status of a refusal.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Refused { status } | Self::RefusedByAll { status } => Some(status),
            Self::Expired | Self::Dropped | Self::Unreadable => None,
        }
    }
}

impl fmt::Display for Burial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status } => write!(f, "refused with {status}"),
            Self::RefusedByAll { status } => write!(f, "refused with {status}, and by all others"),
            other => f.write_str(other.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Burial;

    #[test]
    fn a_reason_comes_back_from_its_name() {
        let refused = [Burial::Refused { status: 422 }, Burial::RefusedByAll { status: 409 }];
        for burial in refused.into_iter().chain([Burial::Expired, Burial::Dropped, Burial::Unreadable]) {
            assert_eq!(Burial::of(burial.name(), burial.status().unwrap_or(0)), Some(burial));
        }
        assert_eq!(Burial::of("lost", 0), None);
    }
}
