//! The few traits by which crates on one floor meet without knowing each other.
//!
//! `weir-proxy` implements them, `weir-admin` uses them, `weir` plugs one into the other.

pub mod configuration;
pub mod connections;
pub mod drain;
pub mod failures;
mod histogram;
pub mod log;
pub mod members;
pub mod queue;
pub mod reload;
pub mod site;
pub mod traffic;
pub mod upgrade;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::compare::{CompareOutcome, Difference, DifferenceKind};
use crate::dispatch::Mode;
use crate::handshake::HandshakeOutcome;
use crate::health::{Change, CheckOutcome, State};
use crate::limit_hit::LimitHit;
use crate::mirror::MirrorOutcome;
use crate::ports::configuration::ConfigurationStatus;
use crate::ports::failures::RecentFailure;
use crate::ports::members::{InventoryStatus, MemberDifference};
use crate::ports::queue::QueueStatus;
use crate::ports::traffic::RouteTraffic;
use crate::proxy_header::ProxyHeaderOutcome;
use crate::refusal::Refusal;
use crate::retry::RetryReason;

pub use histogram::{DURATION_BOUNDS_SECONDS, Histogram};

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
    /// Certificates that are served, in the order of the listeners.
    pub certificates: Vec<CertificateStatus>,
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
    /// Requests that wait now for their turn.
    pub requests_waiting: u64,
    /// Keys of rates that took over the entry of another one, since the rates are what they are.
    pub rate_takeovers_total: u64,
    /// Requests received.
    pub requests_total: u64,
    /// Routes that had requests, in the order of their names; at most [`ROUTES_MAX`](traffic::ROUTES_MAX), and one for all others.
    pub routes: Vec<RouteTraffic>,
    /// How often limits were reached, in the order of [`LimitHit::ALL`].
    pub limits_hit: [u64; LimitHit::ALL.len()],
    /// Idle connections to servers, as of the last second.
    pub pool_idle: u64,
    /// How late workers came to what they do at regular times.
    pub loop_lag: Histogram,
    /// By how much the worker that is latest is overdue now.
    pub stalled: Duration,
    /// The configuration in force.
    pub configuration: ConfigurationStatus,
    /// Bytes of bodies received from clients.
    pub bytes_received: u64,
    /// Bytes of bodies sent to clients.
    pub bytes_sent: u64,
    /// Exchanges ended by a panic.
    pub panics_total: u64,
    /// Headers of the PROXY protocol, in the order of [`ProxyHeaderOutcome::ALL`].
    pub proxy_headers: [u64; ProxyHeaderOutcome::ALL.len()],
    /// TLS handshakes with clients, in the order of [`HandshakeOutcome::ALL`].
    pub tls_handshakes: [u64; HandshakeOutcome::ALL.len()],
    /// Access log lines dropped because the writer was behind.
    pub log_lines_dropped: u64,
    /// Messages by method and status; `None` when nobody wants to know.
    pub messages: Option<MessageStatus>,
    /// Durations of whole requests.
    pub request_duration: Histogram,
    /// Clients that were refused because they did not prove who they are, by reason.
    pub authentication_refusals: BTreeMap<&'static str, u64>,
    /// Requests of clients that proved who they are, by proof and name; no two entries have both in common.
    pub authenticated: Vec<AuthenticatedStatus>,
    /// What modes that ask several servers have done.
    pub dispatch: DispatchStatus,
    /// Upstreams that get copies which nobody waits for; none twice.
    pub mirrors: Vec<MirrorStatus>,
    /// Routes whose answers are compared with those of other servers.
    pub comparisons: Vec<ComparisonStatus>,
    /// Bodies that could not be kept for more than one reader, by reason.
    pub replay_impossible: Vec<(&'static str, u64)>,
    /// Bytes of memory that are reserved for kept bodies.
    pub replay_bytes: u64,
    /// Queues of writes that servers have yet to get.
    pub queues: Vec<QueueStatus>,
    /// Upstreams with their servers.
    pub upstreams: Vec<UpstreamStatus>,
}

/// Requests and answers as `weir duplicate`'s original counts them, without those that never came.
#[derive(Debug, Clone, Default)]
pub struct MessageStatus {
    /// Method in lower case, source, count.
    pub requests: Vec<(&'static str, &'static str, u64)>,
    /// Status, source, count.
    pub answers: Vec<(u16, &'static str, u64)>,
}

/// One certificate of a listener.
#[derive(Debug, Clone, Default)]
pub struct CertificateStatus {
    /// The address of the listener.
    pub listener: String,
    /// Its file.
    pub file: String,
    /// The names that it speaks for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// The kind of its key.
    pub key: String,
    /// Its SHA-256, as `AB:CD:…`.
    pub fingerprint: String,
    /// Valid from then, in seconds since 1970.
    pub begins_seconds: i64,
    /// Valid until then, in seconds since 1970.
    pub expires_seconds: i64,
}

/// What dispatch modes have done.
#[derive(Debug, Clone, Default)]
pub struct DispatchStatus {
    /// Requests, in the order of [`Mode::ALL`].
    pub requests_by_mode: [u64; Mode::ALL.len()],
    /// Copies by mode and outcome, in the orders of [`Mode::ALL`] and [`CopyOutcome::ALL`].
    pub copies: [[u64; CopyOutcome::ALL.len()]; Mode::ALL.len()],
    /// Second requests that were sent.
    pub hedges_total: u64,
    /// Second requests whose answer the client got.
    pub hedges_won_total: u64,
    /// Routes that hedge, with what they have measured.
    pub hedging: Vec<HedgingStatus>,
    /// Upstreams that are duplicated to; none twice.
    pub duplicating: Vec<DuplicatingStatus>,
}

/// An upstream that is duplicated to.
#[derive(Debug, Clone, Default)]
pub struct DuplicatingStatus {
    /// Its name.
    pub upstream: String,
    /// Live copies that a server has taken.
    pub acknowledgements_total: u64,
    /// Writes to whose live copies servers gave answers that differ, in the order of [`Disagreement::ALL`].
    pub disagreements: [u64; Disagreement::ALL.len()],
    /// Writes that were refused because the queue did not know one of the servers.
    pub unplaced_total: u64,
}

/// In what the answers differ that servers gave to one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disagreement {
    /// In the class of their status.
    Status,
    /// In their body, where they took the write and the class is the same.
    Body,
}

impl Disagreement {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Status, Self::Body];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Body => "body",
        }
    }
}

/// What became of a copy of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyOutcome {
    /// The client got its answer.
    Answered,
    /// Its answer was not wanted.
    Cancelled,
    /// There was no answer.
    Failed,
    /// It went on when the client had its answer.
    Kept,
}

impl CopyOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Cancelled, Self::Failed, Self::Kept];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Kept => "kept",
        }
    }
}

/// An upstream that gets copies which nobody waits for.
#[derive(Debug, Clone, Default)]
pub struct MirrorStatus {
    /// Its name.
    pub upstream: String,
    /// Copies by what became of them, in the order of [`MirrorOutcome::ALL`].
    pub copies: [u64; MirrorOutcome::ALL.len()],
}

/// A route whose answers are compared with those of another upstream.
#[derive(Debug, Clone, Default)]
pub struct ComparisonStatus {
    /// The name of its service.
    pub service: String,
    /// Its name.
    pub route: String,
    /// The other upstream.
    pub upstream: String,
    /// Comparisons by what came of them, in the order of [`CompareOutcome::ALL`].
    pub outcomes: [u64; CompareOutcome::ALL.len()],
    /// Comparisons that found such a difference, in the order of [`DifferenceKind::ALL`].
    pub differences: [u64; DifferenceKind::ALL.len()],
    /// Until the answers began that were compared, of clients.
    pub client_seconds: f64,
    /// The same of the copies.
    pub copy_seconds: f64,
}

impl ComparisonStatus {
    /// Adds the numbers of another one.
    pub fn add(&mut self, other: &Self) {
        let outcomes = self.outcomes.iter_mut().zip(&other.outcomes);
        for (sum, count) in outcomes.chain(self.differences.iter_mut().zip(&other.differences)) {
            *sum += count;
        }
        self.client_seconds += other.client_seconds;
        self.copy_seconds += other.copy_seconds;
    }
}

/// Two answers that differ.
#[derive(Debug, Clone)]
pub struct ComparisonExample {
    /// When, in seconds since 1970.
    pub at_seconds: u64,
    /// Method and target, shortened, without secrets.
    pub request: String,
    /// Until the client's answer began.
    pub client_seconds: f64,
    /// Until the copy's did.
    pub copy_seconds: f64,
    /// What differs.
    pub differences: Vec<Difference>,
    /// Why bodies were not compared although they should be.
    pub uncompared: Option<&'static str>,
}

/// What a route's comparisons have found.
#[derive(Debug, Clone)]
pub struct ComparisonReport {
    /// The numbers.
    pub status: ComparisonStatus,
    /// The last examples of differences, the newest first.
    pub examples: Vec<ComparisonExample>,
}

/// A route that hedges.
#[derive(Debug, Clone, Default)]
pub struct HedgingStatus {
    /// The name of its service.
    pub service: String,
    /// Its name.
    pub route: String,
    /// The time within which 95 % of the answers begin; `None` while nothing is known.
    pub percentile_seconds: Option<f64>,
}

/// Requests of clients that proved to have one name.
#[derive(Debug, Clone, Default)]
pub struct AuthenticatedStatus {
    /// The kind of proof, as the configuration writes it.
    pub proof: &'static str,
    /// The name, as the configuration has it.
    pub name: String,
    /// Requests.
    pub requests_total: u64,
}

/// One upstream.
#[derive(Debug, Clone, Default)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// The balancing strategy's name as written in the configuration.
    pub balance: &'static str,
    /// Whether so few servers are left that their health is ignored.
    pub panic: bool,
    /// Requests that wait for their turn, where there are only so many at once.
    pub requests_waiting: Option<u64>,
    /// Requests that were repeated, in the order of [`RetryReason::ALL`].
    pub retries: [u64; RetryReason::ALL.len()],
    /// Repeats that were not made because the budget could not pay them.
    pub retries_unpaid: u64,
    /// What was changed while the proxy ran, beside the configuration.
    pub differences: Vec<MemberDifference>,
    /// The file that names servers of it, if there is one.
    pub inventory: Option<InventoryStatus>,
    /// Its servers, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// One server of an upstream.
#[derive(Debug, Clone, Default)]
pub struct ServerStatus {
    /// As written in the configuration, or by whoever added it.
    pub address: String,
    /// Its weight.
    pub weight: u32,
    /// What it gets now of the upstream's requests, in thousandths.
    pub share_permille: u64,
    /// Its state.
    pub state: State,
    /// Since when, in time since 1970; zero is the start of the process.
    pub since: Duration,
    /// How it became a member: `file`, `inventory`, `added`, `lease` or `name`.
    pub origin: &'static str,
    /// How long its lease still lasts, if it has one.
    pub lease: Option<Duration>,
    /// Its last changes of state, the newest last.
    pub changes: Vec<Change>,
    /// Changes of state that there were.
    pub changes_total: u64,
    /// What its checks say; `None` where there are none.
    pub checks: Option<CheckStatus>,
    /// Requests in flight now.
    pub requests_in_flight: u64,
    /// Requests sent.
    pub requests_total: u64,
    /// Requests whose answer came from it, in modes that ask several servers.
    pub won_total: u64,
    /// Connections now, idle ones included.
    pub connections_open: u64,
    /// Connections opened.
    pub connections_total: u64,
    /// Connects that failed.
    pub connect_failures_total: u64,
    /// Exchanges that failed after a byte was sent.
    pub failures_total: u64,
    /// What is held against it because requests to it failed.
    pub ejection: EjectionStatus,
    /// How long it takes; `None` while nobody has looked on, see [`StatusSource::look_on`], and where there were no answers
    /// lately.
    pub latency: Option<LatencyStatus>,
}

/// How long a server takes until its answers begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LatencyStatus {
    /// Half of the answers have begun within this time.
    pub median: Duration,
    /// 99 % of them have.
    pub slowest: Duration,
}

/// What is held against a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EjectionStatus {
    /// Its breaker: 0 is closed, 1 half-open, 2 open; closed where nothing is held against it.
    pub breaker: u8,
    /// Whether it gets nothing.
    pub is_out: bool,
    /// How long that lasts, until some requests try it.
    pub left: Option<Duration>,
    /// Ejections lately: by so much the next one is longer than the first.
    pub recent: u32,
    /// Ejections since it is a member, in the order of [`TripWhy::NAMES`](crate::health::TripWhy::NAMES).
    pub total: [u64; 3],
}

impl EjectionStatus {
    /// The names of what a breaker may be, by its number.
    pub const BREAKERS: [&'static str; 3] = ["closed", "half_open", "open"];
}

/// What the checks of a server say.
#[derive(Debug, Clone, Default)]
pub struct CheckStatus {
    /// When one passed last, in time since 1970.
    pub last_success: Option<Duration>,
    /// How many of the last ones have failed; 0 after one that passed.
    pub failures_in_a_row: u32,
    /// Checks by what came of them, in the order of [`CheckOutcome::ALL`].
    pub by_outcome: [u64; CheckOutcome::ALL.len()],
}

/// Why a process is not ready that is about to end.
pub const DRAINING: &str = "it is draining: what runs is finished, and new requests should go elsewhere";

/// Somebody who can tell the process's status.
pub trait StatusSource: Send + Sync {
    /// The status at this moment. Reads atomics; cheap enough for a scrape a second, not for a request's way.
    fn status(&self) -> Status;

    /// Why new requests are not welcome: sentences for people; none when they are. Cheaper than all of the status.
    fn unready(&self) -> Vec<String> {
        if self.status().ready { Vec::new() } else { vec![DRAINING.to_owned()] }
    }

    /// By how much the worker that is latest is overdue now. Cheaper than all of the status.
    fn stalled(&self) -> Duration {
        self.status().stalled
    }

    /// Requests that failed lately by a fault that is not their clients', the newest first. A bounded number.
    fn failures(&self) -> Vec<RecentFailure> {
        Vec::new()
    }

    /// Says that somebody looks on: for some seconds it is measured how long servers take.
    fn look_on(&self) {}

    /// What comparisons of answers have found, by route. For people who ask, as the status.
    fn comparisons(&self) -> Vec<ComparisonReport> {
        Vec::new()
    }
}

/// The usual way to hand one around.
pub type SharedStatusSource = Arc<dyn StatusSource>;
