//! What may be in progress at once in the whole process.

use std::sync::Arc;

use tokio::sync::Semaphore;
use weir_config::model::Limits;

use super::descriptors::Descriptors;

/// Permits that all workers share. Each is asked for once per connection.
#[derive(Debug, Clone)]
pub struct Permits {
    /// For client connections, where they are limited.
    pub connections: Option<Arc<Semaphore>>,
    /// For TLS handshakes.
    pub handshakes: Arc<Semaphore>,
    /// Which file descriptors client connections may have.
    pub descriptors: Descriptors,
}

impl Permits {
    /// As many as the limits say.
    pub fn new(limits: &Limits, descriptors: Descriptors) -> Self {
        let semaphore = |max: usize| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Self {
            connections: limits.connections.map(semaphore),
            handshakes: semaphore(limits.handshakes),
            descriptors,
        }
    }
}
