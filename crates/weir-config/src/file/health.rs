//! `health`: what is asked of each server, how often, and what is made of the answers.

use std::time::Duration;

use weir_core::dispatch::StatusSet;
use weir_core::health::{HealthCheck, HttpProbe, Probe};

use crate::complaint::Complaint;
use crate::node::shortened;
use crate::problem::Problem;
use crate::quantity::duration_text;
use crate::source::{At, Span};

use super::decoder::Decoder;
use super::describe::Presence::{Default as Unless, Optional};
use super::dispatch::statuses::STATUS_SET;
use super::kind::{Mapped, Placed, Refined};
use super::rule::{METHOD_PATTERN, is_sendable_host, method};
use super::scalar::{Boolean, DurationIn, Integer, Parsed, SHARE};
use super::table::{Field, Kept, Mapping, Table};

/// `health` as it was written.
#[derive(Debug, Default)]
pub(crate) struct HealthFile {
    path: Option<At<Box<str>>>,
    tcp: Option<At<bool>>,
    method: Option<At<Box<str>>>,
    host: Option<At<Box<str>>>,
    expect: Option<At<StatusSet>>,
    body: Option<At<Box<str>>>,
    interval: Option<Duration>,
    jitter: Option<f64>,
    unhealthy_interval: Option<At<Duration>>,
    timeout: Option<Duration>,
    unhealthy_after: Option<u64>,
    healthy_after: Option<u64>,
    panic: Option<At<u32>>,
}

/// What `health` says.
#[derive(Debug, Clone)]
pub(crate) struct HealthWritten {
    /// How servers are checked.
    pub(crate) check: HealthCheck,
    /// `panic` of the upstream, where it is written here.
    pub(crate) panic: Option<At<u32>>,
}

impl From<HealthCheck> for HealthWritten {
    fn from(check: HealthCheck) -> Self {
        Self { check, panic: None }
    }
}

/// `health`
pub(crate) type HealthKind = Refined<Mapping<HealthFile>, HealthWritten>;

/// See [`HealthKind`].
pub(crate) const HEALTH_KIND: HealthKind = Refined(Mapping(&HEALTH), health);

/// A check that was started every few milliseconds would be an attack.
const CHECK_TIME: DurationIn =
    DurationIn { min: Duration::from_millis(10), max: Duration::from_secs(24 * 3600) };

const PATH: Parsed<Box<str>> = Parsed { label: "path", pattern: "^/", parse: path };
const METHOD: Parsed<Box<str>> = Parsed { label: "method", pattern: METHOD_PATTERN, parse: check_method };
const HOST: Parsed<Box<str>> =
    Parsed { label: "name of a host", pattern: r"^[A-Za-z0-9_.:\[\]-]+$", parse: host };
const BODY: Parsed<Box<str>> = Parsed { label: "text", pattern: "", parse: body };

/// Longest text that is looked for in bodies.
const BODY_TEXT_BYTES_MAX: usize = 1024;

/// A path with or without a query, sent as it is written.
fn path(text: &str) -> Result<Box<str>, Complaint> {
    let is_clean = !text.contains('#') && text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.starts_with('/') && is_clean {
        return Ok(text.into());
    }
    let complaint = Complaint::new(format!("`{}` is not a path to ask for", shortened(text)));
    Err(if text.starts_with('/') {
        complaint.hint("write it without a fragment, and escape spaces and letters outside ASCII")
    } else if text.contains("://") {
        complaint.hint("each server is asked by its own address; write the path alone, and begin it with `/`")
    } else if is_clean {
        complaint.hint(format!("begin it with `/`: `/{}`", shortened(text)))
    } else {
        complaint.hint("begin it with `/`, and escape spaces and letters outside ASCII")
    })
}

fn check_method(text: &str) -> Result<Box<str>, Complaint> {
    match text {
        // RFC 9110 §9.3.6 and §9.3.8: a tunnel is no question, and a trace tells of proxies.
        "TRACE" | "CONNECT" => {
            Err(Complaint::new(format!("{text} is no question to a server")).hint("write `GET` or `HEAD`"))
        }
        _ => method(text),
    }
}

fn host(text: &str) -> Result<Box<str>, Complaint> {
    if is_sendable_host(text) {
        return Ok(text.into());
    }
    Err(Complaint::new(format!("`{}` cannot be sent as Host", shortened(text)))
        .hint("write a name: `api.example.com`; without `host` it is the server's own"))
}

fn body(text: &str) -> Result<Box<str>, Complaint> {
    match text.len() {
        0 => Err(Complaint::new("an empty text is in every body").hint("take `body` away")),
        1..=BODY_TEXT_BYTES_MAX => Ok(text.into()),
        length => {
            let message = format!("a text of {length} bytes is too long, at most {BODY_TEXT_BYTES_MAX}");
            Err(Complaint::new(message).hint("write a part by which a healthy answer is known"))
        }
    }
}

/// `health`
pub(crate) static HEALTH: Table<HealthFile> = Table {
    name: "health",
    doc: "Active checks of each server, from the start on. Either `path` or `tcp: true`. A server is NOT_INITIATED until its \
          checks have said something, then HEALTHY or UNREACHABLE.",
    fields: &[
        Field {
            name: "path",
            presence: Optional,
            value: &Kept(Placed(PATH), |health: &mut HealthFile, path| health.path = Some(path)),
            doc: "A request for this path, below the server's base path; a query may follow. The answer must come whole, or its \
                  first 64 KiB.",
        },
        Field {
            name: "tcp",
            presence: Optional,
            value: &Kept(Placed(Boolean), |health: &mut HealthFile, tcp| health.tcp = Some(tcp)),
            doc: "`true`: connect and close. Of a server with `https://` too, without a handshake.",
        },
        Field {
            name: "method",
            presence: Unless("GET"),
            value: &Kept(Placed(METHOD), |health: &mut HealthFile, method| health.method = Some(method)),
            doc: "The method of the request.",
        },
        Field {
            name: "host",
            presence: Optional,
            value: &Kept(Placed(HOST), |health: &mut HealthFile, host| health.host = Some(host)),
            doc: "Host of the request; the server's own when not written.",
        },
        Field {
            name: "expect",
            presence: Unless("[2xx, 3xx]"),
            value: &Kept(Placed(STATUS_SET), |health: &mut HealthFile, set| health.expect = Some(set)),
            doc: "The statuses of a healthy server: classes (`2xx`), statuses and ranges (`200-204`).",
        },
        Field {
            name: "body",
            presence: Optional,
            value: &Kept(Placed(BODY), |health: &mut HealthFile, text| health.body = Some(text)),
            doc: "A text that the body of the answer must contain, within its first 64 KiB; at most 1024 bytes.",
        },
        Field {
            name: "interval",
            presence: Unless("1s"),
            value: &Kept(CHECK_TIME, |health: &mut HealthFile, time| health.interval = Some(time)),
            doc: "Time from one check of a HEALTHY server to the next, from `10ms`. Less finds failures sooner and costs each \
                  server more.",
        },
        Field {
            name: "jitter",
            presence: Unless("10%"),
            value: &Kept(SHARE, |health: &mut HealthFile, share| health.jitter = Some(share)),
            doc: "By how much of its interval a check may come earlier, by chance.",
        },
        Field {
            name: "unhealthy_interval",
            presence: Optional,
            value: &Kept(Placed(CHECK_TIME), |health: &mut HealthFile, time| {
                health.unhealthy_interval = Some(time);
            }),
            doc: "`interval` of a server that is not HEALTHY, at most that one; a quarter of it when not written, but at most `1s`.",
        },
        Field {
            name: "timeout",
            presence: Unless("1s"),
            value: &Kept(CHECK_TIME, |health: &mut HealthFile, time| health.timeout = Some(time)),
            doc: "How long one check may take, from `10ms`. A server is never checked twice at once.",
        },
        Field {
            name: "unhealthy_after",
            presence: Unless("3"),
            value: &Kept(
                Integer { label: "`unhealthy_after`", min: 1, max: 1000 },
                |health: &mut HealthFile, number| health.unhealthy_after = Some(number),
            ),
            doc: "Failures in a row after which a server is UNREACHABLE.",
        },
        Field {
            name: "healthy_after",
            presence: Unless("1"),
            value: &Kept(
                Integer { label: "`healthy_after`", min: 1, max: 1000 },
                |health: &mut HealthFile, number| health.healthy_after = Some(number),
            ),
            doc: "Successes in a row after which a server is HEALTHY.",
        },
        Field {
            name: "panic",
            presence: Optional,
            value: &Kept(PANIC, |health: &mut HealthFile, share| health.panic = Some(share)),
            doc: "`panic` of the upstream, which may be written here too.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};

fn health(file: HealthFile, span: Span, decoder: &mut Decoder<'_>) -> Option<HealthWritten> {
    let interval = file.interval.unwrap_or(HealthCheck::INTERVAL);
    let (probe, unhealthy_interval) =
        (probe(&file, span, decoder), unhealthy_interval(&file, interval, decoder));
    let count =
        |written: Option<u64>, default| written.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
    let check = HealthCheck {
        probe: probe?,
        interval,
        unhealthy_interval: unhealthy_interval?,
        jitter: file.jitter.unwrap_or(HealthCheck::JITTER),
        timeout: file.timeout.unwrap_or(HealthCheck::TIMEOUT),
        unhealthy_after: count(file.unhealthy_after, HealthCheck::UNHEALTHY_AFTER),
        healthy_after: count(file.healthy_after, HealthCheck::HEALTHY_AFTER),
    };
    Some(HealthWritten { check, panic: file.panic })
}

/// `panic`, in whole percent.
pub(crate) const PANIC: Placed<Mapped<Parsed<f64>, u32>> = Placed(Mapped(SHARE, percent));

/// In whole percent; part of one is more than none.
fn percent(share: f64) -> u32 {
    let percent = (share * 100.0).round() as u32;
    if share > 0.0 { percent.max(1) } else { 0 }
}

fn unhealthy_interval(file: &HealthFile, interval: Duration, decoder: &mut Decoder<'_>) -> Option<Duration> {
    match file.unhealthy_interval.as_ref().map(|time| (time.value, time.span)) {
        None => Some(HealthCheck::unhealthy_interval_for(interval)),
        Some((time, span)) if time > interval => {
            let message =
                format!("`unhealthy_interval` is longer than `interval`, `{}`", duration_text(interval));
            let hint = "a server that may be back is asked sooner, not later";
            decoder.push(Problem::error(span, message).hint(hint));
            None
        }
        Some((time, _)) => Some(time),
    }
}

fn probe(file: &HealthFile, span: Span, decoder: &mut Decoder<'_>) -> Option<Probe> {
    match (&file.path, &file.tcp) {
        (Some(path), None) => {
            http_probe(file, &path.value, decoder).map(|probe| Probe::Http(Box::new(probe)))
        }
        (None, Some(At { value: true, span })) => {
            let of_answers = [
                ("method", file.method.as_ref().map(|it| it.span)),
                ("host", file.host.as_ref().map(|it| it.span)),
                ("expect", file.expect.as_ref().map(|it| it.span)),
                ("body", file.body.as_ref().map(|it| it.span)),
            ];
            let mut probe = Some(Probe::Tcp);
            for (key, place) in of_answers {
                let Some(place) = place else { continue };
                decoder.push(
                    Problem::error(
                        place,
                        format!("a check with `tcp` asks nothing, so `{key}` means nothing"),
                    )
                    .beside(*span, "`tcp` is written here")
                    .hint(format!("write `path: /healthz` instead of `tcp`, or take `{key}` away")),
                );
                probe = None;
            }
            probe
        }
        (None, Some(At { value: false, span })) => {
            decoder.push(
                Problem::error(*span, "`tcp: false` checks nothing")
                    .hint("write `tcp: true` or `path: /healthz`, or take `health` away"),
            );
            None
        }
        (Some(path), Some(tcp)) => {
            decoder.push(
                Problem::error(tcp.span, "a check is either `path` or `tcp`")
                    .beside(path.span, "`path` is written here"),
            );
            None
        }
        (None, None) => {
            decoder.push(
                Problem::error(span, "`health` does not say what to check")
                    .hint("write `path: /healthz` or `tcp: true`"),
            );
            None
        }
    }
}

fn http_probe(file: &HealthFile, path: &str, decoder: &mut Decoder<'_>) -> Option<HttpProbe> {
    let mut probe = HttpProbe::new(path);
    if let Some(method) = &file.method {
        probe.method.clone_from(&method.value);
    }
    probe.host = file.host.as_ref().map(|host| host.value.clone());
    probe.expect = file.expect.as_ref().map_or(probe.expect, |set| set.value);
    probe.body = file.body.as_ref().map(|text| text.value.clone());
    match (&file.body, &file.method) {
        (Some(body), Some(method)) if !probe.has_body() => {
            decoder.push(
                Problem::error(body.span, "answers to HEAD have no body")
                    .beside(method.span, "the method is written here")
                    .hint("write `method: GET`, or take `body` away"),
            );
            None
        }
        _ => Some(probe),
    }
}

#[cfg(test)]
mod tests;
