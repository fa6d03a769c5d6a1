//! Requests that failed lately, with their reasons: what an operator wants to see first.

use std::time::Duration;

/// A request that has failed by a fault that is not its client's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentFailure {
    /// When it ended, in time since 1970.
    pub at: Duration,
    /// Its service; empty when it had none.
    pub service: String,
    /// Its route; empty when it had none.
    pub route: String,
    /// The server that was asked last; empty when none was.
    pub server: String,
    /// The method.
    pub method: String,
    /// The path without its query, shortened.
    pub path: String,
    /// The status that the client got; 0 when it got none.
    pub status: u16,
    /// The reason as the access log names it; `server_answered` for an answer of a server with a status of 500 or more.
    pub reason: &'static str,
    /// The reason for people.
    pub text: String,
    /// Attempts of which a byte may have been sent.
    pub attempts: u32,
    /// How long it took.
    pub duration: Duration,
    /// Its id, which is in the access log and in the answer.
    pub request_id: String,
}
