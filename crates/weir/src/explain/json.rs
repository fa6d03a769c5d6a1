//! An explanation for programs.

use serde_json::{Value, json};
use weir_config::model::{Action, Model, Route};
use weir_tls::authorities::Origin;

use super::answer::{self, Answer};
use super::beside;

/// The explanation: `request`, `service`, `route` (`null` when there is none), `answer` (when Weir answers itself),
/// `routes` in the order in which they are tried, and `other_services`.
pub(crate) fn render(model: &Model, answer: &Answer<'_>) -> Value {
    let request = answer.request;
    let own_answer = answer
        .no_route
        .as_ref()
        .map(|no_route| json!({ "status": no_route.status, "reason": no_route.reason }))
        .or_else(|| answer.route.and_then(own_answer));
    json!({
        "request": {
            "method": request.method,
            "scheme": request.scheme.name(),
            "host": request.host,
            "path": request.path,
            "query": request.query,
            "notes": request.notes,
        },
        "service": answer.service.map(|(service, pattern)| json!({
            "name": service.name,
            "host": pattern.to_string(),
        })),
        "route": answer.route.map(|route| self::route(model, route, &request.method)),
        "answer": own_answer,
        "routes": answer.tried.iter().map(|tried| json!({
            "name": tried.route.name,
            "outcome": tried.outcome.name(),
            "why": tried.why,
        })).collect::<Vec<_>>(),
        "other_services": {
            "less_close": answer.outranked.iter().map(|(service, pattern)| json!({
                "name": service.name,
                "host": pattern.to_string(),
            })).collect::<Vec<_>>(),
            "with_other_hosts": answer.other_services,
        },
    })
}

/// A request that gets no further than its reading.
pub(crate) fn refused(method: &str, url: &str, status: u16, reason: &str) -> Value {
    json!({
        "request": { "method": method, "url": url },
        "service": null,
        "route": null,
        "answer": { "status": status, "reason": reason },
        "routes": [],
    })
}

fn route(model: &Model, route: &Route, method: &str) -> Value {
    let wants = route.authenticate.as_ref().map(ToString::to_string);
    let Some((forward, upstream)) = answer::upstream(model, route) else {
        return json!({ "name": route.name, "wants": wants });
    };
    let mut json = json!({
        "name": route.name,
        "wants": wants,
        "mode": forward.dispatch.of(method.as_bytes()).mode().name(),
        "upstream": upstream.name,
        "balance": upstream.balance.name(),
        "servers": upstream.servers.iter().map(|server| json!({
            "address": &*server.address.written,
            "weight": server.weight,
        })).collect::<Vec<_>>(),
        "tls": upstream.tls.as_ref().map(|tls| json!({
            "verify": if tls.origin().is_some() { "full" } else { "none" },
            "authorities": tls.origin().map(|origin| match origin {
                Origin::System => "system".to_owned(),
                Origin::File(path) => path.display().to_string(),
            }),
        })),
        "path": answer::path_edit(&forward.path),
    });
    beside::add_json(model, forward, method, &mut json);
    json
}

/// What a route answers itself.
fn own_answer(route: &Route) -> Option<Value> {
    match &route.action {
        Action::Forward(_) => None,
        Action::Redirect(redirect) => {
            Some(json!({ "status": redirect.status, "location": &*redirect.location }))
        }
        Action::Respond(respond) => Some(json!({
            "status": respond.status,
            "content_type": &*respond.content_type,
            "body": &*respond.body,
        })),
    }
}
