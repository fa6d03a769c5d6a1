//! What a health check asks of a server.

use std::time::Duration;

/// How the servers of an upstream are checked.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// Time between two checks of one server.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Successes in a row after which a server is HEALTHY.
    pub healthy_after: u32,
    /// Failures in a row after which a server is UNREACHABLE.
    pub unhealthy_after: u32,
}

/// What one check does.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// Connect and close.
    Tcp,
    /// `GET path`, a 2xx or 3xx is a success.
    Http {
        /// The path, with its leading slash.
        path: Box<str>,
    },
}
