//! The process's status: what its workers counted, summed when somebody asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::Instant;
use weir_core::health::BreakerState;
use weir_core::ports::configuration::{ConfigurationSource, ConfigurationStatus};
use weir_core::ports::failures::RecentFailure;
use weir_core::ports::{
    AuthenticatedStatus, CheckStatus, ComparisonReport, ComparisonStatus, DRAINING, DuplicatingStatus,
    EjectionStatus, HedgingStatus, LatencyStatus, ServerStatus, Status, StatusSource, UpstreamStatus,
};
use weir_upstream::body::replay::{Impossible, ReplayPool};
use weir_upstream::io::deadline::now;
use weir_upstream::roster::Member;
use weir_upstream::upstream::Upstream;

use super::certificates::ServedTls;
use super::configuration_record::ConfigurationRecord;
use super::counters::WorkerCounters;
use super::lookout::Lookout;
use super::queues::Queues;
use super::recent_failures;
use super::retired::Retired;
use super::snapshot::{Route, Snapshot};
use super::{differences, mirrors};
use crate::access_log::LogCounts;

/// A worker that is overdue for so long serves nobody; somebody else should get the requests.
const STALLED_MAX: Duration = Duration::from_secs(10);

/// What can be told of the process from any thread.
#[derive(Debug)]
pub struct ProcessStatus {
    pub(super) started: Instant,
    pub(super) ready: AtomicBool,
    pub(super) listeners: ArcSwap<Vec<String>>,
    pub(super) tls: Arc<ServedTls>,
    /// How many workers accept.
    pub(super) workers: AtomicUsize,
    /// Those of all workers, also of some that have ended.
    pub(super) counters: ArcSwap<Vec<Arc<WorkerCounters>>>,
    pub(super) snapshot: ArcSwap<Snapshot>,
    /// Rung when another one is in force.
    pub(super) published: Arc<Notify>,
    /// Held by whoever changes members or looks at them, and while another snapshot takes them over.
    pub(super) members: Mutex<()>,
    pub(super) log: LogCounts,
    pub(super) replay: ReplayPool,
    pub(super) queues: Queues,
    pub(super) lookout: Arc<Lookout>,
    /// Since when what is in force is, and how reloads went.
    pub(super) configuration: ConfigurationRecord,
    /// What was in force before, while somebody still works by it.
    pub(super) retired: Arc<Retired>,
}

impl ProcessStatus {
    /// That of a process of which there is nothing but what is in force.
    #[cfg(test)]
    pub(crate) fn of_snapshot(snapshot: Arc<Snapshot>) -> Arc<Self> {
        Arc::new(Self {
            started: now(),
            ready: AtomicBool::new(true),
            listeners: ArcSwap::default(),
            tls: Arc::default(),
            workers: AtomicUsize::new(0),
            counters: ArcSwap::default(),
            snapshot: ArcSwap::from(snapshot),
            published: Arc::default(),
            members: Mutex::default(),
            log: LogCounts::default(),
            replay: ReplayPool::new(0, None),
            queues: Queues::new(super::queues::no_queues()),
            lookout: Arc::default(),
            configuration: ConfigurationRecord::default(),
            retired: Arc::default(),
        })
    }

    /// Client connections of workers that are open.
    pub(super) fn connections_open(&self) -> u64 {
        self.counters.load().iter().map(|one| one.connections_open.value()).sum()
    }

    /// What is in force now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }
}

impl ConfigurationSource for ProcessStatus {
    fn effective(&self) -> Option<Arc<str>> {
        self.snapshot.load().written.clone()
    }
}

impl StatusSource for ProcessStatus {
    fn look_on(&self) {
        self.lookout.look_on();
    }

    fn status(&self) -> Status {
        let _members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.snapshot.load();
        let mut status = Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: (now() - self.started).as_secs(),
            ready: self.ready.load(Ordering::Relaxed),
            listeners: self.listeners.load().to_vec(),
            certificates: self.tls.load().iter().flat_map(|tls| tls.status()).collect(),
            workers: self.workers.load(Ordering::Relaxed),
            log_lines_dropped: self.log.dropped(),
            requests_waiting: snapshot.waiting(),
            rate_takeovers_total: snapshot.rate_takeovers(),
            upstreams: upstreams(&snapshot),
            messages: snapshot.messages.as_ref().map(|messages| messages.status()),
            replay_impossible: Impossible::ALL
                .map(|reason| (reason.name(), self.replay.impossible(reason)))
                .into(),
            mirrors: mirrors::status(snapshot.besides().map(|(_, _, beside)| beside)),
            queues: self.queues.status(),
            replay_bytes: self.replay.used_bytes() as u64,
            routes: snapshot.traffic.status(),
            configuration: ConfigurationStatus {
                held: 1 + self.retired.held(),
                ..self.configuration.status()
            },
            ..Status::default()
        };
        status.authenticated = authenticated(&snapshot);
        status.dispatch.hedging = hedging(&snapshot);
        status.dispatch.duplicating = self.duplicating(&snapshot);
        status.comparisons = comparisons(&snapshot);
        for worker in &**self.counters.load() {
            worker.add_to(&mut status);
        }
        snapshot.policy_groups.counts.add_to(&mut status);
        status
    }

    fn unready(&self) -> Vec<String> {
        let mut why = Vec::new();
        if !self.ready.load(Ordering::Relaxed) {
            why.push(DRAINING.to_owned());
        }
        let stalled = self.stalled();
        if stalled >= STALLED_MAX {
            why.push(format!("a worker has been stuck for {} s", stalled.as_secs()));
        }
        why
    }

    fn stalled(&self) -> Duration {
        let workers = self.counters.load().iter().map(|worker| worker.stalled()).max().unwrap_or_default();
        // Threads of policy groups serve clients like any worker.
        workers.max(self.snapshot.load().policy_groups.counts.stalled())
    }

    fn failures(&self) -> Vec<RecentFailure> {
        recent_failures::newest(self.counters.load().iter().map(|worker| &worker.failures))
    }

    fn comparisons(&self) -> Vec<ComparisonReport> {
        let snapshot = self.snapshot.load();
        let reports = snapshot.besides().filter_map(|(service, route, beside)| {
            Some(beside.compare.as_ref()?.report(&service.name, &route.name))
        });
        reports.collect()
    }
}

/// What was compared, each name once: the name that a route was given may be the one that is made for another route.
fn comparisons(snapshot: &Snapshot) -> Vec<ComparisonStatus> {
    let mut distinct: Vec<ComparisonStatus> = Vec::new();
    for (service, route, beside) in snapshot.besides() {
        let Some(compare) = &beside.compare else { continue };
        let found = compare.status(&service.name, &route.name);
        let is_same =
            |known: &&mut ComparisonStatus| known.service == found.service && known.route == found.route;
        match distinct.iter_mut().find(is_same) {
            Some(known) => known.add(&found),
            None => distinct.push(found),
        }
    }
    distinct
}

impl ProcessStatus {
    /// Upstreams with a queue, and those of which something was counted without one.
    fn duplicating(&self, snapshot: &Snapshot) -> Vec<DuplicatingStatus> {
        let mut sums: BTreeMap<&str, DuplicatingStatus> = BTreeMap::new();
        for upstream in &snapshot.upstreams {
            let acknowledgements = upstream.verdicts.acknowledgements.load(Ordering::Relaxed);
            let disagreements =
                upstream.verdicts.disagreements.each_ref().map(|count| count.load(Ordering::Relaxed));
            let unplaced = upstream.verdicts.unplaced.load(Ordering::Relaxed);
            if acknowledgements + disagreements.iter().sum::<u64>() + unplaced > 0
                || self.queues.of(&upstream.name).is_some()
            {
                let sum = sums.entry(&upstream.name).or_default();
                sum.upstream = upstream.name.to_string();
                sum.acknowledgements_total += acknowledgements;
                sum.unplaced_total += unplaced;
                sum.disagreements.iter_mut().zip(disagreements).for_each(|(sum, count)| *sum += count);
            }
        }
        sums.into_values().collect()
    }
}

fn hedging(snapshot: &Snapshot) -> Vec<HedgingStatus> {
    let routes = snapshot.hedging.iter().map(|number| snapshot.route(*number));
    let status = |route: &Route| HedgingStatus {
        service: snapshot.services[route.service as usize].name.to_string(),
        route: route.name.to_string(),
        percentile_seconds: route.hedge_percentile().map(|time| time.as_secs_f64()),
    };
    routes.map(status).collect()
}

/// What is counted of names, each once, however many routes it may use.
fn authenticated(snapshot: &Snapshot) -> Vec<AuthenticatedStatus> {
    let routes = snapshot.routes.iter();
    // Routes of a service share what they ask for, and it is counted there.
    let shared: BTreeMap<_, _> = routes
        .filter_map(|route| route.authenticate.as_ref())
        .map(|authentication| (Arc::as_ptr(authentication), authentication))
        .collect();
    let mut counted = Vec::new();
    for authentication in shared.values() {
        authentication.add_to(&mut counted);
    }
    let mut sums: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
    for one in counted {
        *sums.entry((one.proof, one.name)).or_default() += one.requests_total;
    }
    let status = |((proof, name), requests_total)| AuthenticatedStatus { proof, name, requests_total };
    sums.into_iter().map(status).collect()
}

fn upstreams(snapshot: &Snapshot) -> Vec<UpstreamStatus> {
    let beside = snapshot.rooms.iter().zip(&snapshot.inventories);
    let status = snapshot.upstreams.iter().zip(beside).map(|(upstream, (room, inventory))| {
        let requests_waiting = room.as_ref().map(|room| room.places().waiting().into());
        let inventory = inventory.as_ref().map(|inventory| inventory.status());
        UpstreamStatus { requests_waiting, inventory, ..self::upstream(upstream) }
    });
    status.chain(snapshot.other_policy_groups().iter().map(|group| self::upstream(group))).collect()
}

fn upstream(upstream: &Upstream) -> UpstreamStatus {
    upstream.look(|roster| {
        // Published while the roster is looked at by nobody else, so that the two agree.
        let group = upstream.group();
        let all: u64 = group.shares.iter().map(|share| u64::from(*share)).sum();
        let permille = |share: u32| (u64::from(share) * 1000).checked_div(all).unwrap_or(0);
        let leaving = roster.leaving().iter().map(|member| (member, &0));
        let servers = roster.members().iter().zip(&group.shares).chain(leaving);
        UpstreamStatus {
            name: upstream.name.to_string(),
            balance: upstream.balance_name(),
            panic: group.panic,
            requests_waiting: None,
            retries: upstream.retries.by_reason(),
            retries_unpaid: upstream.retries.unpaid(),
            differences: differences::differences(roster, &upstream.named),
            inventory: None,
            servers: servers
                .map(|(member, share)| ServerStatus {
                    checks: upstream.health.is_some().then(|| checks(member)),
                    ..server(member, permille(*share))
                })
                .collect(),
        }
    })
}

fn checks(member: &Member) -> CheckStatus {
    let record = &member.server.checks;
    CheckStatus {
        last_success: record.last_success(),
        failures_in_a_row: record.failures_in_a_row(),
        by_outcome: record.by_outcome(),
    }
}

fn server(member: &Member, share_permille: u64) -> ServerStatus {
    let server = &member.server;
    let counters = &server.counters;
    ServerStatus {
        address: server.name().to_owned(),
        weight: member.weight,
        share_permille,
        state: member.state(),
        since: member.since,
        origin: member.origin.name(),
        lease: member.lease_until.map(|until| until.saturating_duration_since(now())),
        changes: member.changes.iter().cloned().collect(),
        changes_total: member.changes_total,
        checks: None,
        requests_in_flight: server.in_flight().into(),
        requests_total: counters.requests.load(Ordering::Relaxed),
        won_total: counters.won.load(Ordering::Relaxed),
        connections_open: server.connections().open().into(),
        connections_total: counters.connections.load(Ordering::Relaxed),
        connect_failures_total: counters.connect_failures.load(Ordering::Relaxed),
        failures_total: counters.failures.load(Ordering::Relaxed),
        ejection: ejection(member),
        latency: server.watched.published().map(|(median, slowest)| LatencyStatus { median, slowest }),
    }
}

fn ejection(member: &Member) -> EjectionStatus {
    let (Some(held), Some(ejection)) = (member.server.breaker(), &member.ejection) else {
        return EjectionStatus::default();
    };
    let time = held.of.time(now());
    EjectionStatus {
        breaker: match held.breaker.state() {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen { .. } => 1,
            BreakerState::Open(_) => 2,
        },
        is_out: ejection.is_out(),
        left: ejection.due().filter(|_| ejection.is_out()).map(|due| due.saturating_sub(time)),
        recent: ejection.times(&held.of.rule, time),
        total: held.ejections(),
    }
}
