//! What the configuration says of a dispatch mode.
//!
//! Numbers that make no sense (no server to acknowledge, a budget of two tokens per request) are refused by the
//! configuration; the machines behave soundly with them all the same.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::status_set::StatusSet;
use crate::queue::Full;

/// Mode `race` (`semantics.md` §3.4).
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct RaceRule {
    /// Statuses that win.
    pub usable: StatusSet,
    /// How many servers are asked at the same time; `None` asks all of them, 1 one after the other. 0 counts as 1.
    pub width: Option<u32>,
    /// How much later than the one before a server is asked. Zero asks all that `width` allows at once.
    pub stagger: Duration,
    /// What the client gets when no answer was usable.
    pub otherwise: Otherwise,
}

/// What the client gets when there is no answer as it should be.
#[derive(Debug, Clone, PartialEq, Hash)]
pub enum Otherwise {
    /// The best of those that came: one that is in an earlier set wins, then the one that came first. An answer that is in
    /// no set comes last.
    Best(Vec<StatusSet>),
    /// An answer of our own with this status.
    Status(u16),
}

impl Otherwise {
    /// How good an answer of this status is; 0 is best. `None` when such answers are not passed on.
    pub(super) fn rank(&self, status: u16) -> Option<usize> {
        match self {
            Self::Best(order) => {
                Some(order.iter().position(|set| set.contains(status)).unwrap_or(order.len()))
            }
            Self::Status(_) => None,
        }
    }
}

/// Mode `hedge` (`semantics.md` §3.5).
#[derive(Debug, Clone, PartialEq)]
pub struct HedgeRule {
    /// How long the first server is waited for before a second one is asked.
    pub after: After,
    /// The longest such wait; also the one without history.
    pub at_most: Duration,
    /// Hedges per request of a client, from 0 to 1; see [`Budget`](super::Budget).
    pub budget_share: f64,
}

impl Hash for HedgeRule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { after, at_most, budget_share } = self;
        (after, at_most, budget_share.to_bits()).hash(state);
    }
}

impl HedgeRule {
    /// The shortest wait: below a millisecond, timers and the way to a server matter more than the server.
    const AT_LEAST: Duration = Duration::from_millis(1);

    /// How long the first server is waited for. `percentile` is what is published of the servers at the moment; `None`
    /// without history.
    pub fn delay(&self, percentile: Option<Duration>) -> Duration {
        match self.after {
            After::Percentile => percentile.unwrap_or(self.at_most).max(Self::AT_LEAST).min(self.at_most),
            After::Fixed(delay) => delay.min(self.at_most),
        }
    }
}

/// How long the first server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum After {
    /// As long as 95 of 100 answers take: the median over the servers of each one's 95th percentile.
    Percentile,
    /// This long.
    Fixed(Duration),
}

/// Mode `majority` (`semantics.md` §3.6).
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct MajorityRule {
    /// What the client gets when no answer was given by more than half of the servers.
    pub otherwise: Otherwise,
}

/// Mode `duplicate` (`semantics.md` §3.1 to §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DuplicateRule {
    /// Whose success the client waits for.
    pub acknowledge: Acknowledge,
    /// How long it waits for that, from the last byte of its request on.
    pub answer_timeout: Duration,
    /// Each server gets one write at a time. Whoever keeps the gates sees to that, not the machine.
    pub strict_order: bool,
    /// What becomes of a write that a server did not take.
    pub catch_up: CatchUp,
    /// How long such a write is tried before it becomes a dead letter.
    pub keep: Duration,
    /// How many writes may wait.
    pub backlog_max: u64,
    /// How many bytes, heads and bodies, all writes that wait may have.
    pub backlog_bytes_max: u64,
    /// How many dead letters are kept.
    pub dead_letters_max: u64,
    /// How many bytes, heads and bodies, they may have.
    pub dead_letters_bytes_max: u64,
    /// What happens when more would wait.
    pub full: Full,
}

/// Whose success the client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Acknowledge {
    /// Any server's.
    #[default]
    First,
    /// Every server's.
    All,
    /// That of more than half of the configured servers, healthy or not.
    Quorum,
    /// That of the server which is marked as primary.
    Primary,
    /// That of so many servers.
    Number(u32),
}

/// What becomes of a write that a server did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum CatchUp {
    /// It waits in memory and is lost when Weir stops.
    #[default]
    Memory,
    /// It waits in a file, and was there before the first server got it.
    Durable,
    /// Nothing: it is counted.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(after: After, at_most_millis: u64, percentile: Option<Duration>, expected: Duration) {
        let rule = HedgeRule { after, at_most: Duration::from_millis(at_most_millis), budget_share: 0.05 };
        assert_eq!(rule.delay(percentile), expected, "{rule:?} {percentile:?}");
    }

    /// `semantics.md` §3.5: clamped to [1 ms, `at_most`]; without history `at_most`.
    #[test]
    fn the_delay_is_what_most_answers_take_within_bounds() {
        let millis = Duration::from_millis;
        check(After::Percentile, 500, Some(millis(40)), millis(40));
        check(After::Percentile, 500, Some(millis(700)), millis(500));
        check(After::Percentile, 500, Some(Duration::MAX), millis(500));
        check(After::Percentile, 500, Some(Duration::ZERO), millis(1));
        check(After::Percentile, 500, None, millis(500));
        check(After::Percentile, 0, Some(millis(40)), Duration::ZERO);
        check(After::Percentile, 0, None, Duration::ZERO);
        check(After::Fixed(millis(30)), 500, Some(millis(40)), millis(30));
        check(After::Fixed(millis(900)), 500, None, millis(500));
    }

    #[test]
    fn what_stands_earlier_in_the_order_is_better() {
        let order = vec![StatusSet::EMPTY.with_code(404), StatusSet::EMPTY.with_class(4)];
        let best = Otherwise::Best(order);
        let ranks = [404, 400, 500, 700].map(|status| best.rank(status));
        assert_eq!(ranks, [Some(0), Some(1), Some(2), Some(2)]);
        assert_eq!(Otherwise::Status(500).rank(500), None);
    }
}
