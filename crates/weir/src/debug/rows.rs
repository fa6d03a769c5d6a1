//! The servers as a table and as lines: where a server is, its state, its failures, and when it was healthy last.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use weir_core::health::State;
use weir_core::ports::{ServerStatus, UpstreamStatus};

use crate::table::plain;

const TITLE: &str = "=== Backend Server Status ===";

/// The clock on the wall of this place.
pub(super) struct Clock(TimeZone);

impl Clock {
    /// Finds out about it.
    pub(super) fn of_this_place() -> Self {
        Self(TimeZone::system())
    }

    /// The time of day at a moment since 1970.
    fn time(&self, at: Duration) -> String {
        let at = i64::try_from(at.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        at.map_or_else(|| "-".to_owned(), |at| at.to_zoned(self.0.clone()).strftime("%H:%M:%S").to_string())
    }
}

/// Lines of a table with all servers; with their upstreams if there are several.
pub(super) fn table(upstreams: &[UpstreamStatus], clock: &Clock) -> Vec<String> {
    let mut rows = vec![["Upstream", "Backend URL", "Status", "Failures", "Last Healthy"].map(str::to_owned)];
    for upstream in upstreams {
        rows.extend(upstream.servers.iter().map(|server| row(upstream, server, clock)));
    }
    let first = if upstreams.len() > 1 { 0 } else { 1 };
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (first..5).map(width).collect();
    let rule = |left: &str, middle: &str, right: &str| {
        let parts: Vec<_> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
        format!("{left}{}{right}", parts.join(middle))
    };
    let line = |row: &[String; 5]| {
        let cells = row[first..].iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} "));
        format!("│{}│", cells.collect::<Vec<_>>().join("│"))
    };
    let mut lines = vec![TITLE.to_owned(), rule("┌", "┬", "┐"), line(&rows[0]), rule("├", "┼", "┤")];
    lines.extend(rows[1..].iter().map(line));
    lines.push(rule("└", "┴", "┘"));
    lines
}

/// A line for each server, with the time of day.
pub(super) fn lines(upstreams: &[UpstreamStatus], clock: &Clock, now: Duration) -> String {
    let mut text = String::new();
    for upstream in upstreams {
        for server in &upstream.servers {
            let [upstream, url, state, failures, last] = row(upstream, server, clock);
            let now = clock.time(now);
            text.push_str(&format!(
                "{now} upstream={upstream} server={url} state={state} failures={failures} last_healthy={last}\n"
            ));
        }
    }
    text
}

fn row(upstream: &UpstreamStatus, server: &ServerStatus, clock: &Clock) -> [String; 5] {
    let address = plain(&server.address);
    let url = if address.contains("://") || address.starts_with("unix:") {
        address
    } else {
        format!("http://{address}")
    };
    [
        plain(&upstream.name),
        url,
        state(server).to_owned(),
        failures(server).to_string(),
        last_healthy(server).map_or_else(|| "-".to_owned(), |at| clock.time(at)),
    ]
}

/// Its state; one that would get requests and gets none, because those that it got failed, is no healthy one.
fn state(server: &ServerStatus) -> &'static str {
    match server.state {
        State::Healthy | State::NotInitiated if server.ejection.is_out => "EJECTED",
        state => state.name(),
    }
}

/// Checks that have failed in a row, which is what states follow; where nobody checks, requests and connects that have failed.
fn failures(server: &ServerStatus) -> u64 {
    match &server.checks {
        Some(checks) => checks.failures_in_a_row.into(),
        None => server.failures_total + server.connect_failures_total,
    }
}

/// When a check has passed last.
fn last_healthy(server: &ServerStatus) -> Option<Duration> {
    server.checks.as_ref()?.last_success
}

#[cfg(test)]
mod tests {
    use weir_core::ports::{CheckStatus, EjectionStatus};

    use super::*;

    fn upstream(name: &str, servers: Vec<ServerStatus>) -> UpstreamStatus {
        UpstreamStatus { name: name.to_owned(), servers, ..UpstreamStatus::default() }
    }

    fn servers() -> Vec<ServerStatus> {
        let checks = |at, failures_in_a_row| {
            let last_success = Some(Duration::from_secs(at));
            Some(CheckStatus { last_success, failures_in_a_row, ..CheckStatus::default() })
        };
        let server =
            |address: &str, state| ServerStatus { address: address.to_owned(), state, ..Default::default() };
        vec![
            ServerStatus { checks: checks(45_296, 0), ..server("https://127.0.0.1:8000", State::Healthy) },
            ServerStatus {
                checks: checks(45_000, 3),
                failures_total: 9,
                ..server("a.test:8001", State::Unreachable)
            },
            ServerStatus {
                failures_total: 1,
                connect_failures_total: 2,
                ..server("unix:/x\x1b[2J", State::Healthy)
            },
        ]
    }

    #[test]
    fn the_table_says_where_what_how_often_and_when() {
        let clock = Clock(TimeZone::UTC);
        let expected = [
            "=== Backend Server Status ===",
            "┌────────────────────────┬─────────────┬──────────┬──────────────┐",
            "│ Backend URL            │ Status      │ Failures │ Last Healthy │",
            "├────────────────────────┼─────────────┼──────────┼──────────────┤",
            "│ https://127.0.0.1:8000 │ HEALTHY     │ 0        │ 12:34:56     │",
            "│ http://a.test:8001     │ UNREACHABLE │ 3        │ 12:30:00     │",
            "│ unix:/x\u{fffd}[2J            │ HEALTHY     │ 3        │ -            │",
            "└────────────────────────┴─────────────┴──────────┴──────────────┘",
        ];
        assert_eq!(table(&[upstream("web", servers())], &clock), expected);
        let several = table(&[upstream("web", servers()), upstream("orders", Vec::new())], &clock);
        assert!(
            several[2].starts_with("│ Upstream │ Backend URL ") && several[4].starts_with("│ web "),
            "{several:?}"
        );
        assert_eq!(table(&[], &clock).len(), 5);
    }

    #[test]
    fn one_that_is_ejected_is_not_healthy() {
        let ejection = EjectionStatus { is_out: true, ..EjectionStatus::default() };
        for (state, expected) in [
            (State::Healthy, "EJECTED"),
            (State::NotInitiated, "EJECTED"),
            (State::Unreachable, "UNREACHABLE"),
            (State::Disabled, "DISABLED"),
        ] {
            let server = ServerStatus { state, ejection, ..ServerStatus::default() };
            let text = lines(&[upstream("web", vec![server])], &Clock(TimeZone::UTC), Duration::ZERO);
            assert!(text.contains(&format!(" state={expected} ")), "{text}");
        }
    }

    #[test]
    fn a_line_stands_for_itself() {
        let text = lines(&[upstream("web", servers())], &Clock(TimeZone::UTC), Duration::from_secs(45_300));
        let second = text.lines().nth(1).unwrap_or_default();
        let expected = "12:35:00 upstream=web server=http://a.test:8001 state=UNREACHABLE failures=3 last_healthy=12:30:00";
        assert_eq!(second, expected);
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains('\x1b'));
        assert_eq!(lines(&[], &Clock(TimeZone::UTC), Duration::ZERO), "");
    }
}
