//! What becomes of the copies that a mirror gets.

/// What became of a copy for a mirror. The names are the labels of `weir_mirrored_requests_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorOutcome {
    /// The mirror has answered it, whatever it said.
    Sent,
    /// Too many waited already, or it waited for too long.
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
