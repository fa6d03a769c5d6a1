//! What is wrong with a running Weir, worst first, in sentences that each name the next command.
//!
//! The dashboard has the same list (`crates/weir-admin/src/dashboard/page/findings.js`), made of what it has seen while it was open.
//! This one is made of a single look, so what is told of failures comes from the list of the last ones, and not from rates.
//!
//! Read leniently, as [`Report`] is: what a Weir of another version does not say is nothing to complain about.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use weir_tools::admin_client::DEFAULT_ADDRESS;
use weir_tools::top::amount::long_span;
use weir_tools::top::report::{Pool, Report, Server, is_shown_as_ejected};

use crate::table::{list, plain, word};

/// A certificate that ends before this is worth a word. Those that renew by themselves have been renewed by then.
const CERTIFICATE_SOON: Duration = Duration::from_secs(14 * 86_400);
/// Failures of this time are told of.
const FAILURES_SINCE: Duration = Duration::from_secs(60);
/// A worker that is kept from its work for less is busy and not stuck.
const STALL_MIN_SECONDS: f64 = 1.0;
/// Servers of one upstream that are named; the others are counted.
const SERVERS_NAMED_MAX: usize = 5;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Requests or writes fail, or soon will.
    Bad,
    /// Somebody should look.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) weight: Weight,
    pub(crate) text: String,
    /// What shows more of it.
    pub(crate) next: Next,
}

/// Where to look next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A command of ours that asks the same admin listener.
    Ask(&'static str),
    /// A path of the admin listener.
    Path(&'static str),
    /// Another command.
    Run(&'static str),
}

impl Next {
    /// The command for whoever asked the listener at this address.
    pub(crate) fn command(self, admin: &str) -> String {
        match (self, admin.strip_prefix("unix:")) {
            (Self::Ask(command), None) if admin == DEFAULT_ADDRESS => command.to_owned(),
            (Self::Ask(command), _) => format!("{command} --admin {admin}"),
            (Self::Path(path), None) => format!("curl {admin}{path}"),
            (Self::Path(path), Some(socket)) => format!("curl --unix-socket {socket} localhost{path}"),
            (Self::Run(command), _) => command.to_owned(),
        }
    }
}

impl Finding {
    fn bad(text: impl Into<String>, next: Next) -> Self {
        Self { weight: Weight::Bad, text: text.into(), next }
    }

    fn warning(text: impl Into<String>, next: Next) -> Self {
        Self { weight: Weight::Warning, text: text.into(), next }
    }

    /// For programs.
    pub(crate) fn json(&self, admin: &str) -> Value {
        let weight = match self.weight {
            Weight::Bad => "bad",
            Weight::Warning => "warning",
        };
        json!({ "weight": weight, "text": self.text, "command": self.next.command(admin) })
    }
}

/// The answers that findings are made of.
pub(crate) struct Answers {
    /// Of `/status`.
    pub(crate) status: Value,
    /// Of `/queues`; null where nobody answers that.
    pub(crate) queues: Value,
    /// Of `/failures`; null where nobody answers that.
    pub(crate) failures: Value,
}

/// Everything that is wrong at this moment since 1970, worst first.
pub(crate) fn all(answers: &Answers, report: &Report, now: Duration) -> Vec<Finding> {
    let mut found = of_process(&answers.status);
    found.extend(report.pools.iter().flat_map(of_upstream));
    found.extend(list(&answers.queues["queues"]).iter().flat_map(of_queue));
    found.extend(of_failures(&answers.failures, now));
    found.extend(list(&answers.status["certificates"]).iter().filter_map(|one| of_certificate(one, now)));
    // Stable, so what belongs together stays together.
    found.sort_by_key(|finding| finding.weight);
    found
}

fn of_process(status: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    let stalled = status["stalled_seconds"].as_f64().unwrap_or(0.0);
    if status["ready"] == false {
        let why = "not ready: it drains and ends when the last connection has, or a worker is stuck";
        found.push(Finding::bad(why, Next::Path("/readyz")));
    }
    if let Some(problem) = status["configuration"]["problem"].as_str() {
        let text = format!("the last reload was refused, and what was in force stays: {}", headline(problem));
        found.push(Finding::warning(text, Next::Ask("weir reload")));
    }
    if let Some(panics) = status["panics_total"].as_u64().filter(|count| *count > 0) {
        let text = format!(
            "{} met a fault of Weir itself: please report it with the log",
            counted(panics, "request")
        );
        found.push(Finding::bad(text, Next::Path("/api/v1/failures")));
    }
    if stalled > STALL_MIN_SECONDS {
        let text = format!("a worker has not come to its tasks for {stalled:.0} s");
        found.push(Finding::bad(text, Next::Path("/readyz")));
    }
    if let Some(times @ 1..) = status["limits_hit"]["descriptors"].as_u64() {
        let text = format!("file descriptors have run out since the start, {}", counted(times, "time"));
        found.push(Finding::warning(text, Next::Path("/api/v1/status")));
    }
    if let Some(lines) = status["log_lines_dropped"].as_u64().filter(|count| *count > 0) {
        let text =
            format!("{} of the access log could not be written since the start", counted(lines, "line"));
        found.push(Finding::warning(text, Next::Run("df -h")));
    }
    found
}

/// The first line of a report, with the place of what it is about: `unknown key (weir.yaml:2:1)`.
fn headline(report: &str) -> String {
    let mut lines = report.lines();
    let first = lines.next().unwrap_or_default();
    let place = lines.next().and_then(|line| line.trim_start().strip_prefix("--> "));
    let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
    plain(&format!("{}{place}", first.strip_prefix("error: ").unwrap_or(first)))
}

/// Whether checks or requests say that it can't be used.
fn is_down(server: &Server) -> bool {
    server.state == "UNREACHABLE" || is_shown_as_ejected(server)
}

/// Servers that nobody has taken out and that nothing is known against.
pub(super) fn usable(pool: &Pool) -> usize {
    let is_taken = |server: &Server| matches!(&*server.state, "DRAINING" | "DISABLED");
    pool.servers.iter().filter(|server| !is_down(server) && !is_taken(server)).count()
}

fn of_upstream(pool: &Pool) -> Vec<Finding> {
    const NEXT: Next = Next::Ask("weir upstreams");
    let mut found = Vec::new();
    let name = &pool.name;
    let down: Vec<&Server> = pool.servers.iter().filter(|server| is_down(server)).collect();
    let usable = usable(pool);
    if pool.servers.is_empty() {
        found.push(Finding::bad(format!("{name} has no server: its requests get 503"), NEXT));
    } else if usable == 0 {
        found.push(Finding::bad(format!("{name}: no server is usable"), NEXT));
    }
    for server in down.iter().take(SERVERS_NAMED_MAX) {
        let what = if is_shown_as_ejected(server) {
            "is ejected: requests to it failed".to_owned()
        } else {
            let reason = server.changes.last().map(|change| format!(": {}", change.reason));
            format!("is unreachable{}", reason.unwrap_or_default())
        };
        found.push(Finding::warning(format!("{name}: {} {what}", server.address), NEXT));
    }
    if let Some(more @ 1..) = down.len().checked_sub(SERVERS_NAMED_MAX) {
        found.push(Finding::warning(format!("{name}: and {more} more of its servers"), NEXT));
    }
    if pool.is_in_panic && usable > 0 {
        let text = format!("{name}: so few servers are healthy that their health is ignored");
        found.push(Finding::warning(text, NEXT));
    }
    if let Some(problem) = &pool.inventory_problem {
        found.push(Finding::warning(format!("{name}: its inventory can't be used: {problem}"), NEXT));
    }
    found
}

fn of_queue(queue: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = word(&queue["name"]);
    let number = |key: &str| queue[key].as_u64().unwrap_or(0);
    if queue["dead_letters_full"] == true && queue["full"] == "reject" {
        let text = format!("{name}: its dead letters are full, and writes are refused with 503");
        found.push(Finding::bad(text, Next::Ask("weir queue list --dead")));
    }
    for (held, bound, of) in [
        ("backlog_writes", "backlog_writes_max", "backlog"),
        ("backlog_bytes", "backlog_bytes_max", "backlog_bytes"),
    ] {
        if number(bound) > 0 && number(held) >= number(bound) {
            let text = format!("{name}: the queue is full (`{of}`)");
            found.push(Finding::bad(text, Next::Ask("weir queue list")));
        }
    }
    let oldest =
        list(&queue["servers"]).iter().filter_map(|server| server["oldest_age_seconds"].as_u64()).max();
    if let Some(oldest) = oldest {
        let writes = counted(number("backlog_writes"), "write");
        let oldest = long_span(Duration::from_secs(oldest));
        let text = format!("{name}: {writes} not yet at every server, the oldest since {oldest}");
        found.push(Finding::warning(text, Next::Ask("weir queue list")));
    }
    // Of each server: a write may be dead for one of them and wait for another one.
    for server in list(&queue["servers"]) {
        if let Some(dead @ 1..) = server["dead"].as_u64() {
            let letters = counted(dead, "dead letter");
            let text = format!("{name}: {letters}, which {} will not get", word(&server["server"]));
            found.push(Finding::warning(text, Next::Ask("weir queue list --dead")));
        }
    }
    found
}

/// How many requests failed lately, and the reason that most of them have.
fn of_failures(failures: &Value, now: Duration) -> Option<Finding> {
    let since = now.saturating_sub(FAILURES_SINCE).as_secs_f64();
    let mut texts: BTreeMap<String, u64> = BTreeMap::new();
    for failure in list(&failures["failures"]) {
        if failure["at_seconds"].as_f64().is_some_and(|at| at >= since) {
            *texts.entry(word(&failure["text"])).or_default() += 1;
        }
    }
    let total: u64 = texts.values().sum();
    let (most, count) = texts.iter().max_by_key(|(_, count)| **count)?;
    let many = if *count == total { "" } else { ", mostly" };
    let text = format!("{} failed in the last minute{many}: {most}", counted(total, "request"));
    Some(Finding::warning(text, Next::Path("/api/v1/failures")))
}

fn of_certificate(certificate: &Value, now: Duration) -> Option<Finding> {
    const NEXT: Next = Next::Run("weir cert -c FILE");
    let expires = Duration::from_secs(certificate["expires_seconds"].as_u64()?);
    let name = list(&certificate["names"]).first().map_or_else(|| word(&certificate["file"]), word);
    match expires.checked_sub(now) {
        None | Some(Duration::ZERO) => {
            Some(Finding::bad(format!("the certificate of {name} has expired"), NEXT))
        }
        Some(left) if left < CERTIFICATE_SOON => {
            let text = format!("the certificate of {name} expires in {}", long_span(left));
            Some(Finding::warning(text, NEXT))
        }
        Some(_) => None,
    }
}

/// `1 request`, `2 requests`
fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests;
