//! What the configuration said of an upstream, as fingerprints.

use weir_config::model;

use super::fingerprint::Fingerprint;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamMark {
    /// All of it.
    pub(super) whole: Fingerprint,
    /// What concerns each of its servers: how they are reached, watched and limited.
    pub(super) terms: Fingerprint,
}

impl UpstreamMark {
    /// That of an upstream.
    pub(super) fn of(upstream: &model::Upstream, are_messages_counted: bool) -> Self {
        let model::Upstream { tls, eject, limits, .. } = upstream;
        let of_servers =
            limits.map(|limits| (limits.server_requests, limits.server_connections, limits.connections));
        Self {
            whole: Fingerprint::of(&(upstream, are_messages_counted)),
            terms: Fingerprint::of(&(tls, eject, of_servers, are_messages_counted)),
        }
    }
}
