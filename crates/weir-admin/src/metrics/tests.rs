//! The page read back by a parser that is as strict as the formats are.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use hyper::header::{ACCEPT, HeaderMap};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use weir_core::health::State;
use weir_core::metric;
use weir_core::ports::members::InventoryStatus;
use weir_core::ports::queue::{DeadLetterCount, QueueStatus};
use weir_core::ports::{
    AuthenticatedStatus, CertificateStatus, CheckStatus, ComparisonStatus, DuplicatingStatus, Histogram,
    MessageStatus, MirrorStatus, ServerStatus, Status, UpstreamStatus,
};
use weir_core::queue::QueueLimits;

use super::text::BUCKETS;
use super::{Dialect, page};

/// A sample: its name with its labels in the order written, and its value.
type Samples = Vec<(String, BTreeMap<String, String>, f64)>;

/// Families by name, in order: kind and samples. Panics on anything that a strict scraper refuses.
pub(super) fn parse(text: &str, dialect: Dialect) -> Vec<(String, String, Samples)> {
    let open_metrics = dialect == Dialect::OpenMetrics;
    assert!(text.ends_with('\n') && !text.contains("\n\n"), "lines end once");
    let mut lines = text.lines().peekable();
    let mut families: Vec<(String, String, Samples)> = Vec::new();
    let mut seen = HashSet::new();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            assert!(open_metrics && lines.next().is_none(), "the end is at the end, of OpenMetrics only");
            return families;
        }
        let (name, help) = line.strip_prefix("# HELP ").expect(line).split_once(' ').unwrap();
        check_name(name);
        unescape(help, open_metrics);
        let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).expect("TYPE follows HELP");
        assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{kind}");
        assert!(families.iter().all(|family| family.0 != name), "{name} stands twice");
        let mut samples = Samples::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (sample, labels, value) = parse_sample(line);
            let ending = sample.strip_prefix(name).expect("samples belong to their family");
            let allowed: &[&str] = match (kind, open_metrics) {
                ("counter", true) => &["_total"],
                ("histogram", _) => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(allowed.contains(&ending), "{sample} in {kind} {name}");
            assert!(seen.insert((sample.clone(), labels.clone())), "{line} stands twice");
            assert!(kind == "gauge" || value >= 0.0, "{line}");
            samples.push((sample, labels, value));
        }
        if kind == "histogram" {
            check_histograms(name, &samples);
        }
        families.push((name.to_owned(), kind.to_owned(), samples));
    }
    assert!(!open_metrics, "OpenMetrics ends with EOF");
    families
}

fn check_name(name: &str) {
    assert!(name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'), "{name}");
    assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if quotes => '"',
                other => panic!("`\\{other:?}` is no escape in {text}"),
            },
            '"' => {
                assert!(!quotes, "a bare quote in {text}");
                '"'
            }
            other => other,
        });
    }
    plain
}

fn parse_sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    check_name(name);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            check_name(label);
            let end = closing_quote(after).expect(line);
            assert!(labels.insert(label.to_owned(), unescape(&after[..end], true)).is_none(), "{line}");
            rest = &after[end + 1..];
            match rest.split_at(1) {
                (",", more) => rest = more,
                ("}", more) => break rest = more,
                other => panic!("{other:?} in {line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').expect(line);
    assert!(!value.contains(' '), "no timestamps: {line}");
    (name.to_owned(), labels, value.parse().expect(line))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(place, character)| {
        let end = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        end.then_some(place)
    })
}

/// Each of the histograms of a family; they differ in the other labels.
fn check_histograms(name: &str, samples: &Samples) {
    let mut by_labels: BTreeMap<BTreeMap<String, String>, Samples> = BTreeMap::new();
    for (sample, labels, value) in samples {
        let mut others = labels.clone();
        others.remove("le");
        by_labels.entry(others).or_default().push((sample.clone(), labels.clone(), *value));
    }
    by_labels.values().for_each(|samples| check_histogram(name, samples));
}

fn check_histogram(name: &str, samples: &Samples) {
    let buckets: Vec<_> = samples.iter().filter(|sample| sample.0.ends_with("_bucket")).collect();
    let bounds: Vec<f64> = buckets.iter().map(|bucket| bucket.1["le"].parse().unwrap()).collect();
    assert!(bounds.is_sorted() && bounds.last() == Some(&f64::INFINITY), "{name}: {bounds:?}");
    let counts: Vec<f64> = buckets.iter().map(|bucket| bucket.2).collect();
    assert!(counts.is_sorted(), "{name} is cumulative: {counts:?}");
    let one = |ending| samples.iter().find(|sample| sample.0 == format!("{name}{ending}")).unwrap().2;
    assert_eq!(counts.last(), Some(&one("_count")));
    one("_sum");
}

fn server(address: &str, requests_total: u64) -> ServerStatus {
    ServerStatus { address: address.to_owned(), weight: 1, requests_total, ..ServerStatus::default() }
}

fn certificate(file: &str, expires_seconds: i64) -> CertificateStatus {
    let (listener, file) = ("[::]:8443".to_owned(), file.to_owned());
    CertificateStatus { listener, file, expires_seconds, ..CertificateStatus::default() }
}

fn status() -> Status {
    Status {
        version: "1.2.3",
        uptime_seconds: 5,
        ready: true,
        requests_total: u64::MAX,
        answers_by_class: [1, 2, 3, 4, 5],
        request_duration: Histogram { counts: (1..=BUCKETS as u64).collect(), sum_seconds: 0.25 },
        certificates: vec![certificate("a.pem", 2_000_000_000), certificate("b.pem", -1)],
        upstreams: vec![
            UpstreamStatus {
                name: "web".to_owned(),
                balance: "round_robin",
                servers: vec![server("127.0.0.1:1", 7), server("127.0.0.1:2", 8)],
                ..UpstreamStatus::default()
            },
            UpstreamStatus {
                name: "api".to_owned(),
                balance: "p2c",
                servers: vec![server("127.0.0.1:1", 9)],
                ..UpstreamStatus::default()
            },
        ],
        authentication_refusals: [("missing", 3), ("wrong", 4)].into(),
        authenticated: vec![AuthenticatedStatus {
            proof: "api_key",
            name: "shop".to_owned(),
            requests_total: 6,
        }],
        mirrors: vec![MirrorStatus { upstream: "next".to_owned(), copies: [1, 2, 3, 5, 4] }],
        comparisons: vec![ComparisonStatus {
            service: "shop".to_owned(),
            route: "/a".to_owned(),
            outcomes: [5, 6, 7, 8],
            differences: [9, 10, 11, 12],
            ..ComparisonStatus::default()
        }],
        ..Status::default()
    }
}

/// A queue with servers that are not there, and dead letters of both kinds.
fn queue() -> QueueStatus {
    QueueStatus {
        name: "orders".into(),
        durable: true,
        limits: QueueLimits {
            backlog_writes_max: 11,
            backlog_bytes_max: 12,
            dead_writes_max: 13,
            dead_bytes_max: 14,
            ..QueueLimits::default()
        },
        backlog_bytes: 2,
        backlog_writes: 1,
        dead_kept: DeadLetterCount { writes: 3, bytes: 4 },
        dead_refused: DeadLetterCount { writes: 5, bytes: 6 },
        dead_letters_full: false,
        accepted_total: 0,
        full_total: 0,
        commits_total: 0,
        write_errors_total: 0,
        abandoned_total: 0,
        servers: Vec::new(),
    }
}

/// Who is warned only by 503 is warned too late: how full a queue is stands beside how full it may be.
#[test]
fn how_full_queues_are_and_may_be() {
    let mut status = status();
    status.queues.push(queue());
    check(&status, "weir_queue_held_writes", &["orders"], 1.0);
    check(&status, "weir_queue_held_bytes", &["orders"], 2.0);
    check(&status, "weir_queue_dead_letters", &["orders", "kept"], 3.0);
    check(&status, "weir_queue_dead_letters_bytes", &["orders", "kept"], 4.0);
    check(&status, "weir_queue_dead_letters", &["orders", "refused_by_all"], 5.0);
    check(&status, "weir_queue_dead_letters_bytes", &["orders", "refused_by_all"], 6.0);
    check(&status, "weir_queue_bound", &["orders", "backlog"], 11.0);
    check(&status, "weir_queue_bound", &["orders", "backlog_bytes"], 12.0);
    check(&status, "weir_queue_bound", &["orders", "dead_letters"], 13.0);
    check(&status, "weir_queue_bound", &["orders", "dead_letters_bytes"], 14.0);
}

/// A name that the table has and the page of explanations does not is found only by who knows it already.
#[test]
fn every_metric_of_queues_is_explained() {
    let page = include_str!("../../../../docs/dispatch.md");
    let names = metric::ALL.iter().map(|metric| metric.name);
    for name in names.filter(|name| name.starts_with("weir_queue_") || name.starts_with("weir_duplicate_")) {
        assert!(page.contains(&format!("`{name}")), "docs/dispatch.md does not explain `{name}`");
    }
}

#[test]
fn what_servers_of_a_duplicate_disagree_about() {
    let mut status = status();
    let upstream = "web".to_owned();
    let web =
        DuplicatingStatus { upstream, acknowledgements_total: 5, disagreements: [1, 2], unplaced_total: 7 };
    status.dispatch.duplicating.push(web);
    check(&status, "weir_duplicate_acknowledgements_total", &["web"], 5.0);
    check(&status, "weir_duplicate_disagreements_total", &["web", "status"], 1.0);
    check(&status, "weir_duplicate_disagreements_total", &["web", "body"], 2.0);
    check(&status, "weir_duplicate_unplaced_total", &["web"], 7.0);
}

#[test]
fn states_and_checks_of_servers() {
    let checks = CheckStatus {
        last_success: Some(std::time::Duration::from_millis(1500)),
        failures_in_a_row: 3,
        by_outcome: [1, 2, 3, 4],
    };
    let ill = ServerStatus {
        state: State::Unreachable,
        checks: Some(checks),
        changes_total: 9,
        ..server("127.0.0.1:3", 0)
    };
    let mut status = status();
    status.upstreams[0].panic = true;
    status.upstreams[0].servers.push(ill);
    let labels = |last| ["web", "127.0.0.1:3", last];
    check(&status, "weir_server_state", &labels("UNREACHABLE"), 1.0);
    check(&status, "weir_server_state", &labels("HEALTHY"), 0.0);
    check(&status, "weir_server_state", &["web", "127.0.0.1:1", "HEALTHY"], 1.0);
    check(&status, "weir_server_last_success_timestamp_seconds", &labels("")[..2], 1.5);
    for (outcome, count) in [("passed", 1.0), ("refused", 2.0), ("timeout", 3.0), ("answer", 4.0)] {
        check(&status, "weir_health_checks_total", &labels(outcome), count);
    }
    check(&status, "weir_health_changes_total", &labels("")[..2], 9.0);
    check(&status, "weir_upstream_panic", &["web"], 1.0);
    check(&status, "weir_upstream_panic", &["api"], 0.0);
    // Who is not checked has no line about checks.
    assert!(
        !page(&status, Duration::ZERO, Dialect::Prometheus)
            .contains("weir_health_checks_total{upstream=\"api\"")
    );
}

#[test]
fn inventories_that_are_followed() {
    let mut status = status();
    status.upstreams[0].inventory = Some(InventoryStatus {
        problem: Some("hosts.conf:2:1: `8080` is not a server".to_owned()),
        taken_total: 3,
        refused_total: 2,
        ..InventoryStatus::default()
    });
    check(&status, "weir_inventory_changes_total", &["web", "taken"], 3.0);
    check(&status, "weir_inventory_changes_total", &["web", "refused"], 2.0);
    check(&status, "weir_inventory_unusable", &["web"], 1.0);
    assert!(
        !page(&status, Duration::ZERO, Dialect::Prometheus)
            .contains("weir_inventory_unusable{upstream=\"api\"")
    );
}

/// The value of a sample with these label values, on the page of each dialect.
#[track_caller]
pub(super) fn check(status: &Status, name: &str, labels: &[&str], expected: f64) {
    for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
        let families = parse(&page(status, Duration::ZERO, dialect), dialect);
        let found: Vec<_> = families
            .iter()
            .flat_map(|family| &family.2)
            .filter(|sample| {
                let mut values: Vec<_> = sample.1.values().map(String::as_str).collect();
                let mut wanted = labels.to_vec();
                values.sort_unstable();
                wanted.sort_unstable();
                sample.0 == name && values == wanted
            })
            .collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}");
        assert_eq!(found[0].2.to_bits(), expected.to_bits(), "{name} {labels:?}: {}", found[0].2);
    }
}

#[test]
fn the_page_has_every_metric_of_the_table_once_and_in_its_order() {
    for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
        for status in [status(), Status::default()] {
            let families = parse(&page(&status, Duration::ZERO, dialect), dialect);
            let written: Vec<_> =
                families.iter().map(|family| (family.0.as_str(), family.1.as_str())).collect();
            let name = |metric: &metric::Metric| match dialect {
                Dialect::Prometheus => metric.name,
                Dialect::OpenMetrics => metric.family(),
            };
            let table: Vec<_> = metric::ALL.iter().map(|metric| (name(metric), metric.kind.name())).collect();
            assert_eq!(written, table);
        }
    }
}

#[test]
fn values_and_labels() {
    let status = status();
    check(&status, "weir_build_info", &["1.2.3"], 1.0);
    check(&status, "weir_ready", &[], 1.0);
    check(&status, "weir_requests_total", &[], u64::MAX as f64);
    check(&status, "weir_answers_total", &["1xx"], 1.0);
    check(&status, "weir_answers_total", &["5xx"], 5.0);
    check(&status, "weir_upstream_requests_total", &["web", "127.0.0.1:2"], 8.0);
    check(&status, "weir_upstream_requests_total", &["api", "127.0.0.1:1"], 9.0);
    check(&status, "weir_authentication_refusals_total", &["wrong"], 4.0);
    check(&status, "weir_authenticated_requests_total", &["api_key", "shop"], 6.0);
    check(&status, "weir_mirrored_requests_total", &["next", "sent"], 1.0);
    check(&status, "weir_mirrored_requests_total", &["next", "failed"], 4.0);
    check(&status, "weir_compared_requests_total", &["shop", "/a", "incomplete"], 7.0);
    check(&status, "weir_differences_total", &["shop", "/a", "latency"], 12.0);
    check(&status, "weir_request_duration_seconds_bucket", &["0.0005"], 1.0);
    check(&status, "weir_request_duration_seconds_bucket", &["1.0"], 66.0);
    check(&status, "weir_request_duration_seconds_bucket", &["+Inf"], 120.0);
    check(&status, "weir_request_duration_seconds_count", &[], 120.0);
    check(&status, "weir_request_duration_seconds_sum", &[], 0.25);
    check(&status, "weir_certificate_expires_timestamp_seconds", &["[::]:8443", "a.pem"], 2e9);
    check(&status, "weir_certificate_expires_timestamp_seconds", &["[::]:8443", "b.pem"], -1.0);
}

#[test]
fn a_server_that_is_written_twice_is_one_line_with_the_sum() {
    let mut status = status();
    status.upstreams[0].servers.push(server("127.0.0.1:1", 100));
    check(&status, "weir_upstream_requests_total", &["web", "127.0.0.1:1"], 107.0);
}

#[test]
fn a_histogram_without_counts_is_empty_and_whole() {
    check(&Status::default(), "weir_request_duration_seconds_bucket", &["+Inf"], 0.0);
    check(&Status::default(), "weir_request_duration_seconds_count", &[], 0.0);
}

#[test]
fn hostile_names_stay_inside_their_quotes() {
    for name in ["a\"b", "a\\", "a\nweir_ready 7", "a\"} 1\n# EOF", "\\\"", "ä€", "", "{},="] {
        let mut status = status();
        status.upstreams[1].name = name.to_owned();
        check(&status, "weir_upstream_requests_total", &[name, "127.0.0.1:1"], 9.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_status_gives_a_page_that_parses(
        names in prop::collection::vec((any::<String>(), any::<String>()), 0..5),
        counts in prop::collection::vec(0..1_u64 << 40, 0..=BUCKETS),
        sum_seconds in 0.0..1e18,
    ) {
        let upstreams = names.iter().map(|(name, address)| UpstreamStatus {
            name: name.clone(),
            balance: "random",
            servers: vec![server(address, 1), server(address, 2)],
            ..UpstreamStatus::default()
        });
        let status = Status {
            request_duration: Histogram { counts, sum_seconds },
            upstreams: upstreams.collect(),
            ..Status::default()
        };
        for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
            parse(&page(&status, Duration::ZERO, dialect), dialect);
        }
    }
}

#[test]
fn the_format_follows_accept() {
    for (accept, expected) in [
        ("", Dialect::Prometheus),
        ("*/*", Dialect::Prometheus),
        ("text/plain", Dialect::Prometheus),
        ("text/html, */*;q=0.1", Dialect::Prometheus),
        ("application/openmetrics-text", Dialect::OpenMetrics),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", Dialect::OpenMetrics),
        ("application/openmetrics-text; version=\"0.0.1\", */*", Dialect::OpenMetrics),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
            Dialect::OpenMetrics,
        ),
        (
            "application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.5",
            Dialect::Prometheus,
        ),
        ("text/plain, application/openmetrics-text", Dialect::Prometheus),
        ("application/openmetrics-text;q=0", Dialect::Prometheus),
        ("application/openmetrics-text;q=nonsense", Dialect::Prometheus),
        ("application/openmetrics-text;q=NaN", Dialect::Prometheus),
        ("application/openmetrics-text;q=-1", Dialect::Prometheus),
        ("application/openmetrics-text;q=9", Dialect::Prometheus),
        ("application/openmetrics-text;version=2.0.0", Dialect::Prometheus),
        (";;,,=;q", Dialect::Prometheus),
        // What Prometheus 3 sends.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;\
             q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            Dialect::OpenMetrics,
        ),
    ] {
        let mut fields = HeaderMap::new();
        fields.insert(ACCEPT, accept.parse().unwrap());
        assert_eq!(Dialect::accepted_by(&fields), expected, "{accept}");
    }
    assert_eq!(Dialect::accepted_by(&HeaderMap::new()), Dialect::Prometheus);
}

/// The names of another program stand on the page only where somebody asked for them, in both formats.
#[test]
fn messages_are_told_under_the_names_of_the_original() {
    let messages = MessageStatus {
        requests: vec![("get", "client", 3), ("post", "proxy", 6)],
        answers: vec![(200, "client", 9), (503, "proxy", 1)],
    };
    let status = Status { messages: Some(messages), ..Status::default() };
    for dialect in [Dialect::Prometheus, Dialect::OpenMetrics] {
        let text = page(&status, Duration::ZERO, dialect);
        parse(&text, dialect);
        for line in [
            "http_requests_total{method=\"get\",source=\"client\"} 3",
            "http_requests_total{method=\"post\",source=\"proxy\"} 6",
            "http_responses_total{code=\"200\",source=\"client\"} 9",
            "http_responses_total{code=\"503\",source=\"proxy\"} 1",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
        assert!(!page(&Status::default(), Duration::ZERO, dialect).contains("http_re"));
    }
}
