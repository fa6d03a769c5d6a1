//! What a worker counts. Each counter is written by one thread and summed with the others' when it is read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_auth::refusal;
use weir_core::dispatch::Mode;
use weir_core::handshake::HandshakeOutcome;
use weir_core::ports::{CopyOutcome, DURATION_BOUNDS_SECONDS, DispatchStatus, Histogram, Status};
use weir_core::proxy_header::ProxyHeaderOutcome;
use weir_core::refusal::Refusal;

/// A counter with one writer: adding is a load and a store, not a locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; only ever called by the counter's own worker.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Takes away; only ever called by the counter's own worker.
    #[inline]
    pub fn subtract(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(count), Ordering::Relaxed);
    }

    /// What it stands at.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerCounters {
    /// Client connections open now.
    pub connections_open: Counter,
    /// Client connections accepted.
    pub connections: Counter,
    /// Requests whose head was received.
    pub requests: Counter,
    /// Requests in progress now.
    pub in_flight: Counter,
    /// Answers by class of the status.
    pub answers_by_class: [Counter; 5],
    /// Requests that were refused, in the order of [`Refusal::ALL`].
    refused_by_reason: [Counter; Refusal::ALL.len()],
    /// Bytes of request bodies.
    pub received_bytes: Counter,
    /// Bytes of answer bodies.
    pub sent_bytes: Counter,
    /// Exchanges ended by a panic.
    pub panics: Counter,
    proxy_headers: [Counter; ProxyHeaderOutcome::ALL.len()],
    tls_handshakes: [Counter; HandshakeOutcome::ALL.len()],
    /// Clients that were refused because they did not prove who they are, by the reason's place in
    /// [`refusal::Refusal::ALL`].
    pub refusals: [Counter; refusal::Refusal::ALL.len()],
    requests_by_mode: [Counter; Mode::ALL.len()],
    copies: [[Counter; CopyOutcome::ALL.len()]; Mode::ALL.len()],
    /// Second requests that were sent because the first server was slow.
    pub hedges: Counter,
    /// Those of them whose answer the client got.
    pub hedges_won: Counter,
    duration_buckets: [Counter; DURATION_BOUNDS_SECONDS.len() + 1],
    duration_nanos: Counter,
}

/// [`DURATION_BOUNDS_SECONDS`] in nanoseconds, so that observing compares integers.
const BOUNDS_NANOS: [u64; DURATION_BOUNDS_SECONDS.len()] = {
    let mut nanos = [0; DURATION_BOUNDS_SECONDS.len()];
    let mut index = 0;
    while index < nanos.len() {
        nanos[index] = (DURATION_BOUNDS_SECONDS[index] * 1e9) as u64;
        index += 1;
    }
    nanos
};

impl WorkerCounters {
    /// Counts a TLS handshake that is over.
    pub fn count_handshake(&self, outcome: HandshakeOutcome) {
        self.tls_handshakes[outcome as usize].add(1);
    }

    /// Counts a header of the PROXY protocol that was waited for.
    pub fn count_proxy_header(&self, outcome: ProxyHeaderOutcome) {
        self.proxy_headers[outcome as usize].add(1);
    }

    /// Counts a request that is refused.
    pub fn refuse(&self, refusal: Refusal) {
        self.refused_by_reason[refusal as usize].add(1);
    }

    /// Counts a request that is handed to servers.
    pub fn dispatch(&self, mode: Mode) {
        self.requests_by_mode[mode as usize].add(1);
    }

    /// Counts what became of a copy.
    pub fn count_copy(&self, mode: Mode, outcome: CopyOutcome) {
        self.copies[mode as usize][outcome as usize].add(1);
    }

    /// Counts a finished request.
    pub fn observe_duration(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.duration_buckets[BOUNDS_NANOS.partition_point(|bound| *bound < nanos)].add(1);
        self.duration_nanos.add(nanos);
    }

    /// Adds what this worker counted to a status.
    pub fn add_to(&self, status: &mut Status) {
        status.connections_open += self.connections_open.value();
        status.connections_total += self.connections.value();
        status.requests_total += self.requests.value();
        status.requests_in_flight += self.in_flight.value();
        for (sum, counter) in status.answers_by_class.iter_mut().zip(&self.answers_by_class) {
            *sum += counter.value();
        }
        for (sum, counter) in status.refused_by_reason.iter_mut().zip(&self.refused_by_reason) {
            *sum += counter.value();
        }
        status.bytes_received += self.received_bytes.value();
        status.bytes_sent += self.sent_bytes.value();
        status.panics_total += self.panics.value();
        for (sum, counter) in status.proxy_headers.iter_mut().zip(&self.proxy_headers) {
            *sum += counter.value();
        }
        for (sum, counter) in status.tls_handshakes.iter_mut().zip(&self.tls_handshakes) {
            *sum += counter.value();
        }
        for (refusal, counter) in refusal::Refusal::ALL.into_iter().zip(&self.refusals) {
            *status.authentication_refusals.entry(refusal.name()).or_default() += counter.value();
        }
        self.add_dispatch_to(&mut status.dispatch);
        self.add_durations_to(&mut status.request_duration);
    }

    fn add_dispatch_to(&self, done: &mut DispatchStatus) {
        for (sum, counter) in done.requests_by_mode.iter_mut().zip(&self.requests_by_mode) {
            *sum += counter.value();
        }
        for (sum, counter) in done.copies.iter_mut().flatten().zip(self.copies.iter().flatten()) {
            *sum += counter.value();
        }
        done.hedges_total += self.hedges.value();
        done.hedges_won_total += self.hedges_won.value();
    }

    fn add_durations_to(&self, histogram: &mut Histogram) {
        histogram.counts.resize(self.duration_buckets.len(), 0);
        for (sum, counter) in histogram.counts.iter_mut().zip(&self.duration_buckets) {
            *sum += counter.value();
        }
        histogram.sum_seconds += self.duration_nanos.value() as f64 / 1e9;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_whose_bound_they_do_not_pass() {
        let counters = WorkerCounters::default();
        for nanos in [0, 500_000, 500_001, 1_000_000, 10_000_000_000, 10_000_000_001] {
            counters.observe_duration(Duration::from_nanos(nanos));
        }
        let mut status = Status::default();
        counters.add_to(&mut status);
        counters.add_to(&mut status);
        let counts = status.request_duration.counts;
        assert_eq!(
            (counts[0], counts[1], counts[13], counts[14]),
            (4, 4, 2, 2),
            "each twice, as if from two workers"
        );
        assert_eq!(counts.iter().sum::<u64>(), 12);
    }
}
