//! What the route table makes of a request, with names instead of indexes.

use weir_config::model::{Action, Forward, Model, PathEdit, Route, Service, Upstream};
use weir_core::route::{Found, HostPattern, RouteQuery, RouteTable, Verdict};

use super::request::Request;

/// Where a request goes, and why not elsewhere.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    /// The request.
    pub(crate) request: &'a Request,
    /// The service and the pattern by which it has the host.
    pub(crate) service: Option<(&'a Service, &'a HostPattern)>,
    /// Other services that would have the host, but by a less close pattern.
    pub(crate) outranked: Vec<(&'a Service, &'a HostPattern)>,
    /// How many services have only other hosts.
    pub(crate) other_services: usize,
    /// The route.
    pub(crate) route: Option<&'a Route>,
    /// Every route of the service in the order in which they are tried.
    pub(crate) tried: Vec<Tried<'a>>,
    /// What a client gets when there is no route.
    pub(crate) no_route: Option<NoRoute>,
}

/// One route and what became of it.
#[derive(Debug)]
pub(crate) struct Tried<'a> {
    /// The route.
    pub(crate) route: &'a Route,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// Why.
    pub(crate) why: String,
}

/// What became of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It takes the request.
    Takes,
    /// It would, but another one does.
    Outranked,
    /// It asks for something else.
    Misses,
}

impl Outcome {
    /// Its name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Takes => "takes",
            Self::Outranked => "outranked",
            Self::Misses => "misses",
        }
    }
}

/// What a client gets when there is no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoRoute {
    /// The status.
    pub(crate) status: u16,
    /// Why.
    pub(crate) reason: String,
}

impl<'a> Answer<'a> {
    /// Asks the table, which must have been made from this model.
    pub(crate) fn new(model: &'a Model, table: &'a RouteTable, request: &'a Request) -> Self {
        let fields = request.fields.as_slice();
        let explanation = table.explain(&RouteQuery {
            host: request.host.as_deref().map(str::as_bytes),
            method: request.method.as_bytes(),
            path: request.path.as_bytes(),
            query: request.query.as_deref().map(str::as_bytes),
            fields: &fields,
        });
        let found = explanation.found();
        let service = explanation.service.map(|found| (&model.services[found.service], found.pattern));
        let route = match found {
            Found::Route { service, route } => Some(&model.services[service].routes[route]),
            Found::NoService | Found::NoRoute { .. } => None,
        };
        let routes = service.map_or(&[][..], |(service, _)| service.routes.as_slice());
        let tried = explanation.routes.iter().map(|tried| {
            let (outcome, why) = match &tried.verdict {
                Verdict::Wins => (Outcome::Takes, "takes it".to_owned()),
                Verdict::Outranked => {
                    let winner = route.map_or("", |route| route.name.as_str());
                    (Outcome::Outranked, format!("would take it too, but `{winner}` comes first"))
                }
                Verdict::Misses(missing) => (Outcome::Misses, missing.to_string()),
            };
            Tried { route: &routes[tried.route], outcome, why }
        });
        Self {
            request,
            service,
            outranked: explanation
                .outranked
                .iter()
                .map(|other| (&model.services[other.service], other.pattern))
                .collect(),
            other_services: explanation.other_services,
            route,
            tried: tried.collect(),
            no_route: no_route(&found, request),
        }
    }
}

/// The statuses of the stage *failure* of the data plane.
fn no_route(found: &Found, request: &Request) -> Option<NoRoute> {
    let (status, reason) = match found {
        Found::Route { .. } => return None,
        Found::NoService => match &request.host {
            Some(host) => (404, format!("no service for the host `{host}`")),
            None => (404, "no service for requests without a Host".to_owned()),
        },
        Found::NoRoute { methods, .. } if methods.is_empty() => (404, "no route for this request".to_owned()),
        Found::NoRoute { methods, .. } => {
            (405, format!("no route for {}, only for {}", request.method, methods.join(", ")))
        }
    };
    Some(NoRoute { status, reason })
}

/// The upstream of a route that forwards.
pub(crate) fn upstream<'m>(model: &'m Model, route: &'m Route) -> Option<(&'m Forward, &'m Upstream)> {
    match &route.action {
        Action::Forward(forward) => Some((forward, &model.upstreams[forward.upstream.0])),
        Action::Redirect(_) | Action::Respond(_) => None,
    }
}

/// What happens to the path before it is sent, when anything does.
pub(crate) fn path_edit(edit: &PathEdit) -> Option<String> {
    let shown = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    match edit {
        PathEdit::Keep => None,
        PathEdit::Strip(prefix) => Some(format!("`{prefix}` is taken away")),
        PathEdit::ReplacePrefix { from, to } => Some(format!("`{}` becomes `{}`", shown(from), shown(to))),
        PathEdit::Regex { pattern, to } => Some(format!("what matches `{pattern}` becomes `{to}`")),
    }
}
