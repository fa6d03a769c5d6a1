//! What a figure shall be, beside the same figure of somebody else.

use super::peer::Peer;

/// A figure of ours, as it is or beside the same of another peer, and where it shall be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// Which.
    pub(crate) figure: Figure,
    /// Of whom.
    pub(crate) ours: Peer,
    /// Beside whom; `None` for the figure itself.
    pub(crate) peer: Option<Peer>,
    /// What counts.
    pub(crate) wall: Option<Bound>,
    /// Where it shall be one day.
    pub(crate) target: Option<Bound>,
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
    /// Whether the ratio or the figure is there.
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    /// The number.
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => bound,
        }
    }

    fn text(self) -> String {
        let word = match self {
            Self::AtMost(_) => "at most",
            Self::AtLeast(_) => "at least",
        };
        format!("{word} {:.2}", self.value())
    }
}

impl Goal {
    /// The same, and where it shall be one day.
    pub(crate) const fn target(self, at_most: f64) -> Self {
        Self { target: Some(Bound::AtMost(at_most)), ..self }
    }

    /// The wall as a target that nobody has to reach.
    pub(crate) const fn wish(self) -> Self {
        Self { wall: None, target: self.wall, ..self }
    }

    /// How a ratio or a figure is judged.
    pub(crate) fn judge(&self, value: f64) -> String {
        let judged = |name: &str, bound: Option<Bound>, missed: &str| {
            bound.map(|bound| {
                format!("{name} {}: {}", bound.text(), if bound.holds(value) { "met" } else { missed })
            })
        };
        // A target is a wish: who misses it has not failed.
        let both = [judged("wall", self.wall, "MISSED"), judged("target", self.target, "not yet")];
        both.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time for one.
    Cpu,
    /// CPU time in a second.
    Core,
    /// Memory that stays for each connection, in KiB.
    Held,
    /// The time within which 99 of 100 were answered.
    P99,
    /// Requests that the servers got for each request of a client.
    Asked,
    /// How many are done in a second.
    PerSecond,
}

impl Figure {
    /// What it is, and its unit, where nothing else says so.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU time",
            Self::Core => "part of a core",
            Self::Held => "KiB held",
            Self::P99 => "p99",
            Self::Asked => "requests at the servers",
            Self::PerSecond => "in a second",
        }
    }

    /// What stands before a goal; nothing for the figure that all scenarios have.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "",
            Self::Core => "of a core, ",
            Self::Held => "KiB held for a connection, ",
            Self::P99 => "p99, ",
            Self::Asked => "requests at the servers, ",
            Self::PerSecond => "in a second, ",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Figure, Goal, Peer};

    fn judge(wall: Option<Bound>, target: Option<Bound>, value: f64) -> String {
        Goal { figure: Figure::Cpu, ours: Peer::Weir, peer: None, wall, target }.judge(value)
    }

    #[test]
    fn a_bound_has_two_sides() {
        let (most, least) = (Some(Bound::AtMost(1.3)), Some(Bound::AtLeast(0.7)));
        assert_eq!(judge(most, None, 1.31), "wall at most 1.30: MISSED");
        assert_eq!(judge(most, None, 1.3), "wall at most 1.30: met");
        assert_eq!(judge(least, None, 0.69), "wall at least 0.70: MISSED");
        assert_eq!(judge(least, None, 1.2), "wall at least 0.70: met");
        assert_eq!(judge(least, None, f64::NAN), "wall at least 0.70: MISSED");
    }

    #[test]
    fn a_target_is_said_beside_the_wall_and_alone() {
        let (wall, target) = (Some(Bound::AtMost(0.85)), Some(Bound::AtMost(0.8)));
        assert_eq!(judge(wall, target, 0.82), "wall at most 0.85: met, target at most 0.80: not yet");
        assert_eq!(judge(wall, target, 0.8), "wall at most 0.85: met, target at most 0.80: met");
        assert_eq!(judge(None, target, 0.9), "target at most 0.80: not yet");
    }
}
