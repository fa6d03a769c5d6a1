//! What Weir does with each request in a scenario.

/// A mode of dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One server gets it.
    Balance,
    /// All servers get it, and the first usable answer wins.
    Race,
    /// All servers get it, and all must acknowledge it.
    Duplicate,
    /// A second server gets it when the first is slow.
    Hedge,
    /// All servers get it, after it has been written to a file.
    Durable,
    /// One server gets it, and another one a copy for which nobody waits.
    Mirror,
}

impl Mode {
    /// The word before those lines of the configuration that are for this mode.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Race => "race",
            Self::Duplicate => "duplicate",
            Self::Hedge => "hedge",
            Self::Durable => "durable",
            Self::Mirror => "mirror",
        }
    }

    /// Whether every server gets every request.
    pub(crate) fn asks_all(self) -> bool {
        match self {
            Self::Balance | Self::Hedge | Self::Mirror => false,
            Self::Race | Self::Duplicate | Self::Durable => true,
        }
    }
}
