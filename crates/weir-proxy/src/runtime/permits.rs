//! What may be in progress at once in the whole process.

use std::sync::Arc;

use weir_config::model::Limits;
use weir_upstream::io::descriptors::Descriptors;
use weir_upstream::permit::{Permit, PermitCount};

/// Permits that all workers share. Each is asked for once per connection.
#[derive(Debug, Clone)]
pub struct Permits {
    /// For client connections; those without a limit have one that nobody reaches, so that it may become another one while
    /// they are open.
    connections: Arc<PermitCount>,
    /// For TLS handshakes.
    handshakes: Arc<PermitCount>,
    /// Which file descriptors client connections may have.
    pub descriptors: Descriptors,
}

impl Permits {
    /// As many as the limits say.
    pub fn new(limits: &Limits, descriptors: Descriptors) -> Self {
        let (connections, handshakes) = numbers(limits);
        Self {
            connections: PermitCount::new(connections),
            handshakes: PermitCount::new(handshakes),
            descriptors,
        }
    }

    /// From now on as many as these limits say.
    pub(super) fn resize(&self, limits: &Limits) {
        let (connections, handshakes) = numbers(limits);
        self.connections.resize(connections);
        self.handshakes.resize(handshakes);
    }

    /// A permit for a client connection, when it is its turn. Cancel safe.
    pub(crate) async fn connection(&self) -> Permit {
        self.connections.take().await
    }

    /// Whether whoever asks for one now has to wait.
    pub(crate) fn connections_are_out(&self) -> bool {
        self.connections.are_out()
    }

    /// The same of handshakes.
    pub(crate) fn handshakes_are_out(&self) -> bool {
        self.handshakes.are_out()
    }

    /// The same for a TLS handshake.
    pub(crate) async fn handshake(&self) -> Permit {
        self.handshakes.take().await
    }
}

fn numbers(limits: &Limits) -> (usize, usize) {
    (limits.connections.unwrap_or(PermitCount::MAX), limits.handshakes)
}
