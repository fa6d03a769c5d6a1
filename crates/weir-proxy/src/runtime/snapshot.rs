//! The running configuration: immutable, shared by all workers, replaced as a whole.
//!
//! Nothing on a request's way reads the configuration by name. Everything a route needs is in its [`Route`], and what a
//! route does not use costs it nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::{Deref, Range};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use tokio::time::Instant;
use weir_config::model::{
    FieldEdits, HostPolicy, Limits, PathEdit, Redirect, Replay, RequestIds, Timeouts, Trace,
};
use weir_core::address::AddressRules;
use weir_core::route::RouteTable;
use weir_upstream::body::BodyLimits;
use weir_upstream::body::replay::ReplayLimits;
use weir_upstream::h1::head::HeadLimits;
use weir_upstream::message_counts::MessageCounts;
use weir_upstream::policy_groups::PolicyGroups;
use weir_upstream::upstream::Upstream;

use super::authentication::Authentication;
use super::concurrency::SharedConcurrency;
use super::dispatch::{Dispatches, Hedging};
use super::inventory::WatchedInventory;
use super::mirrors::Beside;
use super::rates::Rates;
use super::traffic::{LocalTraffic, Place, RouteTally, TrafficRegistry};
use super::upstream_mark::UpstreamMark;
use super::upstream_room::UpstreamRoom;
use crate::access_log::Wanted;

/// A running configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Finds services and routes.
    pub table: RouteTable,
    /// Services; indexed by what the table finds.
    pub services: Vec<Service>,
    /// The routes of all services, by the table's numbers.
    pub routes: Vec<Route>,
    /// Upstreams, in the order of the configuration.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Upstreams whose servers register themselves, whether a route uses them or not; every snapshot has the same.
    pub policy_groups: Arc<PolicyGroups>,
    /// Peers whose X-Forwarded-* fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who is asked for the addresses of names; whom the system asks when there are none.
    pub resolver: Vec<SocketAddr>,
    /// Whether servers get `Forwarded` too.
    pub forwarded: bool,
    /// Fields in which some listener passes on the subject of a client's certificate.
    pub subject_headers: Vec<Box<str>>,
    /// Those, and the fields that claims become on some route. A server that reads one believes that we wrote it, so no client
    /// sets any of them, on any listener and any route.
    pub own_fields: Vec<Box<str>>,
    /// The access log's lines, if any are wanted.
    pub access_log: Option<Arc<Wanted>>,
    /// What becomes of request ids.
    pub request_ids: RequestIds,
    /// What becomes of traces.
    pub trace: Trace,
    /// Messages by method and status, where somebody wants to know.
    pub messages: Option<Arc<MessageCounts>>,
    /// The configuration as people may see it.
    pub written: Option<Arc<str>>,
    /// Limits.
    pub limits: Limits,
    /// Timeouts.
    pub timeouts: Timeouts,
    /// How much of a request's body is kept for more than one server.
    pub replay: Replay,
    /// How many requests may be with each upstream at once, where that is written.
    pub rooms: Vec<Option<Arc<UpstreamRoom>>>,
    /// The inventory of each upstream, where there is one.
    pub inventories: Vec<Option<Arc<WatchedInventory>>>,
    /// What the configuration said of each upstream.
    pub marks: Vec<UpstreamMark>,
    /// Routes that hedge, by number.
    pub hedging: Vec<usize>,
    /// What routes have done; the same one from one snapshot to the next.
    pub traffic: Arc<TrafficRegistry>,
    /// The moment from which the time of rates is counted.
    pub since: Instant,
}

/// A worker's hold on a snapshot. Exchanges clone it without touching the counter that all workers share.
#[derive(Debug, Clone)]
pub struct LocalSnapshot(Rc<Held>);

#[derive(Debug)]
struct Held {
    snapshot: Arc<Snapshot>,
    traffic: LocalTraffic,
    /// What connections keep of a route that have switched to another protocol; all of one route keep the same.
    remnants: RefCell<BTreeMap<usize, LocalSnapshot>>,
}

impl LocalSnapshot {
    /// A worker takes hold of what was published to it.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self(Rc::new(Held { snapshot, traffic: LocalTraffic::default(), remnants: RefCell::default() }))
    }

    /// What a connection keeps that has switched to another protocol at the route with this number; there the route has the number
    /// 0. `None` when that route sends requests nowhere.
    pub fn remnant(&self, number: usize) -> Option<Self> {
        let mut remnants = self.0.remnants.borrow_mut();
        if let Some(known) = remnants.get(&number) {
            return Some(known.clone());
        }
        let remnant = Self::new(Arc::new(self.0.snapshot.remnant(number)?));
        remnants.insert(number, remnant.clone());
        Some(remnant)
    }

    /// This worker's counters of the route with this number.
    #[inline]
    pub fn tally(&self, number: usize) -> &RouteTally {
        let snapshot = &*self.0.snapshot;
        let route = &snapshot.routes[number];
        let names = || (&*snapshot.services[route.service as usize].name, &*route.name);
        let place = Place { number, routes: snapshot.routes.len(), is_among_others: &route.is_among_others };
        self.0.traffic.tally(place, &snapshot.traffic, names)
    }
}

impl Deref for LocalSnapshot {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0.snapshot
    }
}

impl Snapshot {
    /// The route with this number.
    pub fn route(&self, number: usize) -> &Route {
        &self.routes[number]
    }

    /// The routes of a service, in the order of the file.
    pub fn routes_of(&self, service: &Service) -> &[Route] {
        &self.routes[service.routes.clone()]
    }

    /// Groups of policies that no route uses: they are not among the upstreams of the configuration.
    pub(super) fn other_policy_groups(&self) -> Vec<Arc<Upstream>> {
        let mut groups = self.policy_groups.all();
        groups.retain(|group| !self.upstreams.iter().any(|upstream| Arc::ptr_eq(upstream, group)));
        groups
    }

    /// How often a key took over the entry of another one, in all rates.
    pub fn rate_takeovers(&self) -> u64 {
        let rates =
            self.routes.iter().filter_map(|route| route.admit.as_ref()).flat_map(|admit| admit.rates.all());
        rates.map(|rate| rate.limit.taken_over()).sum()
    }

    /// How many requests wait for their turn.
    pub fn waiting(&self) -> u64 {
        let limits = self.routes.iter().filter_map(Route::concurrency);
        let of_routes: u64 = limits.map(|limits| u64::from(limits.waiting())).sum();
        let rooms = self.rooms.iter().flatten();
        of_routes + rooms.map(|room| u64::from(room.places().waiting())).sum::<u64>()
    }

    /// A moment of the clock as the time of rates, which goes on from one snapshot to the next.
    pub fn time(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Who gets copies, by route.
    pub(super) fn besides(&self) -> impl Iterator<Item = (&Service, &Route, &Beside)> {
        self.routes.iter().filter_map(|route| match &route.action {
            Action::Forward(forward) => {
                Some((&self.services[route.service as usize], route, forward.beside.as_deref()?))
            }
            Action::Redirect(_) | Action::Respond(_) => None,
        })
    }

    /// Where a route sends requests, if it does.
    pub fn forward(&self, number: usize) -> Option<&Forward> {
        match &self.routes[number].action {
            Action::Forward(forward) => Some(forward),
            Action::Redirect(_) | Action::Respond(_) => None,
        }
    }

    /// Limits of heads, in both directions.
    pub fn head_limits(&self) -> HeadLimits {
        HeadLimits { bytes_max: self.limits.head_bytes, fields_max: self.limits.fields }
    }

    /// What may be kept of a body; with `lossy` the request goes on where it can't be kept.
    pub fn replay_limits(&self, lossy: bool) -> ReplayLimits {
        let Replay { memory_bytes, disk_bytes, .. } = self.replay;
        ReplayLimits { memory_bytes, disk_bytes, lossy }
    }

    /// Limits of request bodies.
    pub fn request_body_limits(&self) -> BodyLimits {
        BodyLimits { bytes_max: self.limits.body_bytes, ..self.answer_body_limits() }
    }

    /// Limits of answer bodies.
    pub fn answer_body_limits(&self) -> BodyLimits {
        BodyLimits {
            bytes_max: None,
            trailer_bytes_max: self.limits.head_bytes,
            trailer_fields_max: self.limits.fields,
        }
    }
}

/// The routes of some hosts.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Box<str>,
    /// The numbers of its routes.
    pub routes: Range<usize>,
}

/// One route. There may be very many, and a request waits for each line of memory that it reads of its own: what most routes
/// do not have lies elsewhere.
#[derive(Debug)]
#[repr(align(128))]
pub struct Route {
    /// Which service it belongs to.
    pub service: u32,
    /// Its name.
    pub name: Box<str>,
    /// What it does.
    pub action: Action,
    /// Changes of the answer's fields; `None` for none.
    pub answer_fields: Option<Box<FieldEdits>>,
    /// Whether answers carry `X-Backend-Server`.
    pub backend_server: bool,
    /// Whether answers carry `Server-Timing`.
    pub server_timing: bool,
    /// Whether it is counted together with others, see [`traffic`](super::traffic).
    pub is_among_others: AtomicBool,
    /// What clients prove before their requests go on.
    pub authenticate: Option<Arc<Authentication>>,
    /// Whether clients must come over https.
    pub https_only: Option<Box<HttpsOnly>>,
    /// Who may ask; `None` for everybody.
    pub admit: Option<Box<Admit>>,
}

impl Route {
    /// Whether it asks something of a request before it does its deed: https, who the client is, how often it has asked.
    #[inline]
    pub fn is_guarded(&self) -> bool {
        self.https_only.is_some() || self.admit.is_some() || self.authenticate.is_some()
    }

    /// Whether some method of it is hedged.
    pub(super) fn hedges(&self) -> bool {
        match &self.action {
            Action::Forward(forward) => forward.dispatch.hedging().next().is_some(),
            Action::Redirect(_) | Action::Respond(_) => false,
        }
    }

    /// The time within which most answers begin, where it hedges and that is known.
    pub(super) fn hedge_percentile(&self) -> Option<Duration> {
        match &self.action {
            Action::Forward(forward) => forward.dispatch.hedging().find_map(Hedging::percentile),
            Action::Redirect(_) | Action::Respond(_) => None,
        }
    }

    /// Its limits of what is in progress at once.
    pub fn concurrency(&self) -> Option<&SharedConcurrency> {
        self.admit.as_ref()?.concurrency.as_deref()
    }
}

/// Sending clients to https.
#[derive(Debug)]
pub struct HttpsOnly {
    /// Where those go who come in the clear.
    pub redirect: Redirect,
    /// `Strict-Transport-Security` for the others.
    pub security: Box<str>,
}

/// Who may ask.
#[derive(Debug)]
pub struct Admit {
    /// Which addresses; `None` for all.
    pub addresses: Option<AddressRules>,
    /// How often.
    pub rates: Rates,
    /// How much at once; `None` for any.
    pub concurrency: Option<Arc<SharedConcurrency>>,
}

/// What a route does.
#[derive(Debug)]
pub enum Action {
    /// Send the request to servers.
    Forward(Forward),
    /// Answer with a redirect.
    Redirect(Redirect),
    /// Answer with a fixed text.
    Respond(Respond),
}

/// Answering with a fixed text.
#[derive(Debug)]
pub struct Respond {
    /// The status.
    pub status: u16,
    /// Content-Type.
    pub content_type: Box<str>,
    /// The content; exchanges share it.
    pub body: Bytes,
}

/// Sending a request to servers.
#[derive(Debug)]
pub struct Forward {
    /// Which servers.
    pub upstream: Arc<Upstream>,
    /// How many requests may be with it at once; `None` for any number. Routes share it.
    pub room: Option<Arc<UpstreamRoom>>,
    /// How many servers get a request.
    pub dispatch: Dispatches,
    /// Who gets copies beside them; `None` for nobody.
    pub beside: Option<Box<Beside>>,
    /// What happens to the path before it is sent; `None` for nothing.
    pub path: Option<Box<PathEdit>>,
    /// Changes of the request's fields; `None` for none.
    pub request_fields: Option<Box<FieldEdits>>,
    /// What the server gets as Host; `None` for what the client sent.
    pub host: Option<Box<HostPolicy>>,
    /// What few requests ask for.
    pub seldom: Box<Seldom>,
}

/// What few requests ask a route for.
#[derive(Debug)]
pub struct Seldom {
    /// Protocols that a client may switch its connection to.
    pub upgrade: Vec<Box<str>>,
    /// The status for a client whose server can't be connected to, where it is not the usual one.
    pub unreachable_status: Option<u16>,
}
#[cfg(test)]
mod tests {
    use super::Route;

    /// With 100,000 routes nothing of a route is in a cache, and every line is waited for.
    #[test]
    fn a_route_is_two_lines_of_the_cache() {
        assert_eq!(size_of::<Route>(), 128);
    }
}
