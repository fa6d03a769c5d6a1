//! What Weir does with each request in a scenario.

/// A mode of dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One server gets it.
    Balance,
    /// One server gets it in its turn, and nobody looks how servers are.
    Unchecked,
    /// One server gets it that health checks and requests have found well, chosen by this strategy.
    Checked(Strategy),
    /// One server gets it, whichever of ten thousand hosts it is for.
    Hosts,
    /// One server gets it, from one of two workers.
    Pair,
    /// There are no requests, only health checks.
    Checks,
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

/// How a server is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// The next one.
    RoundRobin,
    /// The one that has the least to do.
    LeastRequests,
    /// The one of two that has less to do.
    P2c,
    /// The one of two that will answer sooner.
    PeakEwma,
}

impl Mode {
    /// The words before those lines of the configuration that are for this mode.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Balance => &["balance"],
            Self::Unchecked => &["unchecked"],
            Self::Checked(Strategy::RoundRobin) => &["checked", "round_robin"],
            Self::Checked(Strategy::LeastRequests) => &["checked", "least_requests"],
            Self::Checked(Strategy::P2c) => &["checked", "p2c"],
            Self::Checked(Strategy::PeakEwma) => &["checked", "peak_ewma"],
            Self::Hosts => &["hosts"],
            Self::Pair => &["pair"],
            Self::Checks => &["checks"],
            Self::Race => &["race"],
            Self::Duplicate => &["duplicate"],
            Self::Hedge => &["hedge"],
            Self::Durable => &["durable"],
            Self::Mirror => &["mirror"],
        }
    }

    /// Whether every server gets every request.
    pub(crate) fn asks_all(self) -> bool {
        match self {
            Self::Balance
            | Self::Unchecked
            | Self::Checked(_)
            | Self::Hosts
            | Self::Pair
            | Self::Checks
            | Self::Hedge
            | Self::Mirror => false,
            Self::Race | Self::Duplicate | Self::Durable => true,
        }
    }
}
