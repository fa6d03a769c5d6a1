//! From the checked model to a snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use weir_config::model::{self, FieldEdits, HostPolicy, ListenAddress, Model, PathEdit, Redirect};
use weir_core::route::RouteTable;
use weir_upstream::io::deadline::now;
use weir_upstream::policy_groups::PolicyGroups;
use weir_upstream::upstream::Upstream;

use super::authentication::Authentication;
use super::authentication::verifiers::Verifiers;
use super::concurrency::SharedConcurrency;
use super::dispatch::Dispatches;
use super::fingerprint::Fingerprint;
use super::mirrors::{Beside, Counted};
use super::queues::Queues;
use super::rates::Rates;
use super::snapshot::{Action, Admit, Forward, HttpsOnly, Respond, Route, Seldom, Service, Snapshot};
use super::upstream_room::UpstreamRoom;
use super::upstreams::{self, Upstreams};
use crate::access_log::Wanted;

/// Builds what workers run on. A model can't hold nonsense, so this can't fail.
pub fn snapshot(model: &Model, verifiers: &Verifiers, queues: &Queues) -> Snapshot {
    snapshot_beside(model, verifiers, queues, Arc::default())
}

/// The same where servers may have registered already.
pub(super) fn snapshot_beside(
    model: &Model,
    verifiers: &Verifiers,
    queues: &Queues,
    policy_groups: Arc<PolicyGroups>,
) -> Snapshot {
    let snapshot = Snapshot { policy_groups, ..build(model, verifiers, queues, None) };
    upstreams::adopt_policy_groups(&snapshot, None);
    snapshot
}

/// Builds what comes after a snapshot. What stays as it is goes on with what has been used of it.
pub fn successor(model: &Model, verifiers: &Verifiers, queues: &Queues, before: &Snapshot) -> Snapshot {
    build(model, verifiers, queues, Some(before))
}

fn build(model: &Model, verifiers: &Verifiers, queues: &Queues, before: Option<&Snapshot>) -> Snapshot {
    let counted = || before.and_then(|before| before.messages.clone()).unwrap_or_default();
    let messages = model.metrics.map(|_| counted());
    let since = before.map_or_else(now, |before| before.since);
    let policy_groups = before.map(|before| Arc::clone(&before.policy_groups)).unwrap_or_default();
    let Upstreams { upstreams, rooms, inventories, marks } =
        Upstreams::new(model, messages.as_ref(), since, before);
    let client_entries = model.limits.client_entries;
    let mut shared = Shared {
        upstreams: &upstreams,
        rooms: &rooms,
        verifiers,
        queues,
        authentications: HashMap::new(),
        mirrored: Counted::following(before.into_iter().flat_map(Snapshot::besides).map(|(_, _, it)| it)),
        routes_before: routes_by_name(before),
        client_entries,
        https_port: https_port(model),
    };
    let mut routes = Vec::with_capacity(model.services.iter().map(|service| service.routes.len()).sum());
    let mut services = Vec::with_capacity(model.services.len());
    for (number, service) in (0..).zip(&model.services) {
        let begin = routes.len();
        routes.extend(service.routes.iter().map(|it| route((number, &service.name), it, &mut shared)));
        services.push(Service { name: service.name.as_str().into(), routes: begin..routes.len() });
    }
    let table = RouteTable::new(
        model
            .services
            .iter()
            .map(|service| {
                let rules = service.routes.iter().map(|route| route.rule.clone()).collect();
                (service.hosts.clone(), rules)
            })
            .collect(),
    );
    let subject_headers = subject_headers(model, before);
    Snapshot {
        table,
        hedging: (0..).zip(&routes).filter(|(_, route)| route.hedges()).map(|(number, _)| number).collect(),
        replay: model.replay,
        services,
        routes,
        rooms,
        inventories,
        upstreams,
        marks,
        policy_groups,
        trusted_proxies: model.trusted_proxies.clone(),
        resolver: model.resolver.clone(),
        forwarded: model.forwarded,
        own_fields: own_fields(model, &subject_headers),
        subject_headers,
        access_log: Wanted::of(&model.access_log).map(Arc::new),
        request_ids: model.request_ids,
        trace: model.trace,
        messages,
        written: model.written.as_ref().map(|written| Arc::clone(&written.0)),
        limits: model.limits,
        timeouts: model.timeouts,
        traffic: before.map_or_else(Arc::default, |before| Arc::clone(&before.traffic)),
        since,
    }
}

fn routes_by_name(before: Option<&Snapshot>) -> HashMap<(&str, &str), &Route> {
    let Some(before) = before else { return HashMap::new() };
    let service = |route: &Route| &*before.services[route.service as usize].name;
    before.routes.iter().map(|route| ((service(route), &*route.name), route)).collect()
}

/// What routes share.
struct Shared<'u> {
    upstreams: &'u [Arc<Upstream>],
    rooms: &'u [Option<Arc<UpstreamRoom>>],
    verifiers: &'u Verifiers,
    /// Opened before.
    queues: &'u Queues,
    /// By what they were made of: routes of one service ask for the same, and what is counted of it is counted once.
    authentications: HashMap<*const model::Authenticate, Arc<Authentication>>,
    /// What is counted of mirrors.
    mirrored: Counted,
    /// The routes that are in force until now, by the names of their services and their own.
    routes_before: HashMap<(&'u str, &'u str), &'u Route>,
    /// `limits.client_entries`
    client_entries: usize,
    /// Where clients reach https.
    https_port: u16,
}

impl Shared<'_> {
    /// What is asked of clients; what is asked since before goes on with what was counted of it.
    fn authentication(
        &mut self,
        service: &str,
        route: &model::Route,
        model: &Arc<model::Authenticate>,
    ) -> Arc<Authentication> {
        if let Some(made) = self.authentications.get(&Arc::as_ptr(model)) {
            return Arc::clone(made);
        }
        let known = self.route_before(service, route).and_then(|before| before.authenticate.as_ref());
        let made = match known.filter(|known| known.mark == Fingerprint::of(&**model)) {
            Some(known) => Arc::clone(known),
            None => Arc::new(Authentication::new(model, self.verifiers)),
        };
        self.authentications.insert(Arc::as_ptr(model), Arc::clone(&made));
        made
    }

    /// The route of this name until now.
    fn route_before(&self, service: &str, route: &model::Route) -> Option<&Route> {
        self.routes_before.get(&(service, &*route.name)).copied()
    }

    fn forward_before(&self, service: &str, route: &model::Route) -> Option<&Forward> {
        match &self.route_before(service, route)?.action {
            Action::Forward(forward) => Some(forward),
            Action::Redirect(_) | Action::Respond(_) => None,
        }
    }

    fn forward(&mut self, service: &str, route: &model::Route, forward: &model::Forward) -> Forward {
        let upstream = &self.upstreams[forward.upstream.0];
        let mut mirrored = std::mem::take(&mut self.mirrored);
        let before = self.forward_before(service, route);
        let known = before.and_then(|before| before.beside.as_deref());
        let beside = Beside::new(forward, self.upstreams, &mut mirrored, known);
        let dispatch_before = before.map(|before| &before.dispatch);
        let made = Forward {
            upstream: Arc::clone(upstream),
            room: self.rooms[forward.upstream.0].clone(),
            dispatch: Dispatches::new(&forward.dispatch, upstream, self.queues, dispatch_before),
            beside: beside.map(Box::new),
            path: path_edit(&forward.path),
            request_fields: edits(&forward.request_fields),
            host: host_policy(&forward.host),
            seldom: Box::new(Seldom {
                upgrade: forward.upgrade.clone(),
                unreachable_status: forward.unreachable_status,
            }),
        };
        self.mirrored = mirrored;
        made
    }

    /// `None` when everybody may ask, so that such a route pays nothing.
    fn admit(&self, service: &str, route: &model::Route) -> Option<Box<Admit>> {
        let model::Admit { addresses, rates, concurrency } = &route.admit;
        if addresses.is_none() && rates.is_empty() && concurrency.is_none() {
            return None;
        }
        let before = self.route_before(service, route).and_then(|route| route.admit.as_ref());
        let rates = Rates::new(rates, self.client_entries, before.map(|before| &before.rates));
        let in_progress = before.and_then(|before| before.concurrency.as_ref());
        let concurrency =
            concurrency.map(|rule| SharedConcurrency::following(rule, self.client_entries, in_progress));
        Some(Box::new(Admit { addresses: addresses.clone(), rates, concurrency }))
    }
}

fn route((number, service): (u32, &str), route: &model::Route, shared: &mut Shared<'_>) -> Route {
    let action = match &route.action {
        model::Action::Forward(forward) => Action::Forward(shared.forward(service, route, forward)),
        model::Action::Redirect(redirect) => Action::Redirect(redirect.clone()),
        model::Action::Respond(respond) => Action::Respond(Respond {
            status: respond.status,
            content_type: respond.content_type.clone(),
            body: respond.body.clone().into_boxed_bytes().into(),
        }),
    };
    Route {
        service: number,
        name: route.name.as_str().into(),
        action,
        answer_fields: edits(&route.answer_fields),
        backend_server: route.backend_server,
        server_timing: route.server_timing,
        is_among_others: AtomicBool::new(false),
        authenticate: route.authenticate.as_ref().map(|asked| shared.authentication(service, route, asked)),
        https_only: route.https_only.as_ref().map(|https| Box::new(https_only(https, shared.https_port))),
        admit: shared.admit(service, route),
    }
}

/// Those of the listeners: of the model's, and of what runs, because listeners stay as they were at the start.
fn subject_headers(model: &Model, before: Option<&Snapshot>) -> Vec<Box<str>> {
    let own = model.listen.iter().filter_map(|listen| listen.tls.as_ref()?.subject_header.clone());
    let running = before.into_iter().flat_map(|before| before.subject_headers.iter().cloned());
    let mut all: Vec<_> = own.chain(running).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What nobody but us may say: these, and the fields of claims.
fn own_fields(model: &Model, subject_headers: &[Box<str>]) -> Vec<Box<str>> {
    let routes = model.services.iter().flat_map(|service| &service.routes);
    let proofs = routes.filter_map(|route| route.authenticate.as_ref()).flat_map(|asked| &asked.proofs);
    let claims = proofs.flat_map(|proof| match proof {
        model::Proof::Jwt(jwt) => &*jwt.fields,
        model::Proof::ApiKey(_) | model::Proof::Basic(_) => &[],
    });
    let mut all: Vec<Box<str>> = subject_headers.to_vec();
    for field in claims {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(field)) {
            all.push(field.clone());
        }
    }
    all
}

/// The port of the first listener with TLS, else the one that https has.
fn https_port(model: &Model) -> u16 {
    let port = |listen: &model::Listen| match (&listen.tls, &listen.address) {
        // A port that the system chooses is known to nobody when this is written.
        (Some(_), ListenAddress::Tcp(address)) if address.port() != 0 => Some(address.port()),
        _ => None,
    };
    model.listen.iter().find_map(port).unwrap_or(443)
}

fn https_only(https: &model::HttpsOnly, default_port: u16) -> HttpsOnly {
    let location = match https.port.unwrap_or(default_port) {
        443 => "https://$host$path$query".into(),
        port => format!("https://$host:{port}$path$query").into(),
    };
    // 308, because 301 lets clients turn a POST into a GET (RFC 9110 §15.4.9).
    HttpsOnly { redirect: Redirect { status: 308, location }, security: https.field_value().into() }
}

fn host_policy(policy: &HostPolicy) -> Option<Box<HostPolicy>> {
    match policy {
        HostPolicy::Keep => None,
        policy => Some(Box::new(policy.clone())),
    }
}

fn path_edit(edit: &PathEdit) -> Option<Box<PathEdit>> {
    match edit {
        PathEdit::Keep => None,
        edit => Some(Box::new(edit.clone())),
    }
}

fn edits(edits: &FieldEdits) -> Option<Box<FieldEdits>> {
    (!edits.is_empty()).then(|| Box::new(edits.clone()))
}
