//! What routes have done, by route; limits that were reached; the workers' own pace; the configuration in force.

use std::time::Duration;

use weir_core::limit_hit::LimitHit;
use weir_core::metric::{self, Metric};
use weir_core::ports::traffic::RouteTraffic;
use weir_core::ports::{Histogram, Status};

use super::text::Page;

#[cfg(test)]
mod tests;

/// Requests of routes. A route stands here once: who tells of them has summed by name.
pub(super) fn routes(status: &Status, page: &mut Page) {
    let requests = status.routes.iter().flat_map(|route| {
        let names = [route.service.as_str(), route.route.as_str()];
        route.requests.iter().map(move |one| {
            let [service, route] = names;
            ([service, route, one.mode, one.method, one.status], one.count)
        })
    });
    page.labelled(&metric::ROUTE_REQUESTS, requests);
    let mut durations = |metric: &Metric, of: fn(&RouteTraffic) -> Option<&Histogram>| {
        let routes = status.routes.iter();
        let named = routes.filter_map(|route| Some(([route.service.as_str(), &route.route], of(route)?)));
        page.histograms(metric, named);
    };
    durations(&metric::ROUTE_DURATION, |route| Some(&route.total));
    durations(&metric::ROUTE_CONNECT_DURATION, |route| route.connect.as_ref());
    durations(&metric::ROUTE_HEAD_DURATION, |route| route.head.as_ref());
}

/// The configuration in force, and how those who serve with it fare. `now` in time since 1970.
pub(super) fn process(status: &Status, now: Duration, page: &mut Page) {
    let configuration = &status.configuration;
    page.single(&metric::CONFIGURATION_LOADED, configuration.loaded.as_secs());
    page.single(&metric::CONFIGURATION_AGE, now.saturating_sub(configuration.loaded).as_secs());
    page.single(&metric::CONFIGURATIONS_HELD, configuration.held);
    let reloads = [(["done"], configuration.reloads_done), (["refused"], configuration.reloads_refused)];
    page.labelled(&metric::RELOADS, reloads);
    page.single(&metric::RELOAD_SUCCEEDED, u64::from(configuration.problem.is_none()));
    page.histogram(&metric::WORKER_LAG, &status.loop_lag);
    page.labelled(&metric::WORKER_STALLED, [([], status.stalled.as_secs_f64())]);
    let limits = LimitHit::ALL.map(|limit| [limit.name()]).into_iter().zip(status.limits_hit);
    page.labelled(&metric::LIMITS_HIT, limits);
}
