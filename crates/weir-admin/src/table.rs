//! Everything that the admin listener answers: the one table of its paths. `docs/admin-api.md` has the same, and a test holds the
//! two against each other.

use hyper::Method;

#[cfg(test)]
mod tests;

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// See [`dashboard`](crate::dashboard).
    Page,
    Healthz,
    Readyz,
    Metrics,
    Status,
    Services,
    Routes,
    /// See [`connections`](crate::connections).
    Connections,
    Servers,
    Certificates,
    Compare,
    Failures,
    Events,
    Configuration,
    LogLevel,
    Drain,
    Upgrade,
    /// See [`reload_routes`](crate::reload_routes).
    Reload,
    /// See [`upstream_routes`](crate::upstream_routes).
    Upstreams,
    /// See [`queue_routes`](crate::queue_routes).
    Queues,
}

/// A path and what may be done with it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The path; `{…}` is a segment that is not empty.
    pub(crate) path: &'static str,
    /// The methods; HEAD is taken where GET is.
    pub(crate) methods: &'static [Method],
    /// What answers.
    pub(crate) deed: Deed,
}

const fn read(path: &'static str, deed: Deed) -> Entry {
    Entry { path, methods: &[Method::GET], deed }
}

const fn done(path: &'static str, deed: Deed) -> Entry {
    Entry { path, methods: &[Method::POST], deed }
}

/// Everything there is.
pub(crate) const ALL: &[Entry] = &[
    read("/", Deed::Page),
    read("/dashboard/{file}", Deed::Page),
    read("/healthz", Deed::Healthz),
    read("/readyz", Deed::Readyz),
    read("/metrics", Deed::Metrics),
    read("/api/v1/status", Deed::Status),
    read("/api/v1/services", Deed::Services),
    read("/api/v1/routes", Deed::Routes),
    read("/api/v1/connections", Deed::Connections),
    Entry { path: "/api/v1/connections/{connection}", methods: &[Method::DELETE], deed: Deed::Connections },
    read("/api/v1/upstreams", Deed::Upstreams),
    read("/api/v1/upstreams/{upstream}", Deed::Upstreams),
    Entry {
        path: "/api/v1/upstreams/{upstream}/servers/{server}",
        methods: &[Method::GET, Method::PUT, Method::DELETE],
        deed: Deed::Upstreams,
    },
    done("/api/v1/upstreams/{upstream}/servers/{server}/register", Deed::Upstreams),
    read("/api/v1/servers", Deed::Servers),
    read("/api/v1/queues", Deed::Queues),
    read("/api/v1/queues/{queue}", Deed::Queues),
    Entry {
        path: "/api/v1/queues/{queue}/writes",
        methods: &[Method::GET, Method::DELETE],
        deed: Deed::Queues,
    },
    Entry {
        path: "/api/v1/queues/{queue}/writes/{write}",
        methods: &[Method::GET, Method::DELETE],
        deed: Deed::Queues,
    },
    done("/api/v1/queues/{queue}/retry", Deed::Queues),
    read("/api/v1/certificates", Deed::Certificates),
    read("/api/v1/compare", Deed::Compare),
    read("/api/v1/failures", Deed::Failures),
    read("/api/v1/events", Deed::Events),
    read("/api/v1/configuration", Deed::Configuration),
    done("/api/v1/reload", Deed::Reload),
    done("/api/v1/drain", Deed::Drain),
    done("/api/v1/upgrade", Deed::Upgrade),
    Entry { path: "/api/v1/log-level", methods: &[Method::GET, Method::PUT], deed: Deed::LogLevel },
];

/// Metrics alone; at the root too, where the libraries of other languages serve them.
pub(crate) const METRICS: &[Entry] = &[read("/metrics", Deed::Metrics), read("/", Deed::Metrics)];

impl Entry {
    /// Whether it has this path.
    pub(crate) fn takes(&self, path: &str) -> bool {
        let (mut own, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return true,
                (Some(own), Some(asked)) if own.starts_with('{') && !asked.is_empty() => {}
                (Some(own), Some(asked)) if own == asked => {}
                _ => return false,
            }
        }
    }

    /// Whether everybody may ask, also without the token.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.deed, Deed::Page | Deed::Healthz | Deed::Readyz)
    }
}
