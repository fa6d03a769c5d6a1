//! Stage *identify*: which service and which route a request belongs to.

use weir_core::route::{Found, RouteQuery};

use super::failure::Failure;
use crate::exchange::Exchange;

/// Finds the route of `x`.
pub(super) fn identify(x: &mut Exchange) -> Result<(), Failure> {
    if x.facts.server_wide {
        return Ok(());
    }
    let query = RouteQuery {
        host: (!x.facts.host.is_empty()).then_some(&*x.facts.host),
        method: x.request.method_token(),
        path: x.path(),
        query: x.query(),
        fields: &*x.request,
    };
    match x.snapshot.table.find(&query) {
        Found::Route { service, route } => {
            let number = x.snapshot.table.number(service, route);
            x.found = Some(number);
            x.client.sight.is_at(number);
            Ok(())
        }
        Found::NoService => Err(Failure::NoService { host: String::from_utf8_lossy(&x.facts.host).into() }),
        Found::NoRoute { methods, .. } if methods.is_empty() => Err(Failure::NoRoute),
        Found::NoRoute { methods, .. } => Err(Failure::MethodNotRouted(methods)),
    }
}
