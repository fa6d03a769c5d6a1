//! Why a request that could be served is not: the closed set of reasons, for counters and pages.

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The client's address may not ask.
    Address,
    /// It comes more often than a rate lets it.
    Rate,
    /// Too much is in progress at once, and no more requests may wait.
    QueueFull,
    /// Its turn did not come in time.
    QueueTimeout,
    /// The upstream has all that it may have at once, and no more requests may wait for it.
    UpstreamQueueFull,
    /// Its turn at the upstream did not come in time.
    UpstreamQueueTimeout,
}

impl Refusal {
    /// Every reason, in the order of its counter.
    pub const ALL: [Self; 6] = [
        Self::Address,
        Self::Rate,
        Self::QueueFull,
        Self::QueueTimeout,
        Self::UpstreamQueueFull,
        Self::UpstreamQueueTimeout,
    ];

    /// Its name as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Rate => "rate",
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::UpstreamQueueFull => "upstream_queue_full",
            Self::UpstreamQueueTimeout => "upstream_queue_timeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn every_reason_has_its_place() {
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place, "{refusal:?}");
        }
    }
}
