//! What listeners for policy groups count: they have threads of their own, so the counters of the workers are not theirs.
//!
//! Only what is rare is counted here, in words that all their threads share. What servers got and how they answered is counted with
//! the servers, as for HTTP.

use std::sync::atomic::{AtomicU64, Ordering};

use weir_core::limit_hit::LimitHit;
use weir_core::ports::Status;
use weir_core::refusal::Refusal;

/// The counts of all such listeners of the process.
#[derive(Debug, Default)]
pub struct PolicyCounts {
    limits_hit: [AtomicU64; LimitHit::ALL.len()],
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl PolicyCounts {
    /// Counts that a limit was reached.
    pub fn hit(&self, limit: LimitHit) {
        self.limits_hit[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message that is refused although it could be brought to a server.
    pub fn refuse(&self, refusal: Refusal) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Adds them to a status.
    pub fn add_to(&self, status: &mut Status) {
        let add = |sums: &mut [u64], counts: &[AtomicU64]| {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count.load(Ordering::Relaxed));
        };
        add(&mut status.limits_hit, &self.limits_hit);
        add(&mut status.refused_by_reason, &self.refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_added_at_its_place() {
        let counts = PolicyCounts::default();
        counts.hit(LimitHit::Registrations);
        counts.hit(LimitHit::Registrations);
        counts.refuse(Refusal::Rate);
        let mut status = Status::default();
        status.limits_hit[LimitHit::Registrations as usize] = 5;
        counts.add_to(&mut status);
        assert_eq!(status.limits_hit[LimitHit::Registrations as usize], 7);
        assert_eq!(status.limits_hit.iter().sum::<u64>(), 7);
        assert_eq!(status.refused_by_reason[Refusal::Rate as usize], 1);
        assert_eq!(status.refused_by_reason.iter().sum::<u64>(), 1);
    }
}
