//! What becomes of the copies that a mirror gets, and how many it gets at the same time.

/// What became of a copy for a mirror. The names are the labels of `weir_mirrored_requests_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorOutcome {
    /// The mirror has answered it, whatever it said.
    Sent,
    /// Too many waited already, or it waited for too long, or its servers had all that they may have at once.
    DroppedQueue,
    /// The body could not be kept, or never came whole.
    DroppedBody,
    /// No server of the mirror is fit for requests: its checks fail, or somebody has taken it out.
    DroppedUnreachable,
    /// The mirror could not be connected to, gave no answer in time, or answered nonsense.
    Failed,
}

impl MirrorOutcome {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Sent, Self::DroppedQueue, Self::DroppedBody, Self::DroppedUnreachable, Self::Failed];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::DroppedQueue => "dropped_queue",
            Self::DroppedBody => "dropped_body",
            Self::DroppedUnreachable => "dropped_unreachable",
            Self::Failed => "failed",
        }
    }
}

/// What the end of a copy tells of its mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyEnd {
    /// It answered.
    Answered,
    /// The copy took all the time there was, for nothing.
    TimedOut,
    /// Nothing: the copy was not begun, or ended at once.
    Neither,
}

/// How many copies may be on their way to a mirror at the same time: one fewer after each that ran out of time, one more
/// after each that was answered.
///
/// A mirror that hangs costs its connections all over again whenever the time of its copies is over, all at the same moment,
/// and requests wait for that. So it is soon asked with one copy at a time. One that answers doubles its width in the time
/// of each answer; one that loses fewer than half of its copies keeps nearly all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width(usize);

impl Width {
    /// Where every mirror begins, and the most.
    pub const MAX: Self = Self(64);

    /// So many, as far as there is such a width.
    pub fn of(copies: usize) -> Self {
        Self(copies.clamp(1, Self::MAX.0))
    }

    /// Copies.
    pub fn copies(self) -> usize {
        self.0
    }

    /// What it is after the end of a copy.
    #[must_use]
    pub fn after(self, end: CopyEnd) -> Self {
        match end {
            CopyEnd::Answered => Self(self.0.saturating_add(1).min(Self::MAX.0)),
            CopyEnd::TimedOut => Self(self.0.saturating_sub(1).max(1)),
            CopyEnd::Neither => self,
        }
    }

    /// How many copies may wait, of `waiting_max` at full width: what waits at a mirror that hangs, waits in vain.
    pub fn waiting_max(self, waiting_max: usize) -> usize {
        // The quotient and the rest apart, because the product may be too large for the type.
        let (whole, rest) = (waiting_max / Self::MAX.0, waiting_max % Self::MAX.0);
        whole * self.0 + (rest * self.0).div_ceil(Self::MAX.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{CopyEnd, Width};

    fn after(from: Width, ends: impl IntoIterator<Item = CopyEnd>) -> Width {
        ends.into_iter().fold(from, Width::after)
    }

    #[test]
    fn a_mirror_that_hangs_is_soon_asked_with_one_copy_at_a_time_and_never_with_none() {
        let width = after(Width::MAX, [CopyEnd::TimedOut; 63]);
        assert_eq!((width.copies(), after(width, [CopyEnd::TimedOut; 9]).copies()), (1, 1));
        assert_eq!(after(width, [CopyEnd::Answered; 9]).copies(), 10);
        assert_eq!(after(width, [CopyEnd::Answered; 90]), Width::MAX);
        assert_eq!(after(width, [CopyEnd::Neither; 9]), width);
    }

    #[test]
    fn one_that_loses_some_copies_keeps_its_width() {
        let some = [CopyEnd::TimedOut, CopyEnd::Answered, CopyEnd::Answered];
        assert_eq!(after(Width::MAX, some.repeat(100)), Width::MAX);
    }

    #[test]
    fn what_may_wait_has_the_share_of_the_width() {
        let one = after(Width::MAX, [CopyEnd::TimedOut; 63]);
        let half = after(Width::MAX, [CopyEnd::TimedOut; 32]);
        for (width, waiting_max, may_wait) in [
            (Width::MAX, 1000, 1000),
            (Width::MAX, usize::MAX, usize::MAX),
            (half, 1000, 500),
            (one, 1000, 16),
            (one, 1, 1),
            (one, 0, 0),
            (one, usize::MAX, usize::MAX / 64 + 1),
        ] {
            assert_eq!(width.waiting_max(waiting_max), may_wait, "{width:?} {waiting_max}");
        }
    }
}
