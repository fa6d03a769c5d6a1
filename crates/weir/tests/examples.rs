//! Every file in `examples/` runs and does what its comments promise.
//!
//! A file is run as it stands but for its addresses: it listens on a port that the system chooses, and each of its servers
//! is a mock that says what it got. A new example without promises here fails.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, whose output says which example fails")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use weir_config::model::{AccessLog, ListenAddress, Model};
use weir_core::compare::CompareOutcome;
use weir_core::dispatch::{CatchUp, Mode};
use weir_core::health::State;
use weir_core::mirror::MirrorOutcome;
use weir_core::ports::DispatchStatus;
use weir_core::ports::queue::WriteQueue;
use weir_core::queue::QueueLimits;
use weir_core::server::Transport;
use weir_proxy::Proxy;
use weir_proxy::runtime::sockets::BoundAddress;
use weir_store::Queue;
use weir_testkit::certificate::{self, Files};
use weir_testkit::client::connect_tls;
use weir_tls::source::Certificates;
use weir_tools::mock::{Mock, MockOptions};

/// The servers of the upstreams `web` and `orders` of `routes.yaml`, by port.
const WEB: [u16; 2] = [9001, 9002];
const ORDERS: [u16; 2] = [9003, 9002];

/// What the comments of each example promise.
async fn keeps_its_promises(name: &str, site: &Site) {
    match name {
        "minimal.yaml" => minimal(site).await,
        "health.yaml" => health(site).await,
        "mirror.yaml" => mirror(site).await,
        "compare.yaml" => compare(site).await,
        "host-services.yaml" => host_services(site).await,
        "routes.yaml" => {
            hosts(site).await;
            routes(site).await;
            changes(site).await;
            answers(site).await;
        }
        "eject.yaml" => eject(site).await,
        "admit.yaml" => admit(site).await,
        "api-key.yaml" => api_key(site).await,
        "race.yaml" => race(site).await,
        "hedge.yaml" => hedge(site).await,
        "majority.yaml" => majority(site).await,
        "duplicate.yaml" => duplicate(site).await,
        "durable.yaml" => durable(site).await,
        "tls.yaml" => tls(site).await,
        "tls-api-key.yaml" => tls_api_key(site).await,
        name => panic!("`examples/{name}` has no promises in this test: add them"),
    }
}

async fn minimal(site: &Site) {
    for port in [9001, 9002, 9001, 9002] {
        let answer = site.get("any.test", "/").await;
        assert_eq!((answer.status, site.port(&answer)), (200, port), "in turn");
    }
}

/// Waits until the checks of all servers have passed.
async fn all_are_well(site: &Site) {
    let states = || {
        let upstreams = site.proxy.status_source().status().upstreams;
        upstreams.into_iter().flat_map(|one| one.servers).map(|server| server.state).collect::<Vec<_>>()
    };
    let all = async {
        while states().iter().any(|state| *state != State::Healthy) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(waited.is_ok(), "all are well: {:?}", site.proxy.status_source().status().upstreams);
}

async fn health(site: &Site) {
    all_are_well(site).await;
    let mut ports = Vec::new();
    for _ in 0..2 {
        let answer = site.get("any.test", "/").await;
        assert_eq!(answer.status, 200);
        ports.push(site.port(&answer));
    }
    ports.sort_unstable();
    assert_eq!(ports, [9001, 9002]);
    assert_eq!(site.port(&site.get("any.test", "/reports/1").await), 9003);
}

async fn eject(site: &Site) {
    let servers = || site.proxy.status_source().status().upstreams[0].servers.clone();
    let out = || servers().iter().position(|server| server.ejection.is_out);
    while out().is_none() {
        assert_eq!(site.get("any.test", "/status/503").await.status, 503);
    }
    for _ in 0..9 {
        assert_eq!(site.get("any.test", "/status/503").await.status, 503);
        assert_eq!(servers().iter().filter(|server| server.ejection.is_out).count(), 1, "no more");
    }
    let ejected = 9001 + out().unwrap() as u16;
    for _ in 0..6 {
        let answer = site.get("any.test", "/").await;
        assert_eq!(answer.status, 200);
        assert_ne!(site.port(&answer), ejected);
    }
}

async fn mirror(site: &Site) {
    let sent = || site.proxy.status_source().status().mirrors[0].copies[MirrorOutcome::Sent as usize];
    for (path, copies) in [("/", 1), ("/payments/1", 1), ("/a", 2)] {
        let answer = site.get("any.test", path).await;
        assert_eq!((answer.status, site.port(&answer)), (200, 9001), "{path}");
        while sent() < copies {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(sent(), 2, "payments have no copy");
}

async fn compare(site: &Site) {
    let outcomes = || site.proxy.status_source().status().comparisons[0].outcomes;
    let answer = site.get("any.test", "/a?b=c").await;
    assert_eq!((answer.status, site.port(&answer)), (200, 9001));
    while outcomes().iter().sum::<u64>() == 0 {
        tokio::task::yield_now().await;
    }
    let found = site.proxy.status_source().comparisons();
    assert_eq!(outcomes()[CompareOutcome::Same as usize], 1, "{found:?}");
}

async fn host_services(site: &Site) {
    all_are_well(site).await;
    let mut ports = Vec::new();
    for _ in 0..4 {
        let answer = site.get("my-service.my-company.com", "/").await;
        assert_eq!(answer.status, 200);
        ports.push(site.port(&answer));
    }
    ports.sort_unstable();
    assert_eq!(ports, [9090, 9090, 9091, 9091], "in turn");
    let answer = site.get("another.my-company.com", "/").await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("no service for host another.my-company.com"), "{}", answer.body);
}

async fn race(site: &Site) {
    for (path, asked) in [("/", 3), ("/paid/x", 1), ("/paidx", 3)] {
        let before = site.copies(Mode::Race);
        let answer = site.get("any.test", path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("x-backend-server").map(|server| server.contains(':')), Some(true));
        assert_eq!(site.copies(Mode::Race) - before, asked, "{path}");
    }
}

async fn hedge(site: &Site) {
    for method in ["GET", "POST", "GET"] {
        assert_eq!(site.ask(method, "any.test", "/", "").await.status, 200);
    }
    assert_eq!(site.dispatch().requests_by_mode[Mode::Hedge as usize], 3);
}

async fn majority(site: &Site) {
    let answer = site.get("any.test", "/bytes/20").await;
    assert_eq!((answer.status, answer.body.len()), (200, 20));
    assert_eq!(site.copies(Mode::Majority), 3);
    let answer = site.get("any.test", "/").await;
    assert_eq!(answer.status, 502, "each names its own port");
    assert_eq!(site.ask("POST", "any.test", "/", "").await.status, 200, "goes to one");
}

async fn duplicate(site: &Site) {
    assert_eq!(site.ask("POST", "any.test", "/orders", "").await.status, 200);
    let sent = || {
        let status = site.proxy.status_source().status();
        let servers = status.upstreams.into_iter().flat_map(|upstream| upstream.servers);
        servers.map(|server| server.requests_total).collect::<Vec<_>>()
    };
    // Two of them are enough for the client; the third has it at some moment.
    let all = async {
        while sent() != [1, 1, 1] {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(waited.is_ok(), "each server gets it: {:?}", sent());
    assert_eq!(site.get("any.test", "/orders").await.status, 200);
    assert_eq!(sent().iter().sum::<u64>(), 4, "reading goes to one");
}

async fn durable(site: &Site) {
    assert_eq!(site.ask("POST", "any.test", "/orders", "").await.status, 200);
    let queue = || site.proxy.status_source().status().queues[0].clone();
    assert!(queue().durable);
    assert_eq!((queue().accepted_total, &*queue().name), (1, "orders"));
    let all = async {
        while queue().backlog_writes > 0 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(waited.is_ok(), "each server gets it: {:?}", queue());
    assert_eq!(queue().dead_bytes, 0, "nobody refused it");
}

async fn tls(site: &Site) {
    for host in ["localhost", "127.0.0.1", "shop.example.com", "a.shop.example.com"] {
        let answer = site.ask_tls("GET", host, "/", "").await.unwrap();
        assert!(WEB.contains(&site.port(&answer)), "{host}");
        assert_eq!(answer.got()["headers"]["x-forwarded-proto"], "https");
    }
    let error = site.ask_tls("GET", "other.example.com", "/", "").await.err().unwrap();
    assert!(error.contains("NotValidForName"), "the certificate has the hosts of the file: {error}");
    assert_eq!(site.get("localhost", "/").await.status, 400, "this port speaks TLS");
}

async fn tls_api_key(site: &Site) {
    let key = "X-API-Key: test-api-key-123\r\n";
    for port in [8000, 8001, 8002, 8003, 8000] {
        let answer = site.ask_tls("GET", "localhost", "/test", key).await.unwrap();
        assert_eq!((answer.status, site.port(&answer)), (200, port), "in turn");
    }
    assert_eq!(site.ask_tls("GET", "localhost", "/test", "").await.unwrap().status, 401);
    let answer = site.ask("GET", "localhost", "/test", key).await;
    assert_eq!(answer.status, 308, "in the clear a key opens nothing");
    assert!(
        answer.field("location").unwrap().starts_with("https://localhost"),
        "{:?}",
        answer.field("location")
    );
}

async fn admit(site: &Site) {
    let answer = site.get("any.test", "/").await;
    assert_eq!((answer.status, answer.field("X-RateLimit-Limit")), (200, Some("200")));
    // The mock answers when it has the whole body, so these are in progress for as long as the last byte is missing.
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        let head = request("POST", "any.test", "/delay/1ms", "Content-Length: 1\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    while site.proxy.status_source().status().requests_waiting < 2 {
        tokio::task::yield_now().await;
    }
    let answer = site.get("any.test", "/delay/1ms").await;
    assert_eq!((answer.status, answer.field("Retry-After")), (503, Some("1")), "two wait, and no more");
    let answer = site.get("any.test", "/health").await;
    assert_eq!((answer.status, answer.field("X-RateLimit-Limit")), (200, None), "`admit: off`");
    assert_eq!(site.get("any.test", "/").await.status, 200, "each route counts by itself");
    for stream in &mut slow {
        stream.write_all(b"x").await.unwrap();
    }
    for mut stream in slow {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(Answer::of(&answer).status, 200, "each has had its turn");
    }
}

async fn api_key(site: &Site) {
    let answer = site.get("any.test", "/").await;
    assert_eq!((answer.status, answer.field("WWW-Authenticate")), (401, Some("ApiKey header=\"X-API-Key\"")));
    let answer = site.ask("GET", "any.test", "/", "X-API-Key: test-api-key-123\r\n").await;
    assert_eq!(answer.status, 200);
    assert!(
        !answer.body.to_lowercase().contains("test-api-key"),
        "the server does not get it: {}",
        answer.body
    );
    assert_eq!(site.ask("GET", "any.test", "/", "X-API-Key: test-api-key-456\r\n").await.status, 200);
    assert_eq!(site.ask("GET", "any.test", "/", "X-API-Key: test-api-key-124\r\n").await.status, 401);
    assert_eq!(site.get("any.test", "/health").await.status, 200);
}

/// The other policy that the comment in `host-services.yaml` names, chosen by one word of the file.
#[tokio::test]
async fn host_services_at_random() {
    let text = std::fs::read_to_string(directory().join("host-services.yaml")).unwrap();
    let file = std::env::temp_dir().join(format!("weir-test-random-{}.yaml", std::process::id()));
    std::fs::write(&file, text.replace("lbPolicy: ROUND_ROBIN", "lbPolicy: RANDOM")).unwrap();
    let model = weir_config::load(&file).unwrap_or_else(|error| panic!("{error}")).model;
    std::fs::remove_file(&file).unwrap();
    let site = Site::start(model, true).await;
    let mut ports = Vec::new();
    for _ in 0..64 {
        let answer = site.get("my-service.my-company.com", "/").await;
        assert_eq!(answer.status, 200);
        ports.push(site.port(&answer));
    }
    // Either happens by chance once in 2^63 runs.
    assert!(ports.contains(&9090) && ports.contains(&9091), "both are used: {ports:?}");
    assert!(ports.windows(2).any(|pair| pair[0] == pair[1]), "not in turn: {ports:?}");
    site.proxy.stop().await;
}

/// Which service of `routes.yaml` a host belongs to.
async fn hosts(site: &Site) {
    let mut ports = Vec::new();
    for _ in 0..3 {
        let answer = site.get("www.example.com", "/").await;
        assert_eq!(answer.field("x-frame-options"), Some("DENY"));
        ports.push(site.port(&answer));
    }
    ports.sort_unstable();
    assert_eq!(ports, [9001, 9002, 9002], "by weight");
    assert_eq!(site.get("www.example.org", "/").await.field("x-frame-options"), Some("DENY"));

    let answer = site.get("a.b.example.com", "/").await;
    assert_eq!(answer.got()["headers"]["x-tenant-host"], "yes", "one or more labels");
    assert!(WEB.contains(&site.port(&answer)));

    let answer = site.get("other.test", "/x").await;
    assert_eq!((answer.status, answer.body.as_str()), (404, "no such site\n"));
    assert_eq!(answer.field("content-type"), Some("text/plain"));
}

/// Which route of the shop takes a request.
async fn routes(site: &Site) {
    let shop = "shop.example.com";
    for (method, path, fields, ports) in [
        ("POST", "/orders", "", ORDERS.as_slice()),
        ("POST", "/orders/", "", &ORDERS),
        ("POST", "/orders/7", "", &ORDERS),
        ("POST", "/ordersx", "", &WEB),
        ("GET", "/orders/7", "", &WEB),
        ("HEAD", "/orders/7", "", &WEB),
        ("GET", "/orders/7?preview=1", "X-Version: 2\r\n", &[9003]),
        ("POST", "/orders/7?preview", "X-Version: 2\r\n", &[9003]),
        ("GET", "/orders/7?preview=1", "X-Version: 3\r\n", &WEB),
        ("GET", "/orders/7", "X-Version: 2\r\n", &WEB),
        ("GET", "/anything/else", "", &WEB),
    ] {
        let answer = site.ask(method, shop, path, fields).await;
        let server = answer.field("x-backend-server").unwrap_or_default();
        let port = server.trim_start_matches("http://").trim_start_matches("127.0.0.1:");
        let port = port.trim_end_matches("/shop").parse().unwrap();
        assert_eq!(answer.status, 200, "{method} {path}");
        assert!(ports.contains(&port), "{method} {path} {fields} went to {server}");
    }
}

/// What routes of the shop change in a request.
async fn changes(site: &Site) {
    let shop = "shop.example.com";
    let answer = site.get(shop, "/api/users?x=1").await;
    assert_eq!((answer.path(), &answer.got()["query"]), ("/users", &Value::from("x=1")));
    assert_eq!(answer.got()["headers"]["host"], format!("127.0.0.1:{}", answer.got()["port"]));
    let answer = site.get(shop, "/old/users").await;
    assert_eq!((answer.path(), &answer.got()["headers"]["host"]), ("/v2/users", &Value::from(shop)));

    let answer = site.ask("GET", shop, "/user/7", "Cookie: a=b\r\nX-Source: me\r\nX-Tag: zero\r\n").await;
    let fields = &answer.got()["headers"];
    assert_eq!(answer.path(), "/u/7/profile");
    assert_eq!(fields["x-source"], "shop");
    assert_eq!(fields["x-tag"], serde_json::json!(["zero", "one", "two"]));
    assert!(fields.get("cookie").is_none(), "{fields}");
    assert!(WEB.contains(&site.port(&site.get(shop, "/user/x").await)), "another path");
}

/// What `routes.yaml` answers itself.
async fn answers(site: &Site) {
    let answer = site.get("example.com", "/a/b?c=d").await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.field("location"), Some("https://www.example.com/a/b?c=d"));

    let shop = "shop.example.com";
    let answer = site.get(shop, "/health").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert_eq!(answer.field("x-backend-server"), None);
    assert!(WEB.contains(&site.port(&site.get(shop, "/health/").await)), "another path");

    let answer = site.get(shop, "/moved/a?b").await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.field("location"), Some("http://www.example.com/moved/a?b"));
}

#[tokio::test]
async fn every_example_does_what_it_says() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Whoever has tried one out has its state beside it.
    files.retain(|file| file.file_name().is_some_and(|name| name != ".weir"));
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        println!("{name}");
        let model = weir_config::load(&file).unwrap_or_else(|error| panic!("{error}")).model;
        says_how_to_try_it(&file, name, &model);
        let site = Site::start(model, name != "majority.yaml").await;
        keeps_its_promises(name, &site).await;
        site.proxy.stop().await;
    }
}

/// The comment at the top has the commands, with this file's name and this file's ports.
fn says_how_to_try_it(file: &Path, name: &str, model: &Model) {
    let text = std::fs::read_to_string(file).unwrap();
    let comment: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
    let comment = comment.join("\n");
    assert!(comment.contains(&format!("weir run -c examples/{name} ")), "{comment}");
    let mock = comment.split("weir mock ").nth(1).unwrap_or_default();
    let mock = mock.split('&').next().unwrap_or_default();
    for upstream in &model.upstreams {
        for server in &upstream.servers {
            let Transport::Ip(_, port) = server.address.transport else { panic!("{name}: no port") };
            let port = port.to_string();
            assert!(mock.split_whitespace().any(|word| word == port), "{name}: no mock for {port}");
        }
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// An example that runs.
struct Site {
    proxy: Proxy,
    address: SocketAddr,
    /// Where TLS is spoken, and a client that trusts what is served there.
    tls: Option<(SocketAddr, Arc<ClientConfig>)>,
    /// State of this run; gone with it.
    _state: Files,
    /// From the port of a mock to the port that stands in the file.
    ports: BTreeMap<u16, u16>,
    /// Dropped with the site, which ends the mocks.
    _mocks: JoinSet<()>,
}

impl Site {
    /// With `echo`, servers answer with the request as they got it.
    async fn start(mut model: Model, echo: bool) -> Self {
        let mut ports = BTreeMap::new();
        let mut mocks = JoinSet::new();
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        for server in model.upstreams.iter_mut().flat_map(|upstream| &mut upstream.servers) {
            let Transport::Ip(ip, port) = &mut server.address.transport else { panic!("no port") };
            assert!(ip.is_loopback(), "an example runs on one machine");
            let known = ports.iter().find(|(_, written)| *written == port).map(|(mock, _)| *mock);
            let mock = match known {
                Some(mock) => mock,
                None => {
                    let options = MockOptions { debug: echo, ..MockOptions::default() };
                    let mock = Mock::bind(here, options).await.unwrap();
                    let address = mock.address();
                    mocks.spawn(mock.serve(std::future::pending()));
                    ports.insert(address.port(), *port);
                    address.port()
                }
            };
            *port = mock;
        }
        for listen in &mut model.listen {
            listen.address = ListenAddress::Tcp(here);
        }
        model.access_log = AccessLog::Off;
        model.workers = Some(2);
        let state = Files::new();
        let served = keep_apart(&mut model, &state);
        let directory = served.with_file_name("queue");
        let open = move |name: &str, catch_up, limits| queue(&directory, name, catch_up, limits);
        let proxy = Proxy::start(&model, Arc::new(open)).unwrap();
        let Some(BoundAddress::Tcp(address)) = proxy.addresses().next().cloned() else { panic!("no TCP") };
        let secured = proxy.addresses().zip(&model.listen).find(|(_, listen)| listen.tls.is_some());
        let tls = secured.map(|(address, _)| {
            let BoundAddress::Tcp(address) = *address else { panic!("no TCP") };
            let served = std::fs::read_to_string(&served).unwrap();
            (address, Arc::new(certificate::client(&served)))
        });
        Self { proxy, address, tls, _state: state, ports, _mocks: mocks }
    }

    fn dispatch(&self) -> DispatchStatus {
        self.proxy.status_source().status().dispatch
    }

    /// Copies of requests so far in this mode.
    fn copies(&self, mode: Mode) -> u64 {
        self.dispatch().copies[mode as usize].iter().sum()
    }

    async fn get(&self, host: &str, target: &str) -> Answer {
        self.ask("GET", host, target, "").await
    }

    /// Sends one request on a connection of its own.
    async fn ask(&self, method: &str, host: &str, target: &str, fields: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request(method, host, target, fields).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        Answer::of(&answer)
    }

    /// The same with TLS.
    ///
    /// # Errors
    /// Why the handshake failed.
    async fn ask_tls(&self, method: &str, host: &str, target: &str, fields: &str) -> Result<Answer, String> {
        let (address, config) = self.tls.clone().unwrap();
        let (request, host) = (request(method, host, target, fields), host.to_owned());
        // The mocks run on this thread.
        let outcome = tokio::task::spawn_blocking(move || {
            let mut socket = connect_tls(address, &config, &host)?;
            Ok::<_, std::io::Error>(socket.send(request).read_to_end().0)
        });
        match outcome.await.unwrap() {
            Ok(answer) => Ok(Answer::of(&String::from_utf8(answer).unwrap())),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    /// The port of the server that answered, as it stands in the file.
    fn port(&self, answer: &Answer) -> u16 {
        let port = answer.got()["port"].as_u64().unwrap();
        self.ports[&u16::try_from(port).unwrap()]
    }
}

/// A queue as the program has it, with its file in this directory.
fn queue(
    directory: &Path,
    name: &str,
    catch_up: CatchUp,
    limits: QueueLimits,
) -> Result<Arc<dyn WriteQueue>, String> {
    Ok(match catch_up {
        CatchUp::Durable => {
            Arc::new(Queue::open(directory, name, limits).map_err(|error| error.to_string())?)
        }
        CatchUp::Memory | CatchUp::Off => Arc::new(Queue::in_memory(name, limits)),
    })
}

fn request(method: &str, host: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n")
}

/// Keeps a certificate that is made at the start out of the project; where it will be.
fn keep_apart(model: &mut Model, state: &Files) -> PathBuf {
    let certificate = PathBuf::from(state.write("self_signed.pem", ""));
    for tls in model.listen.iter_mut().filter_map(|listen| listen.tls.as_mut()) {
        if let Certificates::SelfSigned(own) = &mut tls.source.certificates {
            own.directory = certificate.parent().unwrap().to_owned();
        }
    }
    certificate
}

/// What a client got.
struct Answer {
    status: u16,
    fields: String,
    body: String,
}

impl Answer {
    fn of(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let (status, fields) = head.split_once("\r\n").unwrap();
        Self {
            status: status.split(' ').nth(1).unwrap().parse().unwrap(),
            fields: fields.to_owned(),
            body: body.to_owned(),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.split("\r\n").filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The request as the server got it.
    fn got(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The path as the server got it, without the base path that one of the servers has.
    fn path(&self) -> &str {
        let (_, path) = self.body.split_once("\"path\": \"").unwrap();
        let path = path.split('"').next().unwrap();
        path.strip_prefix("/shop").unwrap_or(path)
    }
}
