//! The few traits by which crates on one floor meet without knowing each other.
//!
//! `weir-proxy` implements them, `weir-admin` uses them, `weir` plugs one into the other.

use std::sync::Arc;

use crate::refusal::Refusal;

/// What the process can say of itself at one moment. Counters are summed over the workers when this is read.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The program's version.
    pub version: &'static str,
    /// Seconds since start.
    pub uptime_seconds: u64,
    /// False from the first moment of draining.
    pub ready: bool,
    /// Addresses listened on.
    pub listeners: Vec<String>,
    /// Worker threads.
    pub workers: usize,
    /// Client connections open now.
    pub connections_open: u64,
    /// Client connections accepted since start.
    pub connections_total: u64,
    /// Requests in progress now.
    pub requests_in_flight: u64,
    /// Requests answered, by class of the status: 1xx (upgrades), 2xx, 3xx, 4xx, 5xx.
    pub answers_by_class: [u64; 5],
    /// Requests that were refused although they could be served, in the order of [`Refusal::ALL`].
    pub refused_by_reason: [u64; Refusal::ALL.len()],
    /// Requests received.
    pub requests_total: u64,
    /// Bytes of bodies received from clients.
    pub bytes_received: u64,
    /// Bytes of bodies sent to clients.
    pub bytes_sent: u64,
    /// Exchanges ended by a panic.
    pub panics_total: u64,
    /// Access log lines dropped because the writer was behind.
    pub log_lines_dropped: u64,
    /// Durations of whole requests.
    pub request_duration: Histogram,
    /// Upstreams with their servers.
    pub upstreams: Vec<UpstreamStatus>,
}

/// A histogram with the fixed bounds [`DURATION_BOUNDS_SECONDS`].
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Observations per bucket, not cumulative; the last one is above all bounds.
    pub counts: Vec<u64>,
    /// Sum of all observations in seconds.
    pub sum_seconds: f64,
}

/// Upper bounds of the buckets of every duration histogram, in seconds.
pub const DURATION_BOUNDS_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// One upstream.
#[derive(Debug, Clone, Default)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// The balancing strategy's name as written in the configuration.
    pub balance: &'static str,
    /// Its servers, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// One server of an upstream.
#[derive(Debug, Clone, Default)]
pub struct ServerStatus {
    /// As written in the configuration.
    pub address: String,
    /// Its weight.
    pub weight: u32,
    /// Requests in flight now.
    pub requests_in_flight: u64,
    /// Requests sent.
    pub requests_total: u64,
    /// Connections opened.
    pub connections_total: u64,
    /// Connects that failed.
    pub connect_failures_total: u64,
    /// Exchanges that failed after a byte was sent.
    pub failures_total: u64,
}

/// Somebody who can tell the process's status.
pub trait StatusSource: Send + Sync {
    /// The status at this moment. Reads atomics; cheap enough for a scrape a second, not for a request's way.
    fn status(&self) -> Status;
}

/// The usual way to hand one around.
pub type SharedStatusSource = Arc<dyn StatusSource>;
