//! What the log says of dead letters: that there are too many, the first time and then at most once a minute.

use std::time::Duration;

use weir_core::queue::{Full, Ledger};

/// Time between two lines that say the same.
const PAUSE: Duration = Duration::from_secs(60);

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    forgotten_total: u64,
    forgotten: Paced,
    full: Paced,
}

/// What is to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complaint {
    /// So many writes are lost that were acknowledged, perhaps, since the start.
    Forgotten(u64),
    /// No write is taken, for the dead letters leave no room.
    Full,
}

#[derive(Debug, Default)]
struct Paced(Option<Duration>);

impl Paced {
    fn is_due(&mut self, now: Duration) -> bool {
        let due = self.0.is_none_or(|last| now >= last + PAUSE);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

impl Complaints {
    /// After something has changed.
    pub(super) fn after_change(&mut self, ledger: &Ledger, now: Duration) -> Option<Complaint> {
        let total = ledger.forgotten_total();
        if total == self.forgotten_total || !self.forgotten.is_due(now) {
            return None;
        }
        self.forgotten_total = total;
        Some(Complaint::Forgotten(total))
    }

    /// After there was no room for a write.
    pub(super) fn after_refusal(&mut self, ledger: &Ledger, now: Duration) -> Option<Complaint> {
        let full = ledger.limits().full == Full::Reject && ledger.is_full_of_dead_letters();
        (full && self.full.is_due(now)).then_some(Complaint::Full)
    }
}

impl Complaint {
    /// Says it. Never under a lock: whoever reads the log may be slow.
    pub(super) fn say(self, queue: &str) {
        match self {
            Self::Forgotten(total) => tracing::warn!(
                queue,
                forgotten_total = total,
                "the dead letters are full, and the oldest are forgotten: some servers will never get them\n\nhint: see `weir queue list --dead`, and `dead_letters` and `dead_letters_bytes`"
            ),
            Self::Full => tracing::warn!(
                queue,
                "the dead letters are full, and writes are refused with 503 until there is room\n\nhint: `weir queue list --dead` shows them, `weir queue retry` and `weir queue drop` make room"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use weir_core::queue::{Effects, Outcome, QueueLimits, Sequence, WantedTarget};

    use super::*;

    #[test]
    fn the_same_is_said_at_most_once_a_minute() {
        let limits = QueueLimits { dead_writes_max: 1, full: Full::DropOldest, ..QueueLimits::default() };
        let (mut ledger, mut effects) = (Ledger::new(limits, Sequence(1)), Effects::new());
        let servers = ["a:1", "b:1"].map(|name| ledger.server(name));
        let mut complaints = Complaints::default();
        let mut said = Vec::new();
        for second in [0, 1, 59, 62, 63, 200] {
            let now = Duration::from_secs(second);
            let room = ledger.reserve(1, now, &mut effects).unwrap();
            let sequence = ledger.number();
            let targets = servers.map(|server| WantedTarget { server, live: true });
            ledger.accept(room, sequence, &targets, true, now);
            for (server, status) in servers.into_iter().zip([200, 400]) {
                let outcome = Outcome::Answered { status, retry_after: None };
                ledger.settle(sequence, server, outcome, 0, now, &mut effects);
            }
            said.push(complaints.after_change(&ledger, now));
            assert_eq!(complaints.after_refusal(&ledger, now), None, "it is not refused for that");
        }
        let forgotten = |total| Some(Complaint::Forgotten(total));
        assert_eq!(said, [None, forgotten(1), None, forgotten(3), None, forgotten(5)]);
        ledger.set_limits(QueueLimits { full: Full::Reject, ..limits });
        let full = [300, 301].map(|second| complaints.after_refusal(&ledger, Duration::from_secs(second)));
        assert_eq!(full, [Some(Complaint::Full), None]);
    }
}
