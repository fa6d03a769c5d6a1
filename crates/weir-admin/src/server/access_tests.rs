//! Who may ask, over a Unix socket or with a token; the stream of events; what is not there, and what is told to end.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weir_auth::api_key::KeyDigest;
use weir_core::ports::drain::DrainControl;
use weir_core::ports::site::{Page, RouteStatus, ServiceStatus, SiteSource};
use weir_core::ports::traffic::{RequestCount, RouteTraffic};
use weir_core::ports::{Status, StatusSource};

use super::tests::{Answer, check_problem, exchange, read_answer};
use super::{CONNECTION_LIFETIME, STRANGER_LIFETIME, serve};
use crate::access::{Admission, Door};
use crate::events::LISTENERS_MAX;
use crate::sources::Sources;
use crate::visitors::{CONNECTIONS_MAX, STRANGERS_MAX};

/// How many documents were made, how often it was drained.
#[derive(Default)]
struct Process {
    looked: AtomicUsize,
    drained: AtomicUsize,
}

impl StatusSource for Process {
    fn status(&self) -> Status {
        self.looked.fetch_add(1, Ordering::SeqCst);
        let requests = vec![RequestCount { mode: "balance", method: "safe", status: "2xx", count: 7 }];
        let route = RouteTraffic {
            service: "shop".to_owned(),
            route: "r1".to_owned(),
            requests,
            ..Default::default()
        };
        Status { version: "1.2.3", ready: true, routes: vec![route], ..Status::default() }
    }
}

impl DrainControl for Process {
    fn drain(&self) {
        self.drained.fetch_add(1, Ordering::SeqCst);
    }
}

/// One service with three routes.
impl SiteSource for Process {
    fn services(&self, from: usize, max: usize) -> Page<ServiceStatus> {
        let shop = ServiceStatus { name: "shop".to_owned(), hosts: vec!["*".to_owned()], routes: 3 };
        Page { items: std::iter::once(shop).skip(from).take(max).collect(), total: 1 }
    }

    fn routes(&self, service: Option<&str>, from: usize, max: usize) -> Option<Page<RouteStatus>> {
        let route = |number| RouteStatus {
            service: "shop".to_owned(),
            name: format!("r{number}"),
            action: "respond",
            ..RouteStatus::default()
        };
        let is_known = service.is_none_or(|service| service == "shop");
        is_known.then(|| Page { items: (0..3).skip(from).take(max).map(route).collect(), total: 3 })
    }
}

struct Running {
    process: Arc<Process>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    door: Arc<Door>,
}

fn sources(process: &Arc<Process>) -> Sources {
    Sources {
        site: Some(Arc::<Process>::clone(process)),
        drain: Some(Arc::<Process>::clone(process)),
        ..Sources::of_status(Arc::<Process>::clone(process))
    }
}

async fn start(token: Option<&[u8]>) -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let process = Arc::new(Process::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let door = Arc::new(Door::new(admission(token)));
    let served = serve(listener, sources(&process), Arc::clone(&door), async {
        let _ = stopped.await;
    });
    Running { process, address, stop, serving: tokio::spawn(served), door }
}

fn admission(token: Option<&[u8]>) -> Admission {
    Admission { token: token.map(|token| KeyDigest::of(token).unwrap()), ..Admission::default() }
}

impl Running {
    async fn ask(&self, method: &str, path: &str, fields: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{fields}Connection: close\r\n\r\n",
            self.address
        );
        exchange(self.address, &request).await
    }

    /// A listener to events, with the head of the answer read.
    async fn listen(&self) -> BufReader<TcpStream> {
        self.listen_with("").await
    }

    async fn listen_with(&self, fields: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
        }
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"),
            "{head}"
        );
        stream
    }
}

/// The next document of a stream.
async fn event(stream: &mut BufReader<TcpStream>) -> Value {
    loop {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "the stream has ended");
        if let Some(data) = line.strip_prefix("data: ") {
            let document: Value = serde_json::from_str(data).unwrap();
            // What was before comes first, and once.
            if document.get("moments").is_none() {
                return document;
            }
        }
    }
}

const TOKEN: &str = "Authorization: Bearer 0123456789abcdef\r\n";

#[tokio::test]
async fn with_a_token_nothing_is_told_without_it_but_health() {
    let admin = start(Some(b"0123456789abcdef")).await;
    for path in ["/healthz", "/readyz", "/", "/dashboard/main.js"] {
        let answer = admin.ask("GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.contains("1.2.3"), "{}", answer.body);
    }
    for path in ["/metrics", "/api/v1/status", "/api/v1/events", "/nothing", "/dashboard"] {
        let answer = admin.ask("GET", path, "").await;
        check_problem(&answer, 401);
        assert_eq!(answer.field("www-authenticate"), Some("Bearer realm=\"weir\""));
        assert!(!answer.body.contains("1.2.3"), "{}", answer.body);
    }
    check_problem(&admin.ask("POST", "/api/v1/drain", "Authorization: Bearer 0123\r\n").await, 401);
    assert_eq!(admin.process.drained.load(Ordering::SeqCst), 0);
    assert_eq!(admin.ask("GET", "/metrics", TOKEN).await.status, 200);
    check_problem(&admin.ask("GET", "/nothing", TOKEN).await, 404);
    // The token is no way around the guard: a page that has learned it is still a page of somebody else.
    check_problem(
        &admin.ask("GET", "/metrics", &format!("{TOKEN}Origin: http://evil.example\r\n")).await,
        403,
    );
}

#[tokio::test]
async fn what_may_open_a_unix_socket_may_ask_under_any_name() {
    let path = std::env::temp_dir().join(format!("weir-admin-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let process = Arc::new(Process::default());
    let socket = crate::socket::Socket::Unix(listener);
    let serving = tokio::spawn(serve(socket, sources(&process), Arc::default(), std::future::pending()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream
        .write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("1.2.3"), "{}", answer.body);
    serving.abort();
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn events_come_each_second_and_are_made_once_for_all() {
    let admin = start(None).await;
    let mut listeners = [admin.listen().await, admin.listen().await, admin.listen().await];
    for _ in 0..3 {
        for listener in &mut listeners {
            let document = event(listener).await;
            assert_eq!((&document["version"], &document["ready"]), (&"1.2.3".into(), &true.into()));
            assert_eq!(document["routes"][0]["requests_by_class"]["2xx"], 7);
        }
    }
    let looked = admin.process.looked.load(Ordering::SeqCst);
    assert!(looked < 3 * 3, "three listeners cost less than three: {looked}");
}

#[tokio::test]
async fn so_many_may_listen_and_no_more() {
    let admin = start(None).await;
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS_MAX {
        listeners.push(admin.listen().await);
    }
    check_problem(&admin.ask("GET", "/api/v1/events", "").await, 503);
    assert_eq!(admin.ask("HEAD", "/api/v1/events", "").await.status, 503);
    // Others still are answered.
    assert_eq!(admin.ask("GET", "/healthz", "").await.status, 200);
    drop(listeners.pop());
    // A place is free when the listener's end was seen, which is with the next event at the latest.
    while admin.ask("HEAD", "/api/v1/events", "").await.status != 200 {
        tokio::task::yield_now().await;
    }
    drop(admin.listen().await);
}

#[tokio::test]
async fn a_stop_ends_streams() {
    let admin = start(None).await;
    let mut listener = admin.listen().await;
    event(&mut listener).await;
    drop(admin.stop);
    admin.serving.await.unwrap();
    let mut rest = Vec::new();
    listener.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "an end in order: {:?}", String::from_utf8_lossy(&rest));
}

/// Who listened when the token was changed, because others had learnt it, was told everything for up to five minutes more.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_is_no_longer_the_one() {
    let admin = start(Some(b"0123456789abcdef")).await;
    let mut listener = admin.listen_with(&format!("{TOKEN}Connection: close\r\n")).await;
    event(&mut listener).await;
    // A reload that leaves the token as it is, or takes it away, ends nothing.
    for token in [Some(&b"0123456789abcdef"[..]), None, Some(b"0123456789abcdef")] {
        admin.door.exchange(admission(token));
        event(&mut listener).await;
        event(&mut listener).await;
    }
    let changed = tokio::time::Instant::now();
    admin.door.exchange(admission(Some(b"fedcba9876543210")));
    let mut rest = String::new();
    listener.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains("data: ") && rest.ends_with("0\r\n\r\n"), "an end in order: {rest}");
    assert!(changed.elapsed() < Duration::from_secs(1), "{:?}", changed.elapsed());
    check_problem(&admin.ask("GET", "/api/v1/status", TOKEN).await, 401);
}

/// Who listened before there was a token does not go on without it.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_a_token_is_wanted() {
    let admin = start(None).await;
    let mut listener = admin.listen().await;
    event(&mut listener).await;
    admin.door.exchange(admission(Some(b"0123456789abcdef")));
    let mut rest = String::new();
    listener.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains("data: "), "{rest}");
}

/// All places could be taken by whoever connects and says nothing, from anywhere, and then those who know the token waited for as
/// long as strangers wished.
#[tokio::test(start_paused = true)]
async fn silent_strangers_keep_no_operator_out() {
    let admin = start(Some(b"0123456789abcdef")).await;
    let mut strangers = Vec::new();
    for number in 0..CONNECTIONS_MAX + 2 * STRANGERS_MAX {
        let mut stream = TcpStream::connect(admin.address).await.unwrap();
        // Some say a little, and some have asked for what everybody may have.
        let said = ["", "GET /metrics HTTP/1.1\r\nHost:", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"];
        stream.write_all(said[number % 3].as_bytes()).await.unwrap();
        strangers.push(stream);
    }
    let asked = tokio::time::Instant::now();
    assert_eq!(admin.ask("GET", "/api/v1/status", TOKEN).await.status, 200);
    // The oldest had to go at once, and not when its time was over.
    let mut rest = Vec::new();
    let _ = strangers[0].read_to_end(&mut rest).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    // A listener to events is no stranger, however many come after it.
    let mut listener = admin.listen_with(TOKEN).await;
    for _ in 0..2 * STRANGERS_MAX {
        strangers.push(TcpStream::connect(admin.address).await.unwrap());
    }
    assert_eq!(admin.ask("GET", "/api/v1/status", TOKEN).await.status, 200);
    event(&mut listener).await;
    event(&mut listener).await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_little_time_and_an_operator_has_more() {
    let admin = start(Some(b"0123456789abcdef")).await;
    let request = |fields: &str| format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    for (fields, at_most) in [("", STRANGER_LIFETIME), (TOKEN, CONNECTION_LIFETIME)] {
        let begun = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(admin.address).await.unwrap();
        // One that asks again and again.
        while stream.write_all(request(fields).as_bytes()).await.is_ok() {
            let mut answer = [0; 1024];
            if matches!(stream.read(&mut answer).await, Ok(0) | Err(_)) {
                break;
            }
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        let lasted = begun.elapsed();
        assert!(lasted >= at_most && lasted < at_most + Duration::from_secs(5), "{fields}: {lasted:?}");
    }
}

/// A listener that reads nothing costs what is in its socket, and no documents.
#[tokio::test(start_paused = true)]
async fn nobody_holds_a_place_for_ever() {
    let admin = start(None).await;
    let mut listener = admin.listen().await;
    let begun = tokio::time::Instant::now();
    let mut rest = Vec::new();
    listener.read_to_end(&mut rest).await.unwrap();
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(60) && took < Duration::from_secs(302), "{took:?}");
}

#[tokio::test]
async fn draining_is_asked_for_with_post() {
    let admin = start(None).await;
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let answer = admin.ask(method, "/api/v1/drain", "").await;
        assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")), "{method}");
    }
    check_problem(&admin.ask("POST", "/api/v1/drain", "Origin: http://evil.example\r\n").await, 403);
    check_problem(&admin.ask("POST", "/api/v1/drain/", "").await, 404);
    assert_eq!(admin.process.drained.load(Ordering::SeqCst), 0, "nothing has happened");
    assert_eq!(admin.ask("POST", "/api/v1/drain", "").await.status, 202);
    assert_eq!(admin.process.drained.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn services_and_routes_come_in_pages() {
    let admin = start(None).await;
    let get = async |path: &str| -> Value {
        let answer = admin.ask("GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    };
    let page = get("/api/v1/routes?max=2").await;
    assert_eq!(
        (&page["total"], &page["next"], page["routes"].as_array().unwrap().len()),
        (&3.into(), &2.into(), 2)
    );
    assert_eq!(page["routes"][0]["traffic"], Value::Null, "nobody has asked for it");
    assert_eq!(page["routes"][1]["traffic"]["requests_by_class"]["2xx"], 7);
    let page = get("/api/v1/routes?service=shop&from=2").await;
    assert_eq!((&page["routes"][0]["name"], &page["next"]), (&"r2".into(), &Value::Null));
    assert_eq!(get("/api/v1/routes?from=99999999999").await["routes"], Value::Array(Vec::new()));
    assert_eq!(get("/api/v1/services").await["services"][0]["hosts"][0], "*");
    check_problem(&admin.ask("GET", "/api/v1/routes?service=none", "").await, 404);
    for query in ["max=0", "max=1001", "max=-1", "from=x", "form=1", "max=1&max=1", "service=%ff"] {
        check_problem(&admin.ask("GET", &format!("/api/v1/routes?{query}"), "").await, 400);
    }
}

#[tokio::test]
async fn what_a_process_does_not_have_is_not_there() {
    let admin = start(None).await;
    for path in ["/api/v1/queues", "/api/v1/upstreams/web", "/api/v1/configuration"] {
        check_problem(&admin.ask("GET", path, "").await, 404);
    }
}
