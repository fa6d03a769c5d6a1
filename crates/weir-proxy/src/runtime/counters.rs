//! What a worker counts. Each counter is written by one thread and summed with the others' when it is read.

use std::time::Duration;

use tokio::time::Instant;
use weir_auth::refusal;
use weir_core::dispatch::Mode;
use weir_core::handshake::HandshakeOutcome;
use weir_core::limit_hit::LimitHit;
use weir_core::ports::{CopyOutcome, DispatchStatus, Status};
use weir_core::proxy_header::ProxyHeaderOutcome;
use weir_core::refusal::Refusal;
use weir_upstream::io::deadline::now;
use weir_upstream::pulse::Pulse;

pub use super::counter::Counter;
use super::durations::{Durations, Sample};
use super::recent_failures::RecentFailures;

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
    durations: Durations,
    limits_hit: [Counter; LimitHit::ALL.len()],
    /// Idle connections to servers, as of the last second.
    pub pool_idle: Counter,
    lag: Durations,
    /// Whether it still comes to what it does at regular times.
    pulse: Pulse,
    /// Requests that failed lately.
    pub failures: RecentFailures,
}

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
    #[inline]
    pub(crate) fn observe_duration(&self, duration: Sample) {
        self.durations.observe(duration);
    }

    /// Counts that a limit was reached.
    pub fn hit(&self, limit: LimitHit) {
        self.limits_hit[limit as usize].add(1);
    }

    /// The worker will come to what it does at regular times, after `period` for the first time.
    pub fn begin_ticking(&self, period: Duration) {
        self.pulse.expect(period);
    }

    /// The worker has come to what it does at regular times, which was due at `due`, and will come again after `period`.
    pub fn tick(&self, due: Instant, period: Duration) {
        self.lag.observe(Sample::of(now().saturating_duration_since(due)));
        self.pulse.expect(period);
    }

    /// The worker comes to it no more.
    pub fn end_ticking(&self) {
        self.pulse.end();
    }

    /// By how much it is overdue.
    pub fn stalled(&self) -> Duration {
        self.pulse.overdue()
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
        self.durations.add_to(&mut status.request_duration);
        for (sum, counter) in status.limits_hit.iter_mut().zip(&self.limits_hit) {
            *sum += counter.value();
        }
        status.pool_idle += self.pool_idle.value();
        self.lag.add_to(&mut status.loop_lag);
        status.stalled = status.stalled.max(self.stalled());
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
}
