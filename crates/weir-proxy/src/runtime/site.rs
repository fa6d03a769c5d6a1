//! Services and routes as they are in force, for people, page by page.

use weir_core::dispatch::Mode;
use weir_core::ports::site::{Page, RouteStatus, ServiceStatus, SiteSource};
use weir_core::route::RouteRule;

use super::dispatch::Dispatches;
use super::snapshot::{Action, Forward, Route, Snapshot};
use super::status::ProcessStatus;

impl SiteSource for ProcessStatus {
    fn services(&self, from: usize, max: usize) -> Page<ServiceStatus> {
        let snapshot = self.snapshot();
        let services = snapshot.services.iter().enumerate().skip(from).take(max);
        let items = services.map(|(number, service)| ServiceStatus {
            name: service.name.to_string(),
            hosts: snapshot.table.hosts(number).iter().map(ToString::to_string).collect(),
            routes: service.routes.len(),
        });
        Page { items: items.collect(), total: snapshot.services.len() }
    }

    fn routes(&self, service: Option<&str>, from: usize, max: usize) -> Option<Page<RouteStatus>> {
        let snapshot = self.snapshot();
        let mut page = Page { items: Vec::new(), total: 0 };
        let (mut skipped, mut is_known) = (0, service.is_none());
        for (number, one) in snapshot.services.iter().enumerate() {
            if service.is_some_and(|wanted| *one.name != *wanted) {
                continue;
            }
            is_known = true;
            page.total += one.routes.len();
            let begin = from.saturating_sub(skipped).min(one.routes.len());
            skipped += begin;
            let count = (max - page.items.len()).min(one.routes.len() - begin);
            if count > 0 {
                page.items.extend(routes(&snapshot, number, begin, count));
            }
        }
        is_known.then_some(page)
    }
}

/// So many routes of a service in the order of the file.
fn routes(snapshot: &Snapshot, service: usize, begin: usize, count: usize) -> Vec<RouteStatus> {
    let wanted = begin..begin + count;
    let mut rules: Vec<(usize, &RouteRule)> =
        snapshot.table.rules(service).filter(|(index, _)| wanted.contains(index)).collect();
    rules.sort_by_key(|(index, _)| *index);
    let service = &snapshot.services[service];
    let routes = snapshot.routes_of(service);
    rules.into_iter().map(|(index, rule)| route(&service.name, &routes[index], rule)).collect()
}

fn route(service: &str, route: &Route, rule: &RouteRule) -> RouteStatus {
    let told = RouteStatus {
        service: service.to_owned(),
        name: route.name.to_string(),
        path: rule.path.to_string(),
        methods: rule.methods.iter().map(ToString::to_string).collect(),
        guards: guards(route),
        ..RouteStatus::default()
    };
    match &route.action {
        Action::Redirect(_) => RouteStatus { action: "redirect", ..told },
        Action::Respond(_) => RouteStatus { action: "respond", ..told },
        Action::Forward(forward) => forwarding(forward, told),
    }
}

fn forwarding(forward: &Forward, told: RouteStatus) -> RouteStatus {
    let beside = forward.beside.as_deref();
    let mirrors = beside.map_or(&[][..], |beside| &beside.mirrors);
    let compare = beside.and_then(|beside| beside.compare.as_ref());
    RouteStatus {
        action: "forward",
        upstream: Some(forward.upstream.name.to_string()),
        dispatch: modes(&forward.dispatch),
        mirrors: mirrors.iter().map(|mirror| mirror.upstream.name.to_string()).collect(),
        compare: compare.map(|compare| compare.mirroring.upstream.name.to_string()),
        ..told
    }
}

fn modes(dispatches: &Dispatches) -> Vec<(String, &'static str)> {
    let by_method =
        dispatches.modes().map(|(method, mode)| (method.unwrap_or("*").to_owned(), Mode::name(mode)));
    by_method.collect()
}

fn guards(route: &Route) -> Vec<&'static str> {
    let admit = route.admit.as_deref();
    let all = [
        ("https_only", route.https_only.is_some()),
        ("addresses", admit.is_some_and(|admit| admit.addresses.is_some())),
        ("rates", admit.is_some_and(|admit| admit.rates.all().next().is_some())),
        ("concurrency", admit.is_some_and(|admit| admit.concurrency.is_some())),
        ("authenticate", route.authenticate.is_some()),
    ];
    all.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect()
}
