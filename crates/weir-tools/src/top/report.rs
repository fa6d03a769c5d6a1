//! What a running Weir says of itself, as far as the live view shows it.
//!
//! Read leniently: a Weir of another version may say less or more, and what it does not say is unknown, not zero. Names are
//! made harmless here, once, so that nothing behind this can bring a terminal anything that it takes for a command.

use std::time::Duration;

use serde_json::Value;

use super::amount::span;

/// One answer of the admin listener.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The version that runs.
    pub version: String,
    /// Since it started.
    pub uptime: Duration,
    /// False from the first moment of draining.
    pub is_ready: bool,
    /// Client connections open now.
    pub connections: u64,
    /// Requests of clients in progress now.
    pub in_flight: u64,
    /// Requests of clients since the start.
    pub requests_total: u64,
    /// Requests of clients in a second.
    pub requests_per_second: Option<f64>,
    /// Answers with 5xx since the start.
    pub server_errors_total: u64,
    /// Answers with 5xx in a second.
    pub server_errors_per_second: Option<f64>,
    /// Its upstreams, in the order of the configuration.
    pub pools: Vec<Pool>,
}

/// An upstream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pool {
    /// Its name, to be shown.
    pub name: String,
    /// The same, as Weir writes it. Never shown.
    pub written: String,
    /// How it chooses servers.
    pub balance: String,
    /// Whether health is ignored because too few servers are left.
    pub is_in_panic: bool,
    /// Requests that wait for their turn.
    pub waiting: Option<u64>,
    /// Requests that were repeated.
    pub retries: Option<u64>,
    /// Repeats that the budget did not pay.
    pub retries_unpaid: Option<u64>,
    /// Writes that some server has yet to get; `None` where there is no queue.
    pub backlog: Option<u64>,
    /// The file that names servers of it, if there is one.
    pub inventory: Option<String>,
    /// Why what that file holds is not used.
    pub inventory_problem: Option<String>,
    /// Its servers.
    pub servers: Vec<Server>,
}

/// A server of an upstream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Server {
    /// Its name, to be shown.
    pub address: String,
    /// The same, as Weir writes it. Never shown.
    pub written: String,
    /// Its state.
    pub state: String,
    /// Whether it gets nothing because requests to it failed.
    pub is_ejected: bool,
    /// How long that lasts.
    pub ejected_for: Option<Duration>,
    /// Whether some requests try it after it was ejected.
    pub is_tried: bool,
    /// What it gets of the requests, in thousandths.
    pub share_permille: u64,
    /// Its weight.
    pub weight: u64,
    /// Requests in flight to it.
    pub in_flight: u64,
    /// Requests since it is a member.
    pub requests_total: u64,
    /// Requests in a second.
    pub requests_per_second: Option<f64>,
    /// Requests and connects that failed.
    pub failures_total: u64,
    /// When a check passed last, since 1970.
    pub last_healthy: Option<Duration>,
    /// How many of the last checks have failed; `None` where it is not checked.
    pub check_failures: Option<u64>,
    /// How often it was ejected.
    pub ejections: Option<u64>,
    /// The time within which half of the answers begin.
    pub median: Option<Duration>,
    /// The time within which 99 % of the answers begin.
    pub slowest: Option<Duration>,
    /// How long its lease lasts.
    pub lease: Option<Duration>,
    /// Its last changes of state, the newest last.
    pub changes: Vec<Change>,
    /// What waits for it in a queue; `None` where there is no queue.
    pub backlog: Option<Backlog>,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// When, since 1970.
    pub at: Duration,
    /// The state before.
    pub from: String,
    /// The state from then on.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// What waits for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Writes that it has yet to get.
    pub writes: u64,
    /// Writes that it does not get any more.
    pub dead: u64,
}

impl Report {
    /// Reads the answers to `/status` and `/queues`; the second may be nothing. `None` where this is no Weir.
    pub fn read(status: &Value, queues: &Value) -> Option<Self> {
        let pools = status["upstreams"].as_array()?;
        let queues = list(&queues["queues"]);
        Some(Self {
            version: text(&status["version"]),
            uptime: Duration::from_secs(count(&status["uptime_seconds"])),
            is_ready: status["ready"] == true,
            connections: count(&status["connections_open"]),
            in_flight: count(&status["requests_in_flight"]),
            requests_total: count(&status["requests_total"]),
            server_errors_total: count(&status["answers_by_class"]["5xx"]),
            pools: pools.iter().map(|value| pool(value, queues)).collect(),
            ..Self::default()
        })
    }

    /// Fills in what happened in a second, from an answer that came this long before.
    pub fn measure(&mut self, before: &Self, elapsed: Duration) {
        // After a restart everything is counted anew.
        if elapsed.is_zero() || self.uptime < before.uptime {
            return;
        }
        let rate =
            |now: u64, before: u64| now.checked_sub(before).map(|count| count as f64 / elapsed.as_secs_f64());
        self.requests_per_second = rate(self.requests_total, before.requests_total);
        self.server_errors_per_second = rate(self.server_errors_total, before.server_errors_total);
        for pool in &mut self.pools {
            let Some(old) = before.pools.iter().find(|old| old.written == pool.written) else { continue };
            // In the same order as a rule; so this does not look at all of them for each of them.
            for (place, server) in pool.servers.iter_mut().enumerate() {
                let is_same = |old: &&Server| old.written == server.written;
                let same = old.servers.get(place).filter(is_same);
                let same = same.or_else(|| old.servers.iter().find(is_same));
                server.requests_per_second =
                    same.and_then(|old| rate(server.requests_total, old.requests_total));
            }
        }
    }
}

impl Pool {
    /// Servers that get requests now.
    pub fn serving(&self) -> usize {
        self.servers.iter().filter(|server| server.share_permille > 0).count()
    }

    /// The sum of a rate that may be unknown of some.
    pub fn requests_per_second(&self) -> Option<f64> {
        let known = self.servers.iter().filter_map(|server| server.requests_per_second);
        known.reduce(|sum, rate| sum + rate)
    }
}

/// Whether people see it as ejected: it would get requests, had those that it got not failed.
pub fn is_shown_as_ejected(server: &Server) -> bool {
    server.is_ejected && matches!(&*server.state, "HEALTHY" | "NOT_INITIATED")
}

/// What people see as the state: one that is ejected is healthy as far as checks know, and gets nothing all the same.
pub fn shown_state(server: &Server) -> String {
    match (is_shown_as_ejected(server), server.ejected_for) {
        (true, Some(left)) => format!("EJECTED {}", span(left)),
        (true, None) => "EJECTED".to_owned(),
        (false, _) => server.state.clone(),
    }
}

fn pool(value: &Value, queues: &[Value]) -> Pool {
    let name = value["name"].as_str().unwrap_or_default();
    let queue = queues.iter().find(|queue| queue["name"] == name);
    Pool {
        name: harmless(name),
        written: name.to_owned(),
        balance: text(&value["balance"]),
        is_in_panic: value["panic"] == true,
        waiting: value["requests_waiting"].as_u64(),
        retries: sum(&value["retries"]),
        retries_unpaid: value["retries_unpaid"].as_u64(),
        backlog: queue.map(|queue| count(&queue["backlog_writes"])),
        inventory: value["inventory"]["file"].as_str().map(harmless),
        inventory_problem: value["inventory"]["problem"].as_str().map(harmless),
        servers: list(&value["servers"]).iter().map(|value| server(value, queue)).collect(),
    }
}

fn server(value: &Value, queue: Option<&Value>) -> Server {
    let written = value["address"].as_str().unwrap_or_default();
    let ejection = &value["ejection"];
    let backlog = queue.and_then(|queue| list(&queue["servers"]).iter().find(|one| one["server"] == written));
    Server {
        address: harmless(written),
        written: written.to_owned(),
        state: text(&value["state"]),
        is_ejected: ejection["is_ejected"] == true,
        ejected_for: seconds(&ejection["left_seconds"]),
        is_tried: ejection["breaker"] == "half_open",
        share_permille: count(&value["share_permille"]),
        weight: count(&value["weight"]),
        in_flight: count(&value["requests_in_flight"]),
        requests_total: count(&value["requests_total"]),
        requests_per_second: None,
        failures_total: count(&value["failures_total"]) + count(&value["connect_failures_total"]),
        last_healthy: seconds(&value["checks"]["last_success_seconds"]),
        check_failures: value["checks"]["failures_in_a_row"].as_u64(),
        ejections: sum(&ejection["total"]),
        median: seconds(&value["latency"]["p50_seconds"]),
        slowest: seconds(&value["latency"]["p99_seconds"]),
        lease: seconds(&value["lease_seconds"]),
        changes: list(&value["changes"]).iter().map(change).collect(),
        backlog: backlog
            .map(|backlog| Backlog { writes: count(&backlog["backlog"]), dead: count(&backlog["dead"]) }),
    }
}

fn change(value: &Value) -> Change {
    Change {
        at: seconds(&value["at_seconds"]).unwrap_or_default(),
        from: text(&value["from"]),
        to: text(&value["to"]),
        reason: text(&value["reason"]),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// A number, or the sum of numbers by their reasons.
fn sum(value: &Value) -> Option<u64> {
    match value {
        Value::Object(parts) => Some(parts.values().map(count).sum()),
        other => other.as_u64(),
    }
}

/// A time that makes sense.
fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

fn text(value: &Value) -> String {
    harmless(value.as_str().unwrap_or_default())
}

/// What others wrote may hold what a terminal takes for a command, or what turns a line around (Unicode Standard Annex 9) and
/// makes one name look like another one. Each such character becomes U+FFFD.
pub fn harmless(text: &str) -> String {
    let is_harmful = |character: char| {
        character.is_control()
            || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
    };
    text.chars().map(|character| if is_harmful(character) { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests;
