//! How many servers get a request of a route, by its method.

use weir_core::dispatch::{DuplicateRule, HedgeRule, MajorityRule, Mode, RaceRule, of_method};

/// A dispatch mode with what it needs to know.
#[derive(Debug, Clone, PartialEq, Default, Hash)]
pub enum Dispatch {
    /// One server.
    #[default]
    Balance,
    /// All, and enough of them must acknowledge.
    Duplicate(DuplicateRule),
    /// All, and the first usable answer wins.
    Race(RaceRule),
    /// A second one when the first is slow.
    Hedge(HedgeRule),
    /// All, and the answer of most.
    Majority(MajorityRule),
}

impl Dispatch {
    /// Which mode it is.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Balance => Mode::Balance,
            Self::Duplicate(_) => Mode::Duplicate,
            Self::Race(_) => Mode::Race,
            Self::Hedge(_) => Mode::Hedge,
            Self::Majority(_) => Mode::Majority,
        }
    }
}

/// The modes of a route.
#[derive(Debug, Clone, PartialEq, Default, Hash)]
pub struct Dispatches {
    /// Methods that have a mode of their own; none twice.
    pub by_method: Vec<(Box<str>, Dispatch)>,
    /// The mode of all others.
    pub others: Dispatch,
}

impl Dispatches {
    /// One mode for every method.
    pub fn all(dispatch: Dispatch) -> Self {
        Self { by_method: Vec::new(), others: dispatch }
    }

    /// The mode of a method; HEAD follows GET where it has none of its own (`semantics.md` §3).
    pub fn of(&self, method: &[u8]) -> &Dispatch {
        of_method(&self.by_method, method).unwrap_or(&self.others)
    }

    /// Every mode that some method has.
    pub fn iter(&self) -> impl Iterator<Item = &Dispatch> {
        self.by_method.iter().map(|(_, dispatch)| dispatch).chain([&self.others])
    }
}
