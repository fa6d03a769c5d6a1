//! What a load generator is told, and what it saw.

use std::net::SocketAddr;

use serde_json::Value;

use super::answer::Answer;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// GET.
    Get,
    /// GET, for one of ten thousand hosts after the other.
    GetOfHosts,
    /// POST with a body of so many bytes.
    Post(usize),
}

impl Method {
    /// What is sent behind the head, if something is: letters that mean nothing in any of the languages it is written into.
    pub(crate) fn body(self) -> Option<String> {
        match self {
            Self::Get | Self::GetOfHosts => None,
            Self::Post(bytes) => Some(Answer::Small.body().chars().cycle().take(bytes).collect()),
        }
    }
}

/// What is done how often, and by how many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    /// The peer.
    pub(crate) address: SocketAddr,
    /// Connections at once.
    pub(crate) connections: u32,
    /// How long.
    pub(crate) seconds: u32,
}

/// What one run saw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Load {
    /// Requests answered, or handshakes done.
    pub(crate) done: u64,
    /// The same per second.
    pub(crate) per_second: f64,
    /// Half of them took at most this many microseconds.
    pub(crate) median_us: f64,
    /// 99 of 100 took at most this many microseconds.
    pub(crate) p99_us: f64,
    /// How many writes became durable at once on average, if somebody counted.
    pub(crate) in_commit: Option<f64>,
    /// What makes the run worthless; empty for a good one.
    pub(crate) troubles: Vec<String>,
}

impl Load {
    /// What a load generator of ours said; `None` when that is not known.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub(crate) fn said(said: &Value, done: u64, troubles: Vec<String>) -> Option<Self> {
        Some(Self {
            done,
            per_second: done as f64 / said["seconds"].as_f64()?,
            in_commit: said["commits"].as_f64().map(|commits| done as f64 / commits),
            median_us: said["p50_us"].as_f64()?,
            p99_us: said["p99_us"].as_f64()?,
            troubles,
        })
    }
}
