//! `limits` of an upstream: how much its servers get at once, and who waits.

use std::time::Duration;

use crate::model::UpstreamLimits;
use crate::problem::Problem;
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional};
use super::kind::{Placed, Refined};
use super::scalar::{DurationIn, Integer};
use super::table::{Field, Kept, Mapping, Table};

/// `limits` of an upstream as it was written.
#[derive(Debug, Default)]
pub(crate) struct UpstreamLimitsFile {
    requests: Option<u64>,
    connections: Option<u64>,
    queue: Option<u64>,
    queue_timeout: Option<At<Duration>>,
    per_server: Option<PerServerFile>,
}

/// `per_server` as it was written.
#[derive(Debug, Default)]
pub(crate) struct PerServerFile {
    requests: Option<u64>,
    connections: Option<u64>,
}

/// More at once than this is no limit.
const NUMBER_MAX: u64 = 1_000_000;

/// Requests that wait when nothing is written: a burst that ends soon.
const QUEUE: u32 = 100;

/// How long one waits when nothing is written. Whoever would wait longer had better be told to come again.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);

/// `limits` of an upstream.
pub(crate) type UpstreamLimitsKind = Refined<Mapping<UpstreamLimitsFile>, UpstreamLimits>;

/// See [`UpstreamLimitsKind`].
pub(crate) const UPSTREAM_LIMITS_KIND: UpstreamLimitsKind = Refined(Mapping(&UPSTREAM_LIMITS), limits);

/// `per_server`
pub(crate) static PER_SERVER: Table<PerServerFile> = Table {
    name: "per_server",
    doc: "What each server gets at once. A server that has all it may get is passed over; when all have, requests wait.",
    fields: &[
        Field {
            name: "requests",
            presence: Optional,
            value: &Kept(
                Integer { label: "`requests`", min: 1, max: NUMBER_MAX },
                |limits: &mut PerServerFile, number| limits.requests = Some(number),
            ),
            doc: "Requests in flight to one server, over all workers, from 1 to 1,000,000.",
        },
        Field {
            name: "connections",
            presence: Optional,
            value: &Kept(
                Integer { label: "`connections`", min: 1, max: NUMBER_MAX },
                |limits: &mut PerServerFile, number| limits.connections = Some(number),
            ),
            doc: "Connections to one server, over all workers, idle ones included, from 1 to 1,000,000; without those of health \
                  checks. Fewer than a few for each worker are closed and opened again and again, because workers don't share them.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

/// `limits` of an upstream
pub(crate) static UPSTREAM_LIMITS: Table<UpstreamLimitsFile> = Table {
    name: "limits of an upstream",
    doc: "How much the servers get at once. Others wait for their turn, in the order of arrival; who can't wait, or waits for \
          too long, gets 503 with `Retry-After`. `requests`, `connections` or `per_server` must be there.",
    fields: &[
        Field {
            name: "requests",
            presence: Optional,
            value: &Kept(
                Integer { label: "`requests`", min: 1, max: NUMBER_MAX },
                |limits: &mut UpstreamLimitsFile, number| limits.requests = Some(number),
            ),
            doc: "Requests of clients that are with the upstream at the same time, over all routes and workers, from 1 to \
                  1,000,000; a WebSocket until it ends. One that goes to several servers counts once.",
        },
        Field {
            name: "connections",
            presence: Optional,
            value: &Kept(
                Integer { label: "`connections`", min: 1, max: NUMBER_MAX },
                |limits: &mut UpstreamLimitsFile, number| limits.connections = Some(number),
            ),
            doc: "Connections to all servers together, over all workers, idle ones included, from 1 to 1,000,000; without those of \
                  health checks. Each request needs one, and in modes that ask several servers each copy.",
        },
        Field {
            name: "queue",
            presence: Unless("100"),
            value: &Kept(
                Integer { label: "`queue`", min: 0, max: NUMBER_MAX },
                |limits: &mut UpstreamLimitsFile, number| limits.queue = Some(number),
            ),
            doc: "Requests that wait at the same time, from 0 (nobody waits) to 1,000,000. Each holds its connection and its head.",
        },
        Field {
            name: "queue_timeout",
            presence: Unless("1s"),
            value: &Kept(
                Placed(DurationIn { min: Duration::from_millis(1), max: Duration::from_secs(3600) }),
                |limits: &mut UpstreamLimitsFile, wait| limits.queue_timeout = Some(wait),
            ),
            doc: "How long a request waits at most, from `1ms` to `1h`.",
        },
        Field {
            name: "per_server",
            presence: Optional,
            value: &Kept(Mapping(&PER_SERVER), |limits: &mut UpstreamLimitsFile, each| {
                limits.per_server = Some(each);
            }),
            doc: "What each server gets at once.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

fn limits(file: UpstreamLimitsFile, span: Span, decoder: &mut Decoder<'_>) -> Option<UpstreamLimits> {
    let number = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    let each = file.per_server.unwrap_or_default();
    let limits = UpstreamLimits {
        requests: number(file.requests),
        connections: number(file.connections),
        queue: number(file.queue).unwrap_or(QUEUE),
        queue_timeout: file.queue_timeout.as_ref().map_or(QUEUE_TIMEOUT, |wait| wait.value),
        server_requests: number(each.requests),
        server_connections: number(each.connections),
    };
    if limits.are_none() {
        decoder.push(
            Problem::error(span, "`limits` of an upstream needs `requests`, `connections` or `per_server`")
                .hint("write how many requests it may have at once: `{requests: 100}`"),
        );
        return None;
    }
    if let (0, Some(wait)) = (limits.queue, file.queue_timeout) {
        decoder.push(
            Problem::warning(wait.span, "`queue_timeout` has no effect: with `queue: 0` nobody waits")
                .hint("leave one of them away"),
        );
    }
    Some(limits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;
    use crate::load;

    fn outcome(limits: &str) -> Result<Option<UpstreamLimits>, Vec<String>> {
        let text =
            format!("services: [{{host: a, upstream: {{servers: [\"b:1\", \"b:2\"], limits: {limits}}}}}]");
        match load::parse("t", text.as_bytes(), &|_| None, Path::new("")) {
            Ok(loaded) => Ok(loaded.model.upstreams[0].limits),
            Err(report) => Err(report.problems().iter().map(|problem| problem.message.clone()).collect()),
        }
    }

    #[test]
    fn what_is_not_written_is_no_limit_but_the_queue_has_one() {
        let none = UpstreamLimits {
            requests: None,
            connections: None,
            queue: QUEUE,
            queue_timeout: QUEUE_TIMEOUT,
            server_requests: None,
            server_connections: None,
        };
        let check = |limits: &str, expected| assert_eq!(outcome(limits), Ok(Some(expected)), "{limits}");
        check("{requests: 7}", UpstreamLimits { requests: Some(7), ..none });
        check("{connections: 7}", UpstreamLimits { connections: Some(7), ..none });
        check("{per_server: {connections: 7}}", UpstreamLimits { server_connections: Some(7), ..none });
        let each = UpstreamLimits { queue: 0, server_requests: Some(3), ..none };
        check("{queue: 0, per_server: {requests: 3}}", each);
    }

    #[test]
    fn limits_that_limit_nothing_are_errors() {
        for limits in ["{}", "{queue: 3}", "{per_server: {}}"] {
            let problems = outcome(limits).unwrap_err();
            let needs = "`limits` of an upstream needs `requests`, `connections` or `per_server`";
            assert_eq!(problems, [needs], "{limits}");
        }
        assert!(outcome("{connections: 0}").unwrap_err()[0].contains("1 to 1000000"));
        assert!(outcome("{per_server: {connections: 0}}").is_err());
        assert!(outcome("{requests: 0}").unwrap_err()[0].contains("1 to 1000000"));
        assert!(outcome("{requests: 1, queue_timeout: 0s}").is_err());
        assert!(outcome("{request: 1}").unwrap_err()[0].contains("unknown key `request`"));
    }
}
