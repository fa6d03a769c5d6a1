//! Services: no host and no name twice, and each service's routes.

use std::collections::HashMap;
use std::path::Path;

use weir_core::route::HostPattern;

use crate::file::route::RouteFile;
use crate::file::service::ServiceFile;
use crate::model::Service;
use crate::node::shortened;
use crate::problem::{Problem, Problems};
use crate::source::{At, Span};

use super::authenticate::authenticate;
use super::authenticate::sources::Sources;
use super::own_fields::OwnFields;
use super::rate_memory::RateMemory;
use super::routes::{Defaults, Routes};
use super::upstreams::Upstreams;

/// Keys of a route that may stand beside `routes`: they hold for those routes that have no such key of their own.
const FOR_ALL_ROUTES: [&str; 5] = ["admit", "authenticate", "https_only", "mirror", "compare"];

/// The services so far.
pub(super) struct Services<'s> {
    base_dir: &'s Path,
    backend_server: bool,
    server_timing: bool,
    hosts: HashMap<HostPattern, Span>,
    names: HashMap<String, Span>,
    list: Vec<Service>,
    /// Where https is demanded first.
    https_only: Option<Span>,
    own_fields: OwnFields,
    rate_memory: RateMemory,
}

impl<'s> Services<'s> {
    /// Begins with none. `backend_server` and `server_timing` are what routes have that do not say.
    pub(super) fn new(base_dir: &'s Path, backend_server: bool, server_timing: bool) -> Self {
        Self {
            base_dir,
            backend_server,
            server_timing,
            hosts: HashMap::new(),
            names: HashMap::new(),
            list: Vec::new(),
            https_only: None,
            own_fields: OwnFields::default(),
            rate_memory: RateMemory::default(),
        }
    }

    /// Takes an entry of `services`.
    pub(super) fn add(
        &mut self,
        service: At<ServiceFile>,
        upstreams: &mut Upstreams,
        problems: &mut Problems,
    ) {
        let At { value: file, span } = service;
        self.claim_hosts(&file.hosts, problems);
        let name = self.name(&file, problems);
        let mut defaults = Defaults {
            base_dir: self.base_dir,
            backend_server: self.backend_server,
            server_timing: self.server_timing,
            authenticate: None,
        };
        if file.routes.is_some() {
            let own = file.own.authenticate.as_ref();
            let sources = Sources { base_dir: self.base_dir, trust: upstreams.trust() };
            defaults.authenticate = authenticate(own, None, &sources, problems);
        }
        let of_service = file.own.keys.clone();
        let mut places = Vec::new();
        let mut routes = Routes::new(&name, defaults);
        for route in written_routes(file.routes, file.own, span, problems) {
            let https_only = route.value.https_only.as_ref().filter(|https| https.value.is_some());
            self.https_only = self.https_only.or(https_only.map(|https| https.span));
            let place_of = |key| {
                let mut keys = route.value.keys.iter().chain(&of_service);
                keys.find(|(written, _)| *written == key).map_or(route.span, |(_, place)| *place)
            };
            places.push((place_of("authenticate"), place_of("admit")));
            routes.add(route, upstreams, problems);
        }
        let routes = routes.into_list();
        for (route, (authenticate, admit)) in routes.iter().zip(places) {
            if let Some(asked) = &route.authenticate {
                self.own_fields.note(asked, authenticate);
            }
            self.rate_memory.note(&route.admit.rates, admit);
        }
        let hosts = file.hosts.into_iter().map(|host| host.value).collect();
        self.list.push(Service { name, hosts, routes });
    }

    fn claim_hosts(&mut self, hosts: &[At<HostPattern>], problems: &mut Problems) {
        for host in hosts {
            if let Some(first) = self.hosts.insert(host.value.clone(), host.span) {
                problems.push(
                    Problem::error(host.span, format!("the host `{}` already has a service", host.value))
                        .beside(first, "it is written here")
                        .hint("a host belongs to one service; put the routes together there"),
                );
            }
        }
    }

    fn name(&mut self, file: &ServiceFile, problems: &mut Problems) -> String {
        let (name, place) = match (&file.name, file.hosts.first()) {
            (Some(name), _) => (name.value.clone(), name.span),
            (None, Some(host)) => (host.value.to_string(), host.span),
            // It has no host, which was said already.
            (None, None) => return String::new(),
        };
        if name.trim().is_empty() || name.contains(char::is_control) {
            problems.push(Problem::error(place, "a name has visible characters"));
        }
        // A host that stands twice was said already; only written names are new here.
        if let Some(first) = self.names.insert(name.clone(), place).filter(|_| file.name.is_some()) {
            problems.push(
                Problem::error(place, format!("two services are named `{}`", shortened(&name)))
                    .beside(first, "the first one"),
            );
        }
        name
    }

    /// Where https is demanded first, if it is anywhere.
    pub(super) fn https_only(&self) -> Option<Span> {
        self.https_only
    }

    /// What the rates of all routes may take.
    pub(super) fn rate_memory(&self) -> &RateMemory {
        &self.rate_memory
    }

    /// The services in the order of the file, and the fields that say who a client is.
    pub(super) fn into_list(self) -> (Vec<Service>, OwnFields) {
        (self.list, self.own_fields)
    }
}

/// The routes under `routes`, or the service itself as one route.
fn written_routes(
    routes: Option<Vec<At<RouteFile>>>,
    own: RouteFile,
    span: Span,
    problems: &mut Problems,
) -> Vec<At<RouteFile>> {
    let Some(mut routes) = routes else {
        return vec![At { value: own, span }];
    };
    for route in routes.iter_mut().map(|route| &mut route.value) {
        route.admit = route.admit.take().or_else(|| own.admit.clone());
        route.https_only = route.https_only.take().or_else(|| own.https_only.clone());
        route.mirror = route.mirror.take().or_else(|| own.mirror.clone());
        route.compare = route.compare.take().or_else(|| own.compare.clone());
    }
    for (key, place) in own.keys.into_iter().filter(|(key, _)| !FOR_ALL_ROUTES.contains(key)) {
        problems.push(
            Problem::error(place, format!("`{key}` stands beside `routes`"))
                .hint("a service has either `routes` or the keys of one route; move it into a route"),
        );
    }
    routes
}
