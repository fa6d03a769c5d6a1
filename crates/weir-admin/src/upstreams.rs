//! Upstreams, their servers and what was changed of them, as JSON.

use serde_json::{Map, Value, json};
use weir_core::health::{Change, CheckOutcome, TripWhy, Word};
use weir_core::ports::members::{
    Changed, ComesBack, DifferenceKind, InventoryStatus, Leaving, MemberDifference,
};
use weir_core::ports::{CheckStatus, EjectionStatus, LatencyStatus, ServerStatus, UpstreamStatus};
use weir_core::retry::RetryReason;

/// An upstream with its servers.
pub(crate) fn upstream(upstream: &UpstreamStatus) -> Value {
    json!({
        "name": upstream.name,
        "balance": upstream.balance,
        "panic": upstream.panic,
        "requests_waiting": upstream.requests_waiting,
        "retries": retries(upstream),
        "retries_unpaid": upstream.retries_unpaid,
        "inventory": upstream.inventory.as_ref().map(inventory),
        "servers": upstream.servers.iter().map(server).collect::<Vec<_>>(),
        "differences": upstream.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}

/// The file that names servers of an upstream.
fn inventory(inventory: &InventoryStatus) -> Value {
    json!({
        "file": inventory.file,
        "read_seconds": inventory.read.as_secs_f64(),
        "problem": inventory.problem,
        "taken_total": inventory.taken_total,
        "refused_total": inventory.refused_total,
    })
}

/// Repeats by their reasons.
fn retries(upstream: &UpstreamStatus) -> Value {
    let by_reason = RetryReason::ALL.into_iter().zip(upstream.retries);
    Value::Object(by_reason.map(|(reason, count)| (reason.name().to_owned(), count.into())).collect())
}

/// A server, with the last changes of its state.
pub(crate) fn server(server: &ServerStatus) -> Value {
    json!({
        "address": server.address,
        "weight": server.weight,
        "share_permille": server.share_permille,
        "state": server.state.name(),
        "since_seconds": server.since.as_secs_f64(),
        "origin": server.origin,
        "lease_seconds": server.lease.map(|lease| lease.as_secs_f64()),
        "changes": server.changes.iter().map(change).collect::<Vec<_>>(),
        "checks": server.checks.as_ref().map(checks),
        "requests_in_flight": server.requests_in_flight,
        "requests_total": server.requests_total,
        "won_total": server.won_total,
        "connections_open": server.connections_open,
        "connections_total": server.connections_total,
        "connect_failures_total": server.connect_failures_total,
        "failures_total": server.failures_total,
        "ejection": ejection(&server.ejection),
        "latency": server.latency.as_ref().map(latency),
    })
}

/// What is held against a server because requests to it failed.
fn ejection(ejection: &EjectionStatus) -> Value {
    let total = TripWhy::NAMES.into_iter().zip(ejection.total);
    json!({
        "breaker": EjectionStatus::BREAKERS[usize::from(ejection.breaker.min(2))],
        "is_ejected": ejection.is_out,
        "left_seconds": ejection.left.map(|left| left.as_secs_f64()),
        "recent": ejection.recent,
        "total": Value::Object(total.map(|(why, count)| (why.to_owned(), count.into())).collect()),
    })
}

fn checks(checks: &CheckStatus) -> Value {
    let by_outcome = CheckOutcome::ALL.into_iter().zip(checks.by_outcome);
    let by_outcome: Map<String, Value> =
        by_outcome.map(|(outcome, count)| (outcome.name().to_owned(), count.into())).collect();
    json!({
        "last_success_seconds": checks.last_success.map(|at| at.as_secs_f64()),
        "failures_in_a_row": checks.failures_in_a_row,
        "total_by_outcome": by_outcome,
    })
}

fn latency(latency: &LatencyStatus) -> Value {
    json!({ "p50_seconds": latency.median.as_secs_f64(), "p99_seconds": latency.slowest.as_secs_f64() })
}

fn change(change: &Change) -> Value {
    json!({
        "at_seconds": change.at.as_secs_f64(),
        "from": change.from.name(),
        "to": change.to.name(),
        "reason": change.reason,
    })
}

fn difference(difference: &MemberDifference) -> Value {
    let server = &difference.server;
    match difference.kind {
        DifferenceKind::Added { weight, is_leased } => {
            json!({ "server": server, "kind": "added", "weight": weight, "is_leased": is_leased })
        }
        DifferenceKind::Left { weight } => json!({ "server": server, "kind": "left", "weight": weight }),
        DifferenceKind::Weight { written, now } => {
            json!({ "server": server, "kind": "weight", "weight": now, "written_weight": written })
        }
        DifferenceKind::TakenOut(word) => json!({ "server": server, "kind": word_name(word) }),
    }
}

/// The words that an operator says, and their names.
pub(crate) const WORDS: [(&str, Word); 3] =
    [("in_service", Word::InService), ("draining", Word::Drain), ("disabled", Word::Disable)];

fn word_name(word: Word) -> &'static str {
    WORDS.iter().find(|(_, known)| *known == word).map_or("", |(name, _)| name)
}

const NOBODY_LEFT: &str = "no server of the upstream gets requests any more; they get 503";

/// What has become of a change.
pub(crate) fn changed(changed: &Changed) -> Value {
    let warning = changed.is_last.then_some(NOBODY_LEFT);
    json!({ "is_new": changed.is_new, "state": changed.state.name(), "is_last": changed.is_last, "warning": warning })
}

/// What has become of a server that was told to leave.
pub(crate) fn leaving(leaving: &Leaving) -> Value {
    let (comes_back, why) = match leaving.comes_back {
        None => (None, None),
        Some(ComesBack::Registers) => (
            Some("registers"),
            Some(
                "it registers itself, and joins again with its next word; to keep it out, stop it or disable it",
            ),
        ),
        Some(ComesBack::IsFound) => (
            Some("is_found"),
            Some(
                "it is found by name, and joins again when the name is asked for; to keep it out, disable it",
            ),
        ),
    };
    let warnings: Vec<&str> = leaving.is_last.then_some(NOBODY_LEFT).into_iter().chain(why).collect();
    let warning = (!warnings.is_empty()).then(|| warnings.join(". "));
    json!({
        "is_gone": leaving.is_gone,
        "is_last": leaving.is_last,
        "comes_back": comes_back,
        "warning": warning,
    })
}
