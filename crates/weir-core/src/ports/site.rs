//! Services and routes as they are in force, page by page: there may be very many.

use std::sync::Arc;

/// One service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its hosts as the configuration writes them.
    pub hosts: Vec<String>,
    /// How many routes it has.
    pub routes: usize,
}

/// One route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteStatus {
    /// The name of its service.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its path as the configuration writes it.
    pub path: String,
    /// Its methods; empty for all.
    pub methods: Vec<String>,
    /// What it does: `forward`, `redirect` or `respond`.
    pub action: &'static str,
    /// Where it sends requests, if it does.
    pub upstream: Option<String>,
    /// Dispatch modes by method, `*` for the others; empty where it sends none.
    pub dispatch: Vec<(String, &'static str)>,
    /// Upstreams that get copies.
    pub mirrors: Vec<String>,
    /// The upstream whose answers are compared.
    pub compare: Option<String>,
    /// What it asks of clients: `https_only`, `addresses`, `rates`, `concurrency`, `authenticate`.
    pub guards: Vec<&'static str>,
}

/// Some of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page<T> {
    /// Those that were asked for, in the order of the configuration.
    pub items: Vec<T>,
    /// How many there are.
    pub total: usize,
}

/// Somebody who knows services and routes.
pub trait SiteSource: Send + Sync {
    /// Services from this one on, at most so many.
    fn services(&self, from: usize, max: usize) -> Page<ServiceStatus>;

    /// Routes from this one on, at most so many: of all services, or of those with this name. `None` when there is none.
    fn routes(&self, service: Option<&str>, from: usize, max: usize) -> Option<Page<RouteStatus>>;
}

/// The usual way to hand one around.
pub type SharedSiteSource = Arc<dyn SiteSource>;
