//! What routes have done, by route: for metrics, and for people who look on.

use super::histogram::Histogram;

/// As many routes are told apart; requests of the others are counted together. It bounds the memory of counters and the length of
/// the metrics page: a route has up to a hundred lines there.
pub const ROUTES_MAX: usize = 500;

/// What one route has done since the process started, or all those together that are beyond [`ROUTES_MAX`].
#[derive(Debug, Clone, Default)]
pub struct RouteTraffic {
    /// The name of its service; empty for those that are counted together.
    pub service: String,
    /// Its name; `(others)` for those that are counted together.
    pub route: String,
    /// Requests that are over; no two entries have all names in common, and none is zero.
    pub requests: Vec<RequestCount>,
    /// From the end of a request's head to the end of its answer.
    pub total: Histogram,
    /// Opening a connection to a server, with the TLS handshake; `None` while none was opened.
    pub connect: Option<Histogram>,
    /// From the first attempt to the head of a server's answer; `None` while no server has answered.
    pub head: Option<Histogram>,
}

/// The name of what is counted together; no route can have it, because names of routes have no parentheses in front.
pub const OTHERS: &str = "(others)";

/// Requests of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestCount {
    /// The dispatch mode; `none` for requests that went to no server.
    pub mode: &'static str,
    /// The class of the method, see [`MethodClass`](crate::traffic::MethodClass).
    pub method: &'static str,
    /// The class of the status, see [`STATUS_CLASSES`](crate::traffic::STATUS_CLASSES).
    pub status: &'static str,
    /// How many.
    pub count: u64,
}

impl RouteTraffic {
    /// All its requests.
    pub fn requests_total(&self) -> u64 {
        self.requests.iter().map(|one| one.count).sum()
    }
}
