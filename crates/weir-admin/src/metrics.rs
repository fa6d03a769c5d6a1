//! The metrics page: the status in the two text formats that scrapers ask for.
//!
//! One writer knows both formats, because they differ in four places only. The library for metrics that there is writes
//! OpenMetrics alone; said to be Prometheus text 0.0.4, its counters would have no type, since that format names a counter
//! in `# TYPE` with its `_total`. Names, types and help texts come from [`weir_core::metric`]; this module adds none.

mod queues;
#[cfg(test)]
mod tests;
mod text;
mod traffic;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use weir_core::compare::{CompareOutcome, DifferenceKind};
use weir_core::dispatch::Mode;
use weir_core::handshake::HandshakeOutcome;
use weir_core::health::{CheckOutcome, State, TripWhy};
use weir_core::metric::{self, ANSWER_CLASSES, Metric};
use weir_core::mirror::MirrorOutcome;
use weir_core::ports::{
    ComparisonStatus, CopyOutcome, Disagreement, DuplicatingStatus, ServerStatus, Status,
};
use weir_core::proxy_header::ProxyHeaderOutcome;
use weir_core::refusal::Refusal;
use weir_core::retry::RetryReason;

use self::text::Page;
pub(crate) use self::text::{Dialect, bucket_counts};

/// What dispatch modes have done.
fn dispatch(status: &Status, page: &mut Page) {
    let done = &status.dispatch;
    let names = Mode::ALL.map(|mode| [mode.name()]);
    page.labelled(&metric::DISPATCHED_REQUESTS, names.into_iter().zip(done.requests_by_mode));
    // `balance` makes no copies.
    let copies = Mode::ALL.into_iter().zip(done.copies).filter(|(mode, _)| *mode != Mode::Balance);
    page.labelled(
        &metric::COPIES,
        copies.flat_map(|(mode, counts)| {
            let outcomes = CopyOutcome::ALL.map(|outcome| [mode.name(), outcome.name()]);
            outcomes.into_iter().zip(counts)
        }),
    );
    page.single(&metric::HEDGES, done.hedges_total);
    page.single(&metric::HEDGES_WON, done.hedges_won_total);
    let hedging = done.hedging.iter().filter_map(|route| {
        Some(([route.service.as_str(), route.route.as_str()], route.percentile_seconds?))
    });
    page.labelled(&metric::HEDGE_PERCENTILE, hedging);
    mirrors(status, page);
    page.labelled(
        &metric::REPLAY_IMPOSSIBLE,
        status.replay_impossible.iter().map(|(reason, count)| ([*reason], *count)),
    );
    page.single(&metric::REPLAY_BYTES, status.replay_bytes);
    retries(status, page);
    let duplicating = done.duplicating.iter();
    let per_upstream = |value: fn(&DuplicatingStatus) -> u64| {
        duplicating.clone().map(move |one| ([one.upstream.as_str()], value(one)))
    };
    page.labelled(&metric::DUPLICATE_ACKNOWLEDGEMENTS, per_upstream(|one| one.acknowledgements_total));
    let disagreements = duplicating.clone().flat_map(|one| {
        let names = Disagreement::ALL.map(|kind| [one.upstream.as_str(), kind.name()]);
        names.into_iter().zip(one.disagreements)
    });
    page.labelled(&metric::DUPLICATE_DISAGREEMENTS, disagreements);
    page.labelled(&metric::DUPLICATE_UNPLACED, per_upstream(|one| one.unplaced_total));
}

/// What was repeated, each name once.
fn retries(status: &Status, page: &mut Page) {
    let mut sums: BTreeMap<&str, ([u64; RetryReason::ALL.len()], u64)> = BTreeMap::new();
    for upstream in &status.upstreams {
        let (retries, unpaid) = sums.entry(&upstream.name).or_default();
        retries.iter_mut().zip(upstream.retries).for_each(|(sum, count)| *sum += count);
        *unpaid += upstream.retries_unpaid;
    }
    let by_reason = sums.iter().flat_map(|(name, (retries, _))| {
        let names = RetryReason::ALL.map(|reason| [*name, reason.name()]);
        names.into_iter().zip(*retries)
    });
    page.labelled(&metric::RETRIES, by_reason);
    let unpaid = sums.iter().map(|(name, (_, unpaid))| ([*name], *unpaid));
    page.labelled(&metric::RETRY_BUDGET_EXHAUSTED, unpaid);
}

fn of<'a>(route: &'a ComparisonStatus, name: &'static str) -> [&'a str; 3] {
    [&route.service, &route.route, name]
}

/// What mirrors got, and what comparing found.
fn mirrors(status: &Status, page: &mut Page) {
    let copies = status.mirrors.iter().flat_map(|mirror| {
        let names = MirrorOutcome::ALL.map(|outcome| [mirror.upstream.as_str(), outcome.name()]);
        names.into_iter().zip(mirror.copies)
    });
    page.labelled(&metric::MIRRORED_REQUESTS, copies);
    let compared = status.comparisons.iter().flat_map(|route| {
        CompareOutcome::ALL.map(|outcome| of(route, outcome.name())).into_iter().zip(route.outcomes)
    });
    page.labelled(&metric::COMPARED_REQUESTS, compared);
    let differences = status.comparisons.iter().flat_map(|route| {
        DifferenceKind::ALL.map(|kind| of(route, kind.name())).into_iter().zip(route.differences)
    });
    page.labelled(&metric::DIFFERENCES, differences);
}

/// The whole page. `now` in time since 1970.
pub(crate) fn page(status: &Status, now: Duration, dialect: Dialect) -> String {
    let mut page = Page::new(dialect);
    page.labelled(&metric::BUILD_INFO, [([status.version], 1)]);
    page.single(&metric::UPTIME, status.uptime_seconds);
    page.single(&metric::READY, u64::from(status.ready));
    traffic::process(status, now, &mut page);
    page.single(&metric::REQUESTS, status.requests_total);
    page.single(&metric::REQUESTS_IN_FLIGHT, status.requests_in_flight);
    page.labelled(
        &metric::ANSWERS,
        ANSWER_CLASSES.map(|class| [class]).into_iter().zip(status.answers_by_class),
    );
    page.labelled(
        &metric::REFUSED_REQUESTS,
        Refusal::ALL.map(|refusal| [refusal.name()]).into_iter().zip(status.refused_by_reason),
    );
    page.single(&metric::REQUESTS_WAITING, status.requests_waiting);
    page.single(&metric::RATE_TAKEOVERS, status.rate_takeovers_total);
    dispatch(status, &mut page);
    queues::write(status, &mut page);
    page.histogram(&metric::REQUEST_DURATION, &status.request_duration);
    traffic::routes(status, &mut page);
    page.single(&metric::CONNECTIONS, status.connections_total);
    page.single(&metric::CONNECTIONS_OPEN, status.connections_open);
    page.labelled(
        &metric::PROXY_HEADERS,
        ProxyHeaderOutcome::ALL.map(|outcome| [outcome.name()]).into_iter().zip(status.proxy_headers),
    );
    page.labelled(
        &metric::TLS_HANDSHAKES,
        HandshakeOutcome::ALL.map(|outcome| [outcome.name()]).into_iter().zip(status.tls_handshakes),
    );
    page.single(&metric::RECEIVED_BYTES, status.bytes_received);
    page.single(&metric::SENT_BYTES, status.bytes_sent);
    page.single(&metric::PANICS, status.panics_total);
    page.single(&metric::ACCESS_LOG_LINES_DROPPED, status.log_lines_dropped);
    let refusals = status.authentication_refusals.iter().map(|(reason, count)| ([*reason], *count));
    page.labelled(&metric::AUTHENTICATION_REFUSALS, refusals);
    let authenticated = status.authenticated.iter();
    page.labelled(
        &metric::AUTHENTICATED_REQUESTS,
        authenticated.map(|one| ([one.proof, one.name.as_str()], one.requests_total)),
    );
    let certificates = status.certificates.iter();
    page.labelled(
        &metric::CERTIFICATE_EXPIRES,
        certificates.map(|one| ([one.listener.as_str(), one.file.as_str()], one.expires_seconds)),
    );
    page.single(&metric::POOL_IDLE, status.pool_idle);
    let servers = distinct_servers(status);
    let mut per_server = |metric: &Metric, value: fn(&ServerStatus) -> u64| {
        page.labelled(metric, servers.iter().map(|server| (server.labels, value(&server.sum))));
    };
    per_server(&metric::UPSTREAM_REQUESTS, |server| server.requests_total);
    per_server(&metric::UPSTREAM_WON, |server| server.won_total);
    per_server(&metric::UPSTREAM_REQUESTS_IN_FLIGHT, |server| server.requests_in_flight);
    per_server(&metric::UPSTREAM_CONNECTIONS_OPEN, |server| server.connections_open);
    per_server(&metric::UPSTREAM_CONNECTIONS, |server| server.connections_total);
    per_server(&metric::UPSTREAM_CONNECT_FAILURES, |server| server.connect_failures_total);
    per_server(&metric::UPSTREAM_FAILURES, |server| server.failures_total);
    per_server(&metric::UPSTREAM_EJECTED, |server| server.ejection.is_out.into());
    per_server(&metric::UPSTREAM_BREAKER, |server| server.ejection.breaker.into());
    health(&servers, status, &mut page);
    ejections(&mut page, status, &servers);
    messages(&mut page, status);
    page.end()
}

/// The states of servers, and what their checks say.
fn health(servers: &[DistinctServer<'_>], status: &Status, page: &mut Page) {
    let states = servers.iter().flat_map(|server| {
        let [upstream, name] = server.labels;
        State::ALL.map(|state| ([upstream, name, state.name()], u64::from(server.sum.state == state)))
    });
    page.labelled(&metric::SERVER_STATE, states);
    let checked = || servers.iter().filter_map(|server| Some((server.labels, server.sum.checks.as_ref()?)));
    let seconds = |at: Duration| at.as_secs_f64();
    let last = checked().map(|(labels, checks)| (labels, checks.last_success.map_or(0.0, seconds)));
    page.labelled(&metric::SERVER_LAST_SUCCESS, last);
    let outcomes = checked().flat_map(|([upstream, name], checks)| {
        let labels = CheckOutcome::ALL.map(|outcome| [upstream, name, outcome.name()]);
        labels.into_iter().zip(checks.by_outcome)
    });
    page.labelled(&metric::HEALTH_CHECKS, outcomes);
    let changes = servers.iter().map(|server| (server.labels, server.sum.changes_total));
    page.labelled(&metric::HEALTH_CHANGES, changes);
    let mut panics: Vec<([&str; 1], u64)> = Vec::new();
    for upstream in &status.upstreams {
        let labels = [upstream.name.as_str()];
        if !panics.iter().any(|(known, _)| *known == labels) {
            panics.push((labels, upstream.panic.into()));
        }
    }
    page.labelled(&metric::UPSTREAM_PANIC, panics);
    inventories(status, page);
}

/// Files that name servers of upstreams.
fn inventories(status: &Status, page: &mut Page) {
    let inventories =
        status.upstreams.iter().filter_map(|one| Some((one.name.as_str(), one.inventory.as_ref()?)));
    let inventories: BTreeMap<_, _> = inventories.collect();
    let changes = inventories.iter().flat_map(|(name, inventory)| {
        let counts = [("taken", inventory.taken_total), ("refused", inventory.refused_total)];
        counts.map(|(outcome, count)| ([*name, outcome], count))
    });
    page.labelled(&metric::INVENTORY_CHANGES, changes);
    let unusable = inventories.iter().map(|(name, one)| ([*name], u64::from(one.problem.is_some())));
    page.labelled(&metric::INVENTORY_UNUSABLE, unusable);
}

/// Servers that were taken out, and requests that wait for others.
fn ejections(page: &mut Page, status: &Status, servers: &[DistinctServer<'_>]) {
    let counts = servers.iter().flat_map(|server| {
        let [upstream, name] = server.labels;
        let labels = TripWhy::NAMES.map(|why| [upstream, name, why]);
        labels.into_iter().zip(server.sum.ejection.total)
    });
    page.labelled(&metric::EJECTIONS, counts);
    let mut waiting: Vec<([&str; 1], u64)> = Vec::new();
    for upstream in &status.upstreams {
        let Some(count) = upstream.requests_waiting else { continue };
        match waiting.iter_mut().find(|([name], _)| *name == upstream.name) {
            Some((_, sum)) => *sum += count,
            None => waiting.push(([&upstream.name], count)),
        }
    }
    page.labelled(&metric::UPSTREAM_REQUESTS_WAITING, waiting);
}

/// Messages under the names of `weir duplicate`'s original, where they are counted.
fn messages(page: &mut Page, status: &Status) {
    let Some(messages) = &status.messages else { return };
    let requests = messages.requests.iter();
    page.labelled(
        &metric::HTTP_REQUESTS,
        requests.map(|(method, source, count)| ([*method, *source], *count)),
    );
    let codes: Vec<String> = messages.answers.iter().map(|(code, ..)| code.to_string()).collect();
    let answers = codes.iter().zip(&messages.answers);
    page.labelled(
        &metric::HTTP_RESPONSES,
        answers.map(|(code, (_, source, count))| ([code.as_str(), *source], *count)),
    );
}

/// A server as the page names it, with the numbers of all that are named so.
struct DistinctServer<'a> {
    labels: [&'a str; 2],
    sum: ServerStatus,
}

/// Servers by their labels, in their order. One that is written twice in an upstream is one line with the sum: a scraper
/// throws the whole page away when a line stands twice.
fn distinct_servers(status: &Status) -> Vec<DistinctServer<'_>> {
    let mut places = HashMap::new();
    let mut distinct: Vec<DistinctServer<'_>> = Vec::new();
    for upstream in &status.upstreams {
        for server in &upstream.servers {
            let labels = [upstream.name.as_str(), server.address.as_str()];
            let place = *places.entry(labels).or_insert(distinct.len());
            if place == distinct.len() {
                // A state can't be summed; the first one's is told.
                let (state, checks) = (server.state, server.checks.clone());
                let sum = ServerStatus { state, checks, ..ServerStatus::default() };
                distinct.push(DistinctServer { labels, sum });
            }
            let sum = &mut distinct[place].sum;
            sum.requests_in_flight += server.requests_in_flight;
            sum.requests_total += server.requests_total;
            sum.won_total += server.won_total;
            sum.connections_open += server.connections_open;
            sum.connections_total += server.connections_total;
            sum.connect_failures_total += server.connect_failures_total;
            sum.failures_total += server.failures_total;
            sum.changes_total += server.changes_total;
            let (ejection, held) = (&mut sum.ejection, &server.ejection);
            ejection.is_out |= held.is_out;
            ejection.breaker = ejection.breaker.max(held.breaker);
            ejection.total.iter_mut().zip(held.total).for_each(|(sum, count)| *sum += count);
        }
    }
    distinct
}
