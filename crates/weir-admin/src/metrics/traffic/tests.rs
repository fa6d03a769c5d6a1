//! What routes have done, on the page.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use weir_core::limit_hit::LimitHit;
use weir_core::ports::configuration::ConfigurationStatus;
use weir_core::ports::traffic::{OTHERS, ROUTES_MAX, RequestCount, RouteTraffic};
use weir_core::ports::{Histogram, Status};

use super::super::tests::{check, parse};
use super::super::{Dialect, page};

fn histogram(count: u64) -> Histogram {
    Histogram { counts: vec![0, count, 1], sum_seconds: 0.5 }
}

fn route(service: &str, name: &str) -> RouteTraffic {
    let count = |mode, status, count| RequestCount { mode, method: "safe", status, count };
    RouteTraffic {
        service: service.to_owned(),
        route: name.to_owned(),
        requests: vec![count("balance", "2xx", 7), count("none", "4xx", 2)],
        total: histogram(8),
        connect: None,
        head: Some(histogram(3)),
    }
}

#[test]
fn requests_and_durations_of_routes() {
    let routes =
        vec![route("shop", "/a\"b"), RouteTraffic { connect: Some(histogram(1)), ..route("", OTHERS) }];
    let status = Status { routes, ..Status::default() };
    check(&status, "weir_route_requests_total", &["shop", "/a\"b", "balance", "safe", "2xx"], 7.0);
    check(&status, "weir_route_requests_total", &["", OTHERS, "none", "safe", "4xx"], 2.0);
    let text = page(&status, Duration::ZERO, Dialect::OpenMetrics);
    let names = "service=\"shop\",route=\"/a\\\"b\"";
    for line in [
        format!("weir_route_request_duration_seconds_bucket{{{names},le=\"0.001\"}} 8\n"),
        format!("weir_route_request_duration_seconds_bucket{{{names},le=\"+Inf\"}} 9\n"),
        format!("weir_route_request_duration_seconds_sum{{{names}}} 0.5\n"),
        format!("weir_route_request_duration_seconds_count{{{names}}} 9\n"),
        format!("weir_route_head_duration_seconds_count{{{names}}} 4\n"),
        "weir_route_connect_duration_seconds_count{service=\"\",route=\"(others)\"} 2\n".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in {text}");
    }
    assert!(!text.contains(&format!("weir_route_connect_duration_seconds_count{{{names}}}")), "it has none");
}

#[test]
fn the_configuration_and_the_pace_of_workers() {
    let configuration = ConfigurationStatus {
        loaded: Duration::from_millis(100_500),
        reloads_done: 3,
        reloads_refused: 2,
        problem: Some("weir.yaml:1:1: an unknown key".to_owned()),
        held: 4,
    };
    let mut limits_hit = [0; LimitHit::ALL.len()];
    limits_hit[2] = 5;
    let status = Status {
        configuration,
        limits_hit,
        stalled: Duration::from_millis(1500),
        pool_idle: 4,
        ..Status::default()
    };
    check(&status, "weir_configuration_loaded_timestamp_seconds", &[], 100.0);
    check(&status, "weir_reloads_total", &["done"], 3.0);
    check(&status, "weir_reloads_total", &["refused"], 2.0);
    check(&status, "weir_reload_succeeded", &[], 0.0);
    check(&status, "weir_configurations_held", &[], 4.0);
    check(&status, "weir_limits_hit_total", &["body"], 5.0);
    check(&status, "weir_worker_stalled_seconds", &[], 1.5);
    check(&status, "weir_pool_connections_idle", &[], 4.0);
    let text = page(&status, Duration::from_secs(160), Dialect::Prometheus);
    assert!(text.contains("\nweir_configuration_age_seconds 59\n"), "{text}");
    // A clock that was set back makes nothing older than it is.
    let text = page(&status, Duration::from_secs(1), Dialect::Prometheus);
    assert!(text.contains("\nweir_configuration_age_seconds 0\n"), "{text}");
    check(&Status::default(), "weir_reload_succeeded", &[], 1.0);
}

/// As many routes as are told apart, with everything that one may have: a scraper must take it, and nobody wait for it.
#[test]
fn the_longest_page_is_bounded() {
    let methods = ["safe", "idempotent", "other"];
    let statuses = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
    let kinds = methods.iter().flat_map(|method| statuses.iter().map(move |status| (*method, *status)));
    let requests: Vec<_> =
        kinds.map(|(method, status)| RequestCount { mode: "balance", method, status, count: 1 }).collect();
    let routes = (0..=ROUTES_MAX).map(|number| RouteTraffic {
        requests: requests.clone(),
        connect: Some(histogram(1)),
        ..route("a.shop.example.com", &format!("/products/{number}/"))
    });
    let status = Status { routes: routes.collect(), ..Status::default() };
    let text = page(&status, Duration::ZERO, Dialect::Prometheus);
    assert!(text.len() < 6 << 20, "{} bytes", text.len());
    parse(&text, Dialect::Prometheus);
}
