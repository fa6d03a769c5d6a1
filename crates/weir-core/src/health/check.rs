//! What a health check asks of a server, and how often.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use weir_http::method::Method;

use crate::dispatch::StatusSet;

/// How the servers of an upstream are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// Time from the beginning of one check of a HEALTHY server to that of the next.
    pub interval: Duration,
    /// The same of a server that is not HEALTHY; at most `interval`.
    pub unhealthy_interval: Duration,
    /// By which share of its interval a check may come earlier, from 0 to 1. Never later, so that the intervals are bounds.
    pub jitter: f64,
    /// How long one check may take.
    pub timeout: Duration,
    /// Successes in a row after which a server is HEALTHY; at least 1.
    pub healthy_after: u32,
    /// Failures in a row after which a server is UNREACHABLE; at least 1.
    pub unhealthy_after: u32,
}

impl Hash for HealthCheck {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { probe, interval, unhealthy_interval, jitter, timeout, healthy_after, unhealthy_after } =
            self;
        (probe, interval, unhealthy_interval, jitter.to_bits(), timeout).hash(state);
        (healthy_after, unhealthy_after).hash(state);
    }
}

impl HealthCheck {
    /// Time from check to check of a HEALTHY server, unless it is written. Three of them, and a server is out before people
    /// have noticed.
    pub const INTERVAL: Duration = Duration::from_secs(1);
    /// How long a check may take, unless it is written.
    pub const TIMEOUT: Duration = Duration::from_secs(1);
    /// By how much a check may come earlier, unless it is written: enough to pull apart what began together.
    pub const JITTER: f64 = 0.1;
    /// Failures until UNREACHABLE, unless it is written. One lost packet or one long pause of a runtime is no outage.
    pub const UNHEALTHY_AFTER: u32 = 3;
    /// Successes until HEALTHY, unless it is written. A server that answers can answer.
    pub const HEALTHY_AFTER: u32 = 1;
    /// This probe with the usual numbers.
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            interval: Self::INTERVAL,
            unhealthy_interval: Self::unhealthy_interval_for(Self::INTERVAL),
            jitter: Self::JITTER,
            timeout: Self::TIMEOUT,
            healthy_after: Self::HEALTHY_AFTER,
            unhealthy_after: Self::UNHEALTHY_AFTER,
        }
    }

    /// The time between checks of a server that is not HEALTHY, unless it is written: a quarter of the other one, so that
    /// a way back is seen sooner than a way down, and at most a second, so that it is seen soon.
    pub fn unhealthy_interval_for(interval: Duration) -> Duration {
        (interval / 4).min(Duration::from_secs(1))
    }
}

/// What one check does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Connect and close.
    Tcp,
    /// Ask, and look at the answer.
    Http(Box<HttpProbe>),
}

/// A request, and what must come of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpProbe {
    /// The path with its leading slash, perhaps with a query; the base path of the server is put before it.
    pub path: Box<str>,
    /// The method, as it is sent.
    pub method: Box<str>,
    /// Host; that of the server if there is none.
    pub host: Option<Box<str>>,
    /// The statuses of a healthy server.
    pub expect: StatusSet,
    /// What its body must contain, within [`BODY_BYTES_MAX`](Self::BODY_BYTES_MAX).
    pub body: Option<Box<str>>,
}

impl HttpProbe {
    /// How much of an answer's body is read. Answers to checks are short; what is longer is cut, which is no failure.
    pub const BODY_BYTES_MAX: usize = 64 * 1024;

    /// The statuses of a healthy server, unless they are written. A redirect, to a login say, is a sign of life.
    pub const EXPECTED: StatusSet = StatusSet::EMPTY.with_class(2).with_class(3);

    /// `GET` of this path; 2xx and 3xx are a success.
    pub fn new(path: &str) -> Self {
        Self { path: path.into(), method: "GET".into(), host: None, expect: Self::EXPECTED, body: None }
    }

    /// Whether answers to its method have a body (RFC 9110 §9.3.2).
    pub fn has_body(&self) -> bool {
        Method::of(self.method.as_bytes()) != Method::Head
    }
}

/// What came of one check, in a word that metrics can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The server is as it should be.
    Passed,
    /// It can't be connected to, its TLS handshake included.
    Refused,
    /// It took too long.
    Timeout,
    /// It answered, and not as it should, or broke off.
    Answer,
}

impl CheckOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Passed, Self::Refused, Self::Timeout, Self::Answer];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Answer => "answer",
        }
    }
}
