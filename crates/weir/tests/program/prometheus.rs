//! Metrics as those get them who want them: Prometheus scrapes a running Weir, and its tool for checking has nothing to say.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_testkit::server::{Server, sized};

use super::process::{Running, answer, ask, send};
use super::scratch::Scratch;

/// How long a state is waited for; far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

const TOKEN: &str = "0123456789abcdef-0123456789abcdef";

/// More routes with requests than are told apart.
const ROUTES: usize = 520;

/// A running Prometheus, which is killed at the end, and what it has logged.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts one that scrapes `target` each second.
    fn start(scratch: &Scratch, target: SocketAddr) -> Self {
        let token = scratch.file("token", TOKEN);
        let config = scratch.file(
            "prometheus.yml",
            format!(
                "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: weir\n    \
                 authorization: {{credentials_file: {token}}}\n    static_configs: [{{targets: ['{target}']}}]\n"
            ),
        );
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={config}"))
            .arg(format!("--storage.tsdb.path={}", scratch.path("tsdb")))
            .args(["--web.listen-address=127.0.0.1:0", "--log.level=debug", "--log.format=json"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("`prometheus` can't be run: {error}\n\nhint: `cargo xtask test` installs it")
            });
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it has ended: {log:?}")).unwrap();
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if told["msg"] == "Listening on" {
                break told["address"].as_str().unwrap().parse().unwrap();
            }
            log.lock().unwrap().push(line);
        };
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Self { child, address, log }
    }

    fn get(&self, path: &str) -> Value {
        let answer = answer(ask(self.address, "localhost", path));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        // Larger answers come in chunks; those that are asked for here are small.
        if head.starts_with("HTTP/1.1 200") {
            serde_json::from_str(body).unwrap_or_default()
        } else {
            Value::Null
        }
    }

    /// The first value that a question has, as soon as it has this one.
    #[expect(clippy::disallowed_methods, reason = "a test gives up at last")]
    fn value_when(&self, question: &str, is_it: impl Fn(f64) -> bool) {
        let begun = Instant::now();
        let escaped =
            question.replace('{', "%7B").replace('}', "%7D").replace('"', "%22").replace('=', "%3D");
        loop {
            let found = self.get(&format!("/api/v1/query?query={escaped}"));
            let value = found["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse().ok());
            if value.is_some_and(&is_it) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{question}: {found}\n{}", self.get("/api/v1/targets"));
            std::thread::yield_now();
        }
    }
}

/// What `promtool` says of a page; nothing is what it should be.
fn checked(page: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("`promtool` can't be run: {error}\n\nhint: `cargo xtask test` installs it")
        });
    // It reads all before it says something.
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.is_empty(), "{told}\n{page}");
}

/// A proxy with every kind of thing of which something is counted.
fn proxy(scratch: &Scratch, server: &Server) -> (Running, SocketAddr, SocketAddr) {
    scratch.file("admin.token", format!("{TOKEN}\n"));
    let mut routes = String::new();
    for number in 0..ROUTES {
        writeln!(routes, "      - {{path: /many/{number}, respond: {{status: 204}}}}").unwrap();
    }
    let file = scratch.file(
        "weir.yaml",
        format!(
            "listen: 127.0.0.1:0\nadmin: {{address: 127.0.0.1:0, token: 'file:admin.token'}}\naccess_log: off\n\
             services:\n  - host: '*'\n    routes:\n{routes}      \
             - {{path: /copied, upstream: web, dispatch: {{POST: duplicate}}, mirror: [{{upstream: other}}]}}\n      \
             - {{path: /raced, upstream: web, dispatch: race}}\n      \
             - {{path: /hedged, upstream: web, dispatch: {{mode: hedge, after: p95, at_most: 1s}}}}\n      \
             - {{path: /, upstream: web, admit: {{rate: 1000/s}}}}\n\
             upstreams:\n  web: {{servers: ['{server}'], health: {{path: /}}}}\n  other: ['{server}']\n"
        ),
    );
    let mut running = Running::start(&["run", "-c", &file]);
    let (clients, admin) = running.addresses();
    (running, clients, admin)
}

#[test]
fn prometheus_scrapes_it_without_a_warning() {
    let server = Server::start(|mut connection| {
        while connection.request().is_some() {
            connection.send(sized("ok"));
        }
    });
    let scratch = Scratch::new("prometheus");
    let (_proxy, clients, admin) = proxy(&scratch, &server);
    for number in 0..ROUTES {
        assert!(answer(ask(clients, "a", &format!("/many/{number}"))).contains(" 204 "));
    }
    for path in ["/", "/copied", "/raced", "/hedged", "/"] {
        assert!(answer(ask(clients, "a", path)).contains(" 200 "), "{path}");
    }
    assert!(answer(send(clients, "POST", "/copied", "x")).contains(" 200 "));
    let prometheus = Prometheus::start(&scratch, admin);
    prometheus
        .value_when("weir_route_requests_total{route=\"(others)\",mode=\"none\"}", |value| value == 20.0);
    prometheus.value_when("sum(weir_route_requests_total)", |value| value == (ROUTES + 6) as f64);
    prometheus.value_when("weir_dispatched_requests_total{mode=\"duplicate\"}", |value| value == 1.0);
    prometheus.value_when("up{job=\"weir\"}", |value| value == 1.0);
    prometheus.value_when("weir_reload_succeeded", |value| value == 1.0);
    for line in prometheus.log.lock().unwrap().iter() {
        let told: Value = serde_json::from_str(line).unwrap_or_default();
        assert!(!matches!(told["level"].as_str(), Some("warn" | "error")), "{line}");
    }
    let ask = |accept: &str| {
        let mut stream = std::net::TcpStream::connect(admin).unwrap();
        let fields = format!("Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAccept: {accept}\r\n");
        write!(stream, "GET /metrics HTTP/1.1\r\n{fields}Connection: close\r\n\r\n").unwrap();
        answer(stream)
    };
    let page = ask("text/plain");
    checked(page.split_once("\r\n\r\n").unwrap().1);
    assert!(ask("application/openmetrics-text").ends_with("# EOF\n"));
}
