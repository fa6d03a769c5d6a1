//! What the admin listener answers under `/api/v1/services` and `/api/v1/routes`: what is in force, page by page.

use std::collections::HashMap;

use hyper::StatusCode;
use serde_json::{Value, json};
use weir_core::ports::Status;
use weir_core::ports::site::{Page, RouteStatus, ServiceStatus, SiteSource};
use weir_core::ports::traffic::RouteTraffic;

use crate::live::requests_by_class;
use crate::parameters::Parameters;

/// Items of a page when nobody says how many.
const PAGE: usize = 100;
/// The most that a page may have.
const PAGE_MAX: usize = 1000;

/// Why a request makes no sense: a status, and a sentence.
type No = (StatusCode, String);

/// Where a page begins and how long it is.
fn extent(parameters: &Parameters) -> Result<(usize, usize), No> {
    let from = parameters.number("from")?.unwrap_or(0);
    let max = parameters.number("max")?.unwrap_or(PAGE);
    if max == 0 || max > PAGE_MAX {
        return Err((StatusCode::BAD_REQUEST, format!("`max` takes 1 to {PAGE_MAX}")));
    }
    Ok((from, max))
}

/// Where the next page begins, if there is one.
fn next<T>(page: &Page<T>, from: usize) -> Option<usize> {
    let end = from.saturating_add(page.items.len());
    (!page.items.is_empty() && end < page.total).then_some(end)
}

/// A page of services.
pub(crate) fn services(site: &dyn SiteSource, query: &str) -> Result<Value, No> {
    let (from, max) = extent(&Parameters::read(query, &["from", "max"])?)?;
    let page = site.services(from, max);
    Ok(json!({
        "services": page.items.iter().map(service).collect::<Vec<_>>(),
        "total": page.total,
        "next": next(&page, from),
    }))
}

fn service(service: &ServiceStatus) -> Value {
    json!({ "name": service.name, "hosts": service.hosts, "routes": service.routes })
}

/// A page of routes, with what is counted of them.
pub(crate) fn routes(site: &dyn SiteSource, status: &Status, query: &str) -> Result<Value, No> {
    let parameters = Parameters::read(query, &["service", "from", "max"])?;
    let (from, max) = extent(&parameters)?;
    let Some(page) = site.routes(parameters.text("service"), from, max) else {
        return Err((StatusCode::NOT_FOUND, "there is no service of this name".to_owned()));
    };
    let traffic: HashMap<_, _> =
        status.routes.iter().map(|one| ((one.service.as_str(), one.route.as_str()), one)).collect();
    let of = |one: &RouteStatus| traffic.get(&(one.service.as_str(), one.name.as_str())).copied();
    Ok(json!({
        "routes": page.items.iter().map(|one| route(one, of(one))).collect::<Vec<_>>(),
        "total": page.total,
        "next": next(&page, from),
    }))
}

fn route(route: &RouteStatus, traffic: Option<&RouteTraffic>) -> Value {
    let dispatch = route.dispatch.iter().map(|(method, mode)| (method.clone(), (*mode).into()));
    json!({
        "service": route.service,
        "name": route.name,
        "path": route.path,
        "methods": route.methods,
        "action": route.action,
        "upstream": route.upstream,
        "dispatch": Value::Object(dispatch.collect()),
        "mirrors": route.mirrors,
        "compare": route.compare,
        "guards": route.guards,
        "traffic": traffic.map(counted),
    })
}

fn counted(traffic: &RouteTraffic) -> Value {
    let kinds = traffic.requests.iter().map(
        |one| json!({ "mode": one.mode, "method": one.method, "status": one.status, "count": one.count }),
    );
    json!({
        "requests_by_class": requests_by_class(traffic),
        "requests": kinds.collect::<Vec<_>>(),
        "duration_sum_seconds": traffic.total.sum_seconds,
    })
}
