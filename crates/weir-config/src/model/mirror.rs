//! What servers beside those of a route get of its requests: copies that nobody waits for.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use weir_core::compare::CompareRule;

use super::UpstreamId;

/// Copies of requests for other servers.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    /// Which servers.
    pub upstream: UpstreamId,
    /// Of how many requests there is a copy, from 0 to 1.
    pub share: f64,
    /// How many copies wait at the same time, of each worker.
    pub queue: usize,
    /// How long a copy may wait and take together.
    pub timeout: Duration,
}

impl Hash for Mirror {
    /// By all but the number of its upstream, which says where that stands in the configuration.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { upstream: _, share, queue, timeout } = self;
        (share.to_bits(), queue, timeout).hash(state);
    }
}

/// Copies whose answers are compared with those that clients got.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Compare {
    /// The copies.
    pub mirror: Mirror,
    /// Of which methods.
    pub methods: Vec<Box<str>>,
    /// What is compared.
    pub rule: CompareRule,
    /// The longest body that is compared, in bytes.
    pub body_bytes_max: usize,
    /// How many examples of differences are kept.
    pub keep: usize,
}
