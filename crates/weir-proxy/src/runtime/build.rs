//! From the checked model to a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;
use weir_config::model::{self, FieldEdits, HostPolicy, ListenAddress, Model, PathEdit, Redirect};
use weir_core::health::State;
use weir_core::route::RouteTable;
use weir_upstream::breakers::Breakers;
use weir_upstream::connections::ConnectionRoom;
use weir_upstream::io::deadline::now;
use weir_upstream::message_counts::MessageCounts;
use weir_upstream::recruit::{NamedServers, Recruit};
use weir_upstream::retries::Retries;
use weir_upstream::roster::{Member, Origin, Roster};
use weir_upstream::sticky::Sticky;
use weir_upstream::upstream::{Upstream, Waits};

use super::authentication::Authentication;
use super::authentication::verifiers::Verifiers;
use super::concurrency::SharedConcurrency;
use super::dispatch::Dispatches;
use super::inventory::WatchedInventory;
use super::mirrors::{Beside, Counted};
use super::queues::Queues;
use super::rates::Rates;
use super::snapshot::{Action, Admit, Forward, HttpsOnly, Respond, Route, Seldom, Service, Snapshot};
use super::upstream_room::UpstreamRoom;
use crate::access_log::Form;

/// Builds what workers run on. A model can't hold nonsense, so this can't fail.
pub fn snapshot(model: &Model, verifiers: &Verifiers, queues: &Queues) -> Snapshot {
    build(model, verifiers, queues, None)
}

/// Builds what comes after a snapshot. What stays as it is goes on with what has been used of it.
pub fn successor(model: &Model, verifiers: &Verifiers, queues: &Queues, before: &Snapshot) -> Snapshot {
    build(model, verifiers, queues, Some(before))
}

fn build(model: &Model, verifiers: &Verifiers, queues: &Queues, before: Option<&Snapshot>) -> Snapshot {
    let counted = || before.and_then(|before| before.messages.clone()).unwrap_or_default();
    let messages = model.metrics.map(|_| counted());
    let since = before.map_or_else(now, |before| before.since);
    let upstreams: Vec<_> = model
        .upstreams
        .iter()
        .map(|upstream| {
            let made = self::upstream(upstream, messages.as_ref(), upstream_before(upstream, before));
            Arc::new(made.with_retries(retries(upstream, since, before)))
        })
        .collect();
    let rooms: Vec<_> = model.upstreams.iter().map(|upstream| room(upstream, before)).collect();
    let inventories: Vec<_> = model.upstreams.iter().map(|upstream| inventory(upstream, before)).collect();
    let client_entries = model.limits.client_entries;
    let mut shared = Shared {
        upstreams: &upstreams,
        rooms: &rooms,
        verifiers,
        queues,
        authentications: HashMap::new(),
        mirrored: Counted::following(before.into_iter().flat_map(Snapshot::besides).map(|(_, _, it)| it)),
        before,
        client_entries,
        https_port: https_port(model),
    };
    let services: Vec<_> = model.services.iter().map(|service| self::service(service, &mut shared)).collect();
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
        hedging: hedging(&services),
        replay: model.replay,
        services,
        rooms,
        inventories,
        upstreams,
        trusted_proxies: model.trusted_proxies.clone(),
        resolver: model.resolver.clone(),
        forwarded: model.forwarded,
        own_fields: own_fields(model, &subject_headers),
        subject_headers,
        access_log: Form::of(&model.access_log),
        messages,
        limits: model.limits,
        timeouts: model.timeouts,
        since,
    }
}

/// The routes that hedge.
fn hedging(services: &[Service]) -> Vec<(usize, usize)> {
    let routes = services.iter().enumerate().flat_map(|(number, service)| {
        service.routes.iter().enumerate().map(move |(route, it)| ((number, route), it))
    });
    routes.filter(|(_, route)| route.hedges()).map(|(place, _)| place).collect()
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
    /// What is in force until now.
    before: Option<&'u Snapshot>,
    /// `limits.client_entries`
    client_entries: usize,
    /// Where clients reach https.
    https_port: u16,
}

impl Shared<'_> {
    fn authentication(&mut self, model: &Arc<model::Authenticate>) -> Arc<Authentication> {
        let made = self.authentications.entry(Arc::as_ptr(model));
        Arc::clone(made.or_insert_with(|| Arc::new(Authentication::new(model, self.verifiers))))
    }

    /// The route of this name until now.
    fn route_before(&self, service: &str, route: &model::Route) -> Option<&Route> {
        let service = self.before?.services.iter().find(|known| &*known.name == service)?;
        service.routes.iter().find(|known| *known.name == route.name)
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

/// The upstream of this name until now.
fn upstream_before<'b>(
    upstream: &model::Upstream,
    before: Option<&'b Snapshot>,
) -> Option<&'b Arc<Upstream>> {
    before?.upstreams.iter().find(|known| *known.name == *upstream.name)
}

fn upstream(
    upstream: &model::Upstream,
    messages: Option<&Arc<MessageCounts>>,
    before: Option<&Arc<Upstream>>,
) -> Upstream {
    let limits = upstream.limits;
    let room = before.and_then(|before| before.recruit.connections.as_ref());
    let newcomer = if upstream.health.is_some() { State::NotInitiated } else { State::Healthy };
    let recruit = Recruit {
        tls: upstream.tls.clone(),
        messages: messages.cloned(),
        breakers: upstream.eject.map(|rule| Arc::new(Breakers::new(rule))),
        requests_max: limits.and_then(|limits| limits.server_requests),
        connections_max: limits.and_then(|limits| limits.server_connections),
        connections: limits
            .and_then(|limits| limits.connections)
            .map(|max| ConnectionRoom::following(max, room)),
    };
    let member = |server: &model::Server| {
        let known =
            |roster: &Roster| roster.member_at(&server.address).map(|known| Arc::clone(&known.server));
        let new = recruit.with_target(server.address.clone(), server.target.clone());
        let new = new.following(before.and_then(|before| before.look(known)).as_deref());
        let origin = if server.from_inventory { Origin::Inventory } else { Origin::File };
        let member = Member::new(Arc::new(new), server.weight, origin, newcomer);
        Member { is_primary: server.primary, ..member }
    };
    let (found, written): (Vec<_>, Vec<_>) = upstream.servers.iter().partition(|server| server.resolve);
    let roster = Roster::new(written.into_iter().map(member).collect(), upstream.panic_percent)
        .with_slow_start(upstream.slow_start);
    let named = found
        .into_iter()
        .filter_map(|server| NamedServers::new(server.address.clone(), server.target.clone(), server.weight));
    let timeouts = &upstream.timeouts;
    let waits = Waits {
        connect: timeouts.connect,
        answer_head: upstream.retry.per_try_timeout.unwrap_or(timeouts.answer_head),
        answer_body: timeouts.answer_body,
        idle: timeouts.upstream_idle,
        reuse_unsafe: timeouts.reuse_unsafe,
    };
    let model::Balance { rule, sticky } = upstream.balance.clone();
    let made = Upstream::new(&upstream.name, roster, rule, upstream.retry.clone(), waits);
    let made = made.with_recruit(recruit).with_named(named.collect()).with_health(upstream.health.clone());
    match sticky {
        None => made,
        Some(model::Sticky { cookie, signer, max_age }) => {
            made.with_sticky(Sticky::new(&upstream.name, &cookie, signer, max_age))
        }
    }
}

/// How many requests may be with an upstream; what goes on from before goes on with what is in progress.
fn room(upstream: &model::Upstream, before: Option<&Snapshot>) -> Option<Arc<UpstreamRoom>> {
    let known = before.and_then(|before| {
        let place = before.upstreams.iter().position(|known| *known.name == *upstream.name)?;
        before.rooms[place].as_ref()
    });
    upstream.limits.map(|limits| UpstreamRoom::following(limits, known))
}

/// The inventory of an upstream; it goes on counting from the one of that name until now.
fn inventory(upstream: &model::Upstream, before: Option<&Snapshot>) -> Option<Arc<WatchedInventory>> {
    let known = before.and_then(|before| {
        let place = before.upstreams.iter().position(|known| *known.name == *upstream.name)?;
        before.inventories[place].as_ref()
    });
    WatchedInventory::following(upstream, known)
}

/// Repeats of an upstream; those of the one of this name until now, where their budget stays as it is.
fn retries(upstream: &model::Upstream, since: Instant, before: Option<&Snapshot>) -> Arc<Retries> {
    let known = upstream_before(upstream, before);
    match known.map(|known| &known.retries).filter(|known| known.fits(&upstream.retry)) {
        Some(known) => Arc::clone(known),
        None => Arc::new(Retries::new(&upstream.retry, now().saturating_duration_since(since))),
    }
}

fn service(service: &model::Service, shared: &mut Shared<'_>) -> Service {
    Service {
        name: service.name.as_str().into(),
        routes: service.routes.iter().map(|route| self::route(&service.name, route, shared)).collect(),
    }
}

fn route(service: &str, route: &model::Route, shared: &mut Shared<'_>) -> Route {
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
        name: route.name.as_str().into(),
        action,
        answer_fields: edits(&route.answer_fields),
        backend_server: route.backend_server,
        authenticate: route.authenticate.as_ref().map(|asked| shared.authentication(asked)),
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
