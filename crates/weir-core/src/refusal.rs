//! Why a request that could be served is not: the closed set of reasons, for counters and pages.

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The client's address may not ask.
    Address,
    /// It comes more often than a rate lets it.
    Rate,
}

impl Refusal {
    /// Every reason, in the order of its counter.
    pub const ALL: [Self; 2] = [Self::Address, Self::Rate];

    /// Its name as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Rate => "rate",
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
