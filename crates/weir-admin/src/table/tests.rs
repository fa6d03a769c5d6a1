//! `docs/admin-api.md` has every path that there is and no other one, and its examples are what is answered.
//!
//! `WEIR_UPDATE=1 cargo test -p weir-admin` writes the examples anew.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use weir_core::health::{Change, State};
use weir_core::ports::configuration::ConfigurationStatus;
use weir_core::ports::connections::{ConnectionPage, ConnectionStatus, Cursor, ExchangeStatus};
use weir_core::ports::failures::RecentFailure;
use weir_core::ports::members::{Changed, Leaving};
use weir_core::ports::queue::{DeadLetterCount, QueueServerStatus, QueueStatus, QueuedTarget, QueuedWrite};
use weir_core::ports::reload::{Changed as Thing, ConfigurationChange, How, Reloaded};
use weir_core::ports::site::{Page, RouteStatus, ServiceStatus, SiteSource};
use weir_core::ports::traffic::{RequestCount, RouteTraffic};
use weir_core::ports::{
    CertificateStatus, CheckStatus, Histogram, LatencyStatus, ServerStatus, Status, UpstreamStatus,
};
use weir_core::queue::{Burial, QueueLimits, Sequence, State as Waiting};

use super::*;

fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/admin-api.md")
}

/// What stands in backticks in the headings of the page: a method and a path.
fn documented(page: &str) -> Vec<String> {
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let quoted = headings.filter_map(|heading| heading.strip_prefix('`')?.split_once('`'));
    quoted.map(|(quoted, _)| quoted.to_owned()).collect()
}

fn all() -> Vec<String> {
    let each = |entry: &Entry| {
        let path = entry.path;
        entry.methods.iter().map(move |method| format!("{method} {path}")).collect::<Vec<_>>()
    };
    ALL.iter().flat_map(each).collect()
}

#[test]
fn every_path_is_documented_and_every_documented_one_is_there() {
    let page = fs::read_to_string(page_path()).unwrap();
    assert_eq!(documented(&page), all());
}

#[test]
fn paths_are_told_apart() {
    let found =
        |path: &str| ALL.iter().filter(|entry| entry.takes(path)).map(|entry| entry.path).collect::<Vec<_>>();
    assert_eq!(
        found("/api/v1/upstreams/web/servers/10.0.0.1:80"),
        ["/api/v1/upstreams/{upstream}/servers/{server}"]
    );
    assert_eq!(found("/api/v1/upstreams/web"), ["/api/v1/upstreams/{upstream}"]);
    assert_eq!(found("/"), ["/"]);
    for none in
        ["", "//", "/api/v1/upstreams/", "/api/v1/upstreams//servers/a", "/api/v1", "/healthz/", "/Healthz"]
    {
        assert!(found(none).is_empty(), "{none}");
    }
}

/// No two entries take the same path, so that it does not matter in which order they stand.
#[test]
fn an_entry_shadows_no_other_one() {
    for entry in ALL {
        let sample = entry.path.replace(['{', '}'], "");
        let takers: Vec<_> =
            ALL.iter().filter(|other| other.takes(&sample)).map(|other| other.path).collect();
        assert_eq!(takers, [entry.path]);
    }
}

fn server() -> ServerStatus {
    ServerStatus {
        address: "10.0.0.1:8080".to_owned(),
        weight: 1,
        share_permille: 500,
        state: State::Healthy,
        since: Duration::from_secs(1_790_000_000),
        origin: "file",
        changes: vec![Change {
            at: Duration::from_secs(1_790_000_000),
            from: State::Unreachable,
            to: State::Healthy,
            reason: "1 check passed".into(),
        }],
        changes_total: 2,
        checks: Some(CheckStatus {
            last_success: Some(Duration::from_secs(1_790_000_099)),
            failures_in_a_row: 0,
            by_outcome: [99, 1, 0, 0],
        }),
        requests_in_flight: 1,
        requests_total: 7000,
        connections_open: 4,
        connections_total: 9,
        connect_failures_total: 1,
        latency: Some(LatencyStatus { median: Duration::from_millis(3), slowest: Duration::from_millis(40) }),
        ..ServerStatus::default()
    }
}

fn traffic() -> RouteTraffic {
    let count = |status, count| RequestCount { mode: "balance", method: "safe", status, count };
    RouteTraffic {
        service: "shop.example.com".to_owned(),
        route: "/orders/".to_owned(),
        requests: vec![count("2xx", 6990), count("5xx", 10)],
        total: Histogram { counts: vec![6000, 900, 100], sum_seconds: 3.5 },
        connect: None,
        head: None,
    }
}

fn status() -> Status {
    let web = UpstreamStatus {
        name: "web".to_owned(),
        balance: "round_robin",
        servers: vec![server()],
        ..UpstreamStatus::default()
    };
    Status {
        version: "0.1.0",
        uptime_seconds: 3600,
        ready: true,
        listeners: vec!["127.0.0.1:8080".to_owned()],
        certificates: vec![CertificateStatus {
            listener: "127.0.0.1:8443".to_owned(),
            file: "/etc/weir/shop.pem".to_owned(),
            names: vec!["shop.example.com".to_owned()],
            issuer: "CN=Example CA".to_owned(),
            key: "ECDSA P-256".to_owned(),
            fingerprint: "AB:CD:…".to_owned(),
            begins_seconds: 1_780_000_000,
            expires_seconds: 1_800_000_000,
        }],
        workers: 2,
        connections_open: 12,
        connections_total: 400,
        requests_in_flight: 1,
        requests_total: 7001,
        answers_by_class: [0, 6990, 0, 0, 10],
        request_duration: Histogram { counts: vec![6000, 900, 100], sum_seconds: 3.5 },
        configuration: ConfigurationStatus {
            loaded: Duration::from_secs(1_790_000_000),
            held: 1,
            ..ConfigurationStatus::default()
        },
        routes: vec![traffic()],
        upstreams: vec![web],
        ..Status::default()
    }
}

fn failure() -> RecentFailure {
    RecentFailure {
        at: Duration::from_secs(1_790_000_050),
        service: "shop.example.com".to_owned(),
        route: "/orders/".to_owned(),
        server: "10.0.0.1:8080".to_owned(),
        method: "GET".to_owned(),
        path: "/orders/17".to_owned(),
        status: 504,
        reason: "http_response_timeout",
        text: "the server did not answer in time".to_owned(),
        attempts: 2,
        duration: Duration::from_secs(30),
        request_id: "0192f3a1".to_owned(),
    }
}

fn connections() -> ConnectionPage {
    let exchange = ExchangeStatus {
        service: Some("shop.example.com".to_owned()),
        route: Some("/orders/".to_owned()),
        upstream: Some("web".to_owned()),
        server: Some("10.0.0.1:8080".to_owned()),
    };
    let busy = ConnectionStatus {
        id: "0-17".to_owned(),
        client: "192.0.2.7:51234".to_owned(),
        listener: "127.0.0.1:8080".to_owned(),
        protocol: "http",
        age: Duration::from_millis(12_500),
        state: "exchange",
        tls: true,
        requests_total: 3,
        bytes_received: 1540,
        bytes_sent: 90_210,
        exchange: Some(exchange),
        ..ConnectionStatus::default()
    };
    let next = Some(Cursor { worker: 0, place: 1 });
    ConnectionPage { connections: vec![busy], total: 12, next, silent_workers: 0 }
}

fn queue() -> QueueStatus {
    QueueStatus {
        name: "orders".into(),
        durable: true,
        limits: QueueLimits::default(),
        backlog_bytes: 1024,
        backlog_writes: 1,
        dead_kept: DeadLetterCount { writes: 0, bytes: 0 },
        dead_refused: DeadLetterCount { writes: 0, bytes: 0 },
        dead_letters_full: false,
        accepted_total: 500,
        full_total: 0,
        commits_total: 90,
        write_errors_total: 0,
        abandoned_total: 0,
        servers: Vec::<QueueServerStatus>::new(),
    }
}

fn write() -> QueuedWrite {
    QueuedWrite {
        sequence: Sequence(17),
        accepted: Duration::from_secs(1_790_000_010),
        bytes: 1024,
        head: b"POST /orders/ HTTP/1.1\r\nHost: shop.example.com\r\nAuthorization: Bearer x\r\n\r\n"
            .as_slice()
            .into(),
        targets: vec![QueuedTarget {
            server: "10.0.0.2:8080".into(),
            configured: true,
            state: Waiting::Dead {
                burial: Burial::Refused { status: 422 },
                since: Duration::from_secs(1_790_000_011),
            },
        }],
    }
}

fn reloaded() -> Reloaded {
    Reloaded {
        generation: 3,
        took: Duration::from_millis(12),
        pause: Duration::from_micros(40),
        changes: vec![ConfigurationChange {
            what: Thing::Route,
            how: How::Changed,
            name: "shop.example.com /orders/".to_owned(),
        }],
        changes_total: 1,
        warnings: Vec::new(),
    }
}

struct Site;

impl SiteSource for Site {
    fn services(&self, _: usize, _: usize) -> Page<ServiceStatus> {
        let hosts = vec!["shop.example.com".to_owned()];
        Page {
            items: vec![ServiceStatus { name: "shop.example.com".to_owned(), hosts, routes: 1 }],
            total: 1,
        }
    }

    fn routes(&self, _: Option<&str>, _: usize, _: usize) -> Option<Page<RouteStatus>> {
        let route = RouteStatus {
            service: "shop.example.com".to_owned(),
            name: "/orders/".to_owned(),
            path: "/orders/".to_owned(),
            action: "forward",
            upstream: Some("web".to_owned()),
            dispatch: vec![("POST".to_owned(), "duplicate"), ("*".to_owned(), "balance")],
            guards: vec!["rates"],
            ..RouteStatus::default()
        };
        Some(Page { items: vec![route], total: 1 })
    }
}

/// What is answered, by method and path, as far as it is JSON and the same each time.
fn examples() -> BTreeMap<String, Value> {
    let status = status();
    let done = weir_core::ports::queue::Done { entries: 3, refusals: Vec::new() };
    let changed = Changed { is_new: true, state: State::Healthy, is_last: false };
    let leaving = Leaving { is_gone: false, is_last: false, comes_back: None };
    let upstreams = "/api/v1/upstreams";
    let of_server = format!("{upstreams}/{{upstream}}/servers/{{server}}");
    let queues = "/api/v1/queues";
    let process = weir_core::ports::upgrade::NewProcess { pid: 4711, version: "0.2.0".to_owned() };
    let levels = weir_core::log_level::Levels::parse("info,weir_proxy=debug").unwrap();
    let document = |status: &Status| {
        let mut document = crate::live::of_status(status, Duration::from_secs(1_790_000_100));
        document["failures"] = json!([crate::failures::failure(&failure())]);
        document
    };
    [
        ("GET /api/v1/status".to_owned(), crate::routes::status_json(&status)),
        ("GET /api/v1/services".to_owned(), crate::site::services(&Site, "").unwrap()),
        ("GET /api/v1/routes".to_owned(), crate::site::routes(&Site, &status, "").unwrap()),
        (
            format!("GET {upstreams}"),
            json!({ "upstreams": [crate::upstreams::upstream(&status.upstreams[0])] }),
        ),
        (format!("GET {of_server}"), crate::upstreams::server(&server())),
        (format!("PUT {of_server}"), crate::upstreams::changed(&changed)),
        (format!("DELETE {of_server}"), crate::upstreams::leaving(&leaving)),
        (format!("GET {queues}"), json!({ "queues": [crate::queues::queue(&queue())] })),
        (format!("GET {queues}/{{queue}}/writes"), crate::queues::writes(&[write()], 100)),
        (format!("GET {queues}/{{queue}}/writes/{{write}}"), crate::queues::write(&write())),
        (format!("POST {queues}/{{queue}}/retry"), crate::queues::done(&done)),
        ("GET /api/v1/connections".to_owned(), crate::connections::page(&connections())),
        ("DELETE /api/v1/connections/{connection}".to_owned(), crate::connections::done()),
        ("GET /api/v1/failures".to_owned(), json!({ "failures": [crate::failures::failure(&failure())] })),
        ("GET /api/v1/events".to_owned(), document(&status)),
        ("POST /api/v1/reload".to_owned(), crate::reload_routes::told(&reloaded())),
        ("POST /api/v1/drain".to_owned(), json!({ "draining": true })),
        ("POST /api/v1/upgrade".to_owned(), crate::upgrade_route::done(&process)),
        ("PUT /api/v1/log-level".to_owned(), crate::log_routes::levels_json(&levels)),
    ]
    .into()
}

/// The page with these examples: the block of JSON below each heading.
fn with_examples(page: &str, mut examples: BTreeMap<String, Value>) -> String {
    let (mut made, mut example, mut is_inside) = (String::new(), None, false);
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            example = heading.split_once('`').and_then(|(name, _)| examples.remove(name));
        }
        if is_inside && line != "```" {
            continue;
        }
        if line == "```json" {
            made.push_str(line);
            made.push('\n');
            let shown =
                example.take().unwrap_or_else(|| panic!("there is no example for this block in {made}"));
            made.push_str(&format!("{shown:#}\n"));
            is_inside = true;
            continue;
        }
        is_inside = false;
        made.push_str(line);
        made.push('\n');
    }
    assert!(examples.is_empty(), "these have no block: {:?}", examples.keys());
    made
}

#[test]
fn examples_are_what_is_answered() {
    let page = fs::read_to_string(page_path()).unwrap();
    let made = with_examples(&page, examples());
    if std::env::var_os("WEIR_UPDATE").is_some() {
        fs::write(page_path(), &made).unwrap();
    } else {
        assert!(made == page, "`docs/admin-api.md` has other examples; WEIR_UPDATE=1 writes them");
    }
}
