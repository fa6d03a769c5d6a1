//! How the header of the PROXY protocol on a client's connection ends: the words for it in metrics.

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeaderOutcome {
    /// It names the client.
    Named,
    /// It names nobody: the connection is the proxy's own.
    Unnamed,
    /// It is none, or the connection ended in the middle of it.
    Malformed,
    /// It was not whole in time.
    TimedOut,
    /// The connection ended without a byte, as those of some health checks do.
    Nothing,
}

impl ProxyHeaderOutcome {
    /// All, in the order of [`Status::proxy_headers`](crate::ports::Status::proxy_headers).
    pub const ALL: [Self; 5] = [Self::Named, Self::Unnamed, Self::Malformed, Self::TimedOut, Self::Nothing];

    /// The value of the label `outcome`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Unnamed => "unnamed",
            Self::Malformed => "malformed",
            Self::TimedOut => "timed_out",
            Self::Nothing => "nothing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ProxyHeaderOutcome;

    #[test]
    fn every_outcome_has_its_place() {
        for (place, outcome) in ProxyHeaderOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place, "{outcome:?}");
        }
    }
}
