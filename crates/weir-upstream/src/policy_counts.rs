//! What listeners for policy groups count: they have threads of their own, so the counters of the workers are not theirs.
//!
//! Only what is rare is counted here, in words that all their threads share; a connection, which costs the system a thousand times more,
//! is rare enough. What servers got and how they answered is counted with the servers, as for HTTP.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use weir_core::limit_hit::LimitHit;
use weir_core::ports::Status;
use weir_core::refusal::Refusal;

use crate::pulse::Pulse;

/// The counts of all such listeners of the process.
#[derive(Debug, Default)]
pub struct PolicyCounts {
    limits_hit: [AtomicU64; LimitHit::ALL.len()],
    refused: [AtomicU64; Refusal::ALL.len()],
    connections_open: AtomicU64,
    connections: AtomicU64,
    /// Where they listen.
    addresses: Mutex<Vec<SocketAddr>>,
    /// Those of threads that serve.
    pulses: Mutex<Vec<Weak<Pulse>>>,
}

impl PolicyCounts {
    /// Counts a connection of a client, or of a server that registers, that is served from now on.
    pub fn connection_begins(&self) {
        self.connections_open.fetch_add(1, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was counted is over.
    pub fn connection_ends(&self) {
        self.connections_open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections that are served now.
    pub fn connections_open(&self) -> u64 {
        self.connections_open.load(Ordering::Relaxed)
    }

    /// Where they listen from now on.
    pub fn listen_at(&self, addresses: impl Iterator<Item = SocketAddr>) {
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses.collect();
    }

    /// The pulse of one more thread; it is looked at for as long as that holds it.
    pub fn pulse(&self) -> Arc<Pulse> {
        let pulse = Arc::default();
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.retain(|known| known.strong_count() > 0);
        pulses.push(Arc::downgrade(&pulse));
        pulse
    }

    /// By how much the thread that is latest is overdue.
    pub fn stalled(&self) -> Duration {
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.iter().filter_map(Weak::upgrade).map(|pulse| pulse.overdue()).max().unwrap_or_default()
    }

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
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        status.listeners.extend(addresses.iter().map(SocketAddr::to_string));
        status.connections_open += self.connections_open();
        status.connections_total += self.connections.load(Ordering::Relaxed);
        status.stalled = status.stalled.max(self.stalled());
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

    #[test]
    fn listeners_stand_behind_those_for_http_and_are_those_of_now() {
        let counts = PolicyCounts::default();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        counts.listen_at([at(1), at(2)].into_iter());
        counts.listen_at([at(3)].into_iter());
        let mut status = Status { listeners: vec!["unix:/a".to_owned()], ..Status::default() };
        counts.add_to(&mut status);
        assert_eq!(status.listeners, ["unix:/a", "127.0.0.1:3"]);
    }

    #[test]
    fn connections_are_those_of_workers_and_of_these_threads_together() {
        let counts = PolicyCounts::default();
        (0..3).for_each(|_| counts.connection_begins());
        counts.connection_ends();
        let mut status = Status { connections_open: 10, connections_total: 20, ..Status::default() };
        counts.add_to(&mut status);
        assert_eq!((status.connections_open, status.connections_total), (12, 23));
    }

    #[tokio::test(start_paused = true)]
    async fn the_thread_that_is_latest_counts_until_it_is_gone() {
        let seconds = Duration::from_secs;
        let counts = PolicyCounts::default();
        assert_eq!(counts.stalled(), Duration::ZERO);
        let (one, other) = (counts.pulse(), counts.pulse());
        let _never_begun = counts.pulse();
        one.expect(seconds(1));
        other.expect(seconds(3));
        tokio::time::advance(seconds(4)).await;
        let stalled = |so_far: Duration| {
            let mut status = Status { stalled: so_far, ..Status::default() };
            counts.add_to(&mut status);
            status.stalled
        };
        assert_eq!(
            (counts.stalled(), stalled(seconds(0)), stalled(seconds(9))),
            (seconds(3), seconds(3), seconds(9))
        );
        drop(one);
        assert_eq!(counts.stalled(), seconds(1));
        other.end();
        assert_eq!(counts.stalled(), Duration::ZERO);
    }
}
