//! The listener over real sockets: what is answered, what is refused, what is cut.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use weir_core::compare::{Difference, DifferenceKind};
use weir_core::ports::{
    ComparisonExample, ComparisonReport, ComparisonStatus, MirrorStatus, ServerStatus, Status, StatusSource,
    UpstreamStatus,
};

use super::{CONNECTION_LIFETIME, HEAD_TIMEOUT, serve, serve_metrics};
use crate::access::{Admission, Door};
use crate::sources::Sources;
use crate::visitors::CONNECTIONS_MAX;

struct Source {
    ready: AtomicBool,
}

fn comparison() -> ComparisonStatus {
    ComparisonStatus {
        service: "shop".to_owned(),
        route: "/".to_owned(),
        upstream: "next".to_owned(),
        outcomes: [5, 1, 0, 2],
        differences: [0, 0, 1, 0],
        ..ComparisonStatus::default()
    }
}

impl StatusSource for Source {
    fn status(&self) -> Status {
        let server = ServerStatus {
            address: "127.0.0.1:1".to_owned(),
            weight: 2,
            requests_total: 3,
            ..ServerStatus::default()
        };
        let web = UpstreamStatus {
            name: "web".to_owned(),
            balance: "round_robin",
            servers: vec![server],
            ..UpstreamStatus::default()
        };
        Status {
            version: "1.2.3",
            ready: self.ready.load(Ordering::Relaxed),
            answers_by_class: [0, 9, 0, 4, 0],
            upstreams: vec![web],
            mirrors: vec![MirrorStatus { upstream: "next".to_owned(), copies: [4, 3, 2, 0, 1] }],
            comparisons: vec![comparison()],
            ..Status::default()
        }
    }

    fn comparisons(&self) -> Vec<ComparisonReport> {
        let difference = Difference {
            kind: DifferenceKind::Body,
            place: "$.total".to_owned(),
            client: "\"1\"".to_owned(),
            copy: "2".to_owned(),
        };
        let example = ComparisonExample {
            at_seconds: 7,
            request: "GET /".to_owned(),
            client_seconds: 0.5,
            copy_seconds: 0.25,
            differences: vec![difference],
            uncompared: None,
        };
        vec![ComparisonReport { status: comparison(), examples: vec![example] }]
    }
}

struct Running {
    address: SocketAddr,
    source: Arc<Source>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start() -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let source = Arc::new(Source { ready: AtomicBool::new(true) });
    let (stop, stopped) = oneshot::channel::<()>();
    let sources = Sources::of_status(Arc::<Source>::clone(&source));
    let served = serve(listener, sources, Arc::default(), async {
        let _ = stopped.await;
    });
    Running { address, source, stop, task: tokio::spawn(served) }
}

/// A source with a fault, which must stay its own.
struct Panicking;

impl StatusSource for Panicking {
    fn status(&self) -> Status {
        panic!("a fault of the source")
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

pub(super) async fn exchange(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(&mut stream).await
}

pub(super) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer { status: head[9..12].parse().unwrap(), head: head.to_owned(), body: body.to_owned() }
}

impl Running {
    async fn ask(&self, method: &str, path: &str, fields: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{fields}Connection: close\r\n\r\n",
            self.address
        );
        exchange(self.address, &request).await
    }
}

#[tokio::test]
async fn health_readiness_and_the_status() {
    let admin = start().await;
    let answer = admin.ask("GET", "/healthz", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert_eq!(admin.ask("GET", "/readyz?verbose", "").await.status, 200);
    admin.source.ready.store(false, Ordering::Relaxed);
    let answer = admin.ask("GET", "/readyz", "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.starts_with("not ready\nit is draining"), "{}", answer.body);
    assert_eq!(admin.ask("GET", "/healthz", "").await.status, 200);
    let answer = admin.ask("GET", "/api/v1/status", "").await;
    assert_eq!(answer.field("content-type"), Some("application/json"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let status: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&status["version"], &status["ready"]), (&"1.2.3".into(), &false.into()));
    assert_eq!(status["answers_by_class"]["2xx"], 9);
    assert_eq!(status["upstreams"][0]["servers"][0]["requests_total"], 3);
    assert_eq!(status["certificates"], Value::Array(Vec::new()));
    let buckets = status["request_duration"]["buckets"].as_array().unwrap();
    assert_eq!((buckets.len(), &buckets[14]["up_to_seconds"]), (15, &Value::Null));
}

#[tokio::test]
async fn the_status_has_mirrors_and_comparisons_without_their_examples() {
    let admin = start().await;
    let status: Value = serde_json::from_str(&admin.ask("GET", "/api/v1/status", "").await.body).unwrap();
    let copies = serde_json::json!({"sent": 4, "dropped_queue": 3, "dropped_body": 2, "dropped_unreachable": 0, "failed": 1});
    assert_eq!(status["mirrors"], serde_json::json!([{"upstream": "next", "copies": copies}]));
    let compared = &status["comparisons"][0];
    assert_eq!((&compared["service"], &compared["upstream"]), (&"shop".into(), &"next".into()));
    assert_eq!((&compared["outcomes"]["same"], &compared["differences"]["body"]), (&5.into(), &1.into()));
    assert!(compared.get("examples").is_none(), "those are at /api/v1/compare");
}

#[tokio::test]
async fn comparisons_are_told_with_their_examples() {
    let admin = start().await;
    let answer = admin.ask("GET", "/api/v1/compare", "").await;
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")));
    let found: Value = serde_json::from_str(&answer.body).unwrap();
    let route = &found["routes"][0];
    assert_eq!((&route["service"], &route["upstream"]), (&"shop".into(), &"next".into()));
    assert_eq!(
        route["outcomes"],
        serde_json::json!({"same": 5, "different": 1, "incomplete": 0, "failed": 2})
    );
    assert_eq!(route["differences"]["body"], 1);
    let example = &route["examples"][0];
    assert_eq!((&example["request"], &example["body_not_compared"]), (&"GET /".into(), &Value::Null));
    assert_eq!(
        example["differences"][0],
        serde_json::json!({"kind": "body", "place": "$.total", "client": "\"1\"", "copy": "2"})
    );
    assert_eq!(admin.ask("POST", "/api/v1/compare", "").await.status, 405);
}

#[tokio::test]
async fn metrics_have_the_type_of_their_format() {
    let admin = start().await;
    let answer = admin.ask("GET", "/metrics", "").await;
    assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.body.contains("\nweir_answers_total{class=\"4xx\"} 4\n"), "{}", answer.body);
    let answer = admin.ask("GET", "/metrics", "Accept: application/openmetrics-text\r\n").await;
    assert_eq!(
        answer.field("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(answer.body.ends_with("\n# EOF\n"));
}

#[track_caller]
pub(super) fn check_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.head);
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], "about:blank");
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_written() {
    let admin = start().await;
    for path in [
        "/dashboard/",
        "/dashboard/other.js",
        "/nothing",
        "/healthz/",
        "/HEALTHZ",
        "//healthz",
        "/api/v1/status/",
        "/%6detrics",
    ] {
        check_problem(&admin.ask("GET", path, "").await, 404);
    }
    check_problem(&admin.ask("POST", "/nothing", "").await, 404);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO"] {
        let answer = admin.ask(method, "/metrics", "").await;
        check_problem(&answer, 405);
        assert_eq!(answer.field("allow"), Some("GET, HEAD"), "{method}");
    }
    let head = admin.ask("HEAD", "/healthz", "").await;
    assert_eq!((head.status, head.field("content-length"), head.body.as_str()), (200, Some("3"), ""));
}

#[tokio::test]
async fn strangers_are_refused() {
    let admin = start().await;
    let foreign = "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let answer = exchange(admin.address, foreign).await;
    check_problem(&answer, 403);
    assert!(!answer.body.contains("weir_"), "{}", answer.body);
    check_problem(&admin.ask("GET", "/metrics", "Origin: http://evil.example\r\n").await, 403);
    check_problem(&admin.ask("GET", "/metrics", "Origin: null\r\n").await, 403);
    check_problem(&admin.ask("GET", "/healthz", "Host: localhost\r\n").await, 400);
    check_problem(&exchange(admin.address, "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").await, 400);
    let same = format!("Origin: http://{}\r\n", admin.address);
    assert_eq!(admin.ask("GET", "/metrics", &same).await.status, 200);
    assert_eq!(exchange(admin.address, "GET /healthz HTTP/1.0\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn a_listed_name_is_let_in() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let source = Arc::new(Source { ready: AtomicBool::new(true) });
    let admission = Admission { hosts: vec!["admin.example".into()], ..Admission::default() };
    let admission = Arc::new(Door::new(admission));
    let _task = tokio::spawn(serve(listener, Sources::of_status(source), admission, std::future::pending()));
    for (host, status) in [("admin.example:9180", 200), ("localhost", 200), ("other.example", 403)] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(exchange(address, &request).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn bodies_are_refused_and_end_the_connection() {
    let admin = start().await;
    for framing in [
        "Content-Length: 1\r\n\r\nx",
        "Content-Length: 1099511627776\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        // No `Connection: close` in the request: reading to the end shows that the listener closes by itself.
        let request = format!("POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\n{framing}");
        let answer = exchange(admin.address, &request).await;
        check_problem(&answer, 413);
        assert_eq!(answer.field("connection"), Some("close"), "{framing}");
    }
    assert_eq!(admin.ask("GET", "/healthz", "Content-Length: 0\r\n").await.status, 200);
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let admin = start().await;
    let fields = "X-Filler: x\r\n".repeat(100);
    assert_eq!(admin.ask("GET", "/healthz", &fields).await.status, 431);
}

#[tokio::test]
async fn a_connection_is_kept() {
    let admin = start().await;
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = exchange(admin.address, &format!("{request}{request}{last}")).await;
    assert_eq!(answer.body.matches("HTTP/1.1 200").count(), 2, "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_and_an_idle_connection_are_closed() {
    let admin = start().await;
    for sent in ["", "GET /healthz HTTP/1.1\r\nHost:", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let begin = Instant::now();
        let mut stream = TcpStream::connect(admin.address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
        assert!(begin.elapsed() <= HEAD_TIMEOUT + Duration::from_secs(1), "{sent}: {:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn no_connection_outlives_its_lifetime() {
    let admin = start().await;
    let mut stream = TcpStream::connect(admin.address).await.unwrap();
    let begin = Instant::now();
    let mut answered = 0;
    // A client that always asks again in time, and would so hold its place forever.
    while stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_ok() {
        let mut answer = [0; 1024];
        match stream.read(&mut answer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => answered += 1,
        }
        tokio::time::advance(HEAD_TIMEOUT / 2).await;
        assert!(begin.elapsed() < CONNECTION_LIFETIME * 2, "{answered} answers");
    }
    assert!(answered > 10, "{answered}");
}

#[tokio::test(start_paused = true)]
async fn further_connections_wait_for_one_to_end() {
    let admin = start().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(admin.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        // The answer shows that this one was accepted and takes its place.
        stream.read_exact(&mut [0; 16]).await.unwrap();
        held.push(stream);
    }
    let mut waiting = TcpStream::connect(admin.address).await.unwrap();
    waiting
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(timeout(HEAD_TIMEOUT / 2, waiting.read_u8()).await.is_err());
    held.pop();
    assert_eq!(waiting.read_u8().await.unwrap(), b'H');
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_the_port() {
    let admin = start().await;
    let mut idle = TcpStream::connect(admin.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 16]).await.unwrap();
    drop(admin.stop);
    admin.task.await.unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"ok\n"));
    assert!(TcpStream::connect(admin.address).await.is_err());
}

#[tokio::test]
async fn a_source_that_panics_costs_one_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let _task = tokio::spawn(serve(
        listener,
        Sources::of_status(Arc::new(Panicking)),
        Arc::default(),
        std::future::pending(),
    ));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(bytes.is_empty());
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(address, health).await.status, 200);
}

#[tokio::test]
async fn what_is_no_request_gets_no_status() {
    let admin = start().await;
    for garbage in
        ["\x16\x03\x01\x02\0", "GET /metrics\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0", "\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(admin.address).await.unwrap();
        stream.write_all(garbage.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        assert!(!bytes.starts_with(b"HTTP/1.1 2"), "{garbage:?}: {}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(admin.ask("GET", "/healthz", "").await.status, 200);
}

#[tokio::test]
async fn a_stranger_cannot_come_by_the_target_or_by_a_second_request() {
    let admin = start().await;
    let absolute = "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    check_problem(&exchange(admin.address, absolute).await, 403);
    let first = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let second = "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let answers = exchange(admin.address, &format!("{first}{second}")).await;
    assert!(answers.body.contains("HTTP/1.1 403") && !answers.body.contains("weir_"), "{}", answers.body);
    // A body that looks like a request is never read as one.
    let smuggled = format!(
        "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{first}",
        first.len()
    );
    let answer = exchange(admin.address, &smuggled).await;
    assert_eq!((answer.status, answer.body.contains("HTTP/1.1")), (413, false));
}

/// Metrics for scrapers of other machines: they name the host as they know it, and nothing else is to be had.
#[tokio::test]
async fn a_metrics_listener_serves_metrics_alone() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let source = Arc::new(Source { ready: AtomicBool::new(true) });
    let task = tokio::spawn(serve_metrics(listener, source, std::future::pending()));
    let ask = async |path: &str, fields: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: proxy1.example:9000\r\n{fields}Connection: close\r\n\r\n");
        exchange(address, &request).await
    };
    for path in ["/metrics", "/"] {
        let answer = ask(path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains("weir_requests_total 0"), "{}", answer.body);
    }
    for path in ["/api/v1/status", "/healthz", "/readyz", "/metrics/"] {
        let answer = ask(path, "").await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("/api/"), "{}", answer.body);
    }
    assert_eq!(ask("/metrics", "Origin: http://evil.example\r\n").await.status, 403);
    task.abort();
}
