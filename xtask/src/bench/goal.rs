//! What a figure shall be, beside the same figure of somebody else.

use super::peer::Peer;

/// A figure of ours is at most or at least this much: of the same figure of another peer, or as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// Which.
    pub(crate) figure: Figure,
    /// Of whom.
    pub(crate) ours: Peer,
    /// Beside whom; `None` for the figure itself.
    pub(crate) peer: Option<Peer>,
    /// How much of it.
    pub(crate) bound: Bound,
}

/// Where a ratio or a figure shall be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    /// Less is better.
    AtMost(f64),
    /// More is better.
    AtLeast(f64),
}

impl Bound {
    /// Whether the ratio or the figure is there, and how that is said.
    pub(crate) fn judge(self, ratio: f64) -> String {
        let (word, bound, met) = match self {
            Self::AtMost(bound) => ("at most", bound, ratio <= bound),
            Self::AtLeast(bound) => ("at least", bound, ratio >= bound),
        };
        format!("goal {word} {bound:.2}: {}", if met { "met" } else { "MISSED" })
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time for one.
    Cpu,
    /// CPU time in a second.
    Core,
    /// The time within which 99 of 100 were answered.
    P99,
    /// Requests that the servers got for each request of a client.
    Asked,
    /// How many are done in a second.
    PerSecond,
}

impl Figure {
    /// What stands before a goal; nothing for the figure that all scenarios have.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "",
            Self::Core => "of a core, ",
            Self::P99 => "p99, ",
            Self::Asked => "requests at the servers, ",
            Self::PerSecond => "in a second, ",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bound;

    #[test]
    fn a_bound_has_two_sides() {
        assert_eq!(Bound::AtMost(1.3).judge(1.31), "goal at most 1.30: MISSED");
        assert_eq!(Bound::AtMost(1.3).judge(1.3), "goal at most 1.30: met");
        assert_eq!(Bound::AtLeast(0.7).judge(0.69), "goal at least 0.70: MISSED");
        assert_eq!(Bound::AtLeast(0.7).judge(1.2), "goal at least 0.70: met");
        assert_eq!(Bound::AtLeast(0.7).judge(f64::NAN), "goal at least 0.70: MISSED");
    }
}
