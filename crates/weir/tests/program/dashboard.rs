//! The dashboard in a real browser: what it shows is what the API says, and what is clicked happens.

#![allow(clippy::print_stdout, reason = "the figures are the result")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_testkit::server::Server;
use weir_testkit::wait::until_seen;

use super::browser::Browser;
use super::process::{Running, answer, ask, send};
use super::scratch::Scratch;

/// A proxy with something of everything: servers that are well, one that is not there, and one that refuses writes until it is told
/// otherwise.
struct Stage {
    proxy: Running,
    address: SocketAddr,
    admin: SocketAddr,
    servers: [Server; 2],
    is_refusing: Arc<AtomicBool>,
    file: String,
    text: String,
    _scratch: Scratch,
}

impl Stage {
    fn set(test: &str, admin: &str) -> Self {
        let scratch = Scratch::new(test);
        let is_refusing = Arc::new(AtomicBool::new(true));
        let refuses = Arc::clone(&is_refusing);
        let servers = [
            Server::saying("a"),
            Server::start(move |mut connection| {
                while connection.request().is_some() {
                    let status = if refuses.load(Ordering::Relaxed) { "422 No" } else { "200 OK" };
                    if connection.try_send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).is_err()
                    {
                        return;
                    }
                }
            }),
        ];
        let text = format!(
            "listen: ['127.0.0.1:0']\nadmin: {admin}\naccess_log: off\nworkers: 1\n\
             services:\n  - host: a.example\n    routes:\n      - {{path: /orders/, upstream: orders, dispatch: \
             {{'*': balance, POST: {{mode: duplicate, acknowledge: first}}}}}}\n      - {{path: /, upstream: web}}\n\
             upstreams:\n  web: {{servers: ['{}', '{}']}}\n  orders: {{servers: ['{}', '{}'], eject: off}}\n",
            servers[0],
            Server::refusing(),
            servers[0],
            servers[1],
        );
        let file = scratch.file("weir.yaml", &text);
        let mut proxy = Running::start(&["run", "-c", &file]);
        let (address, admin) = proxy.addresses();
        Self { proxy, address, admin, servers, is_refusing, file, text, _scratch: scratch }
    }

    fn api(&self, path: &str) -> Value {
        let answer = answer(ask(self.admin, "localhost", path));
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn server_state(&self, upstream: &str, address: &str) -> String {
        let all = self.api("/api/v1/upstreams");
        let upstreams = all["upstreams"].as_array().unwrap();
        let upstream = upstreams.iter().find(|one| one["name"] == upstream).unwrap();
        let servers = upstream["servers"].as_array().unwrap();
        let server = servers.iter().find(|one| one["address"] == address).unwrap();
        server["state"].as_str().unwrap().to_owned()
    }

    fn dead_letters(&self) -> u64 {
        self.api("/api/v1/queues")["queues"][0]["dead_writes"].as_u64().unwrap()
    }

    fn request(&self, method: &str, path: &str) -> String {
        answer(send(self.address, method, path, ""))
    }
}

/// Asks for it and says yes, as the page wants it.
fn confirm(browser: &Browser, selector: &str) {
    browser.click(selector);
    browser.click("#question button[value=yes]");
}

#[test]
fn it_shows_what_the_api_says_and_does_what_is_clicked() {
    let stage = Stage::set("dashboard", "'127.0.0.1:0'");
    for _ in 0..3 {
        stage.request("GET", "/");
        stage.request("POST", "/orders/7");
    }
    until_seen(|| stage.dead_letters(), |dead| *dead == 3);
    let browser = Browser::start(1280, 900);
    browser.open(&format!("http://{}/", stage.admin));
    browser.until_text("#state", "ready");
    assert_eq!(browser.complaints(), Vec::<String>::new());

    // What it shows is what the API says.
    let orders = stage.servers[1].to_string();
    let shown = browser.until_text("#servers", &orders);
    for upstream in stage.api("/api/v1/upstreams")["upstreams"].as_array().unwrap() {
        assert!(shown.contains(upstream["name"].as_str().unwrap()), "{shown}");
        for server in upstream["servers"].as_array().unwrap() {
            assert!(shown.contains(server["address"].as_str().unwrap()), "{shown}");
        }
    }
    // Ages of servers that never changed were counted from 1970.
    let is_age = |word: &&str| word.parse::<u32>().is_ok_and(|days| days > 10_000);
    let mut pairs = shown.split_whitespace().zip(shown.split_whitespace().skip(1));
    assert!(!pairs.any(|(count, unit)| unit == "d" && is_age(&count)), "{shown}");
    let map = browser.text("#map");
    for part in ["a.example", "/orders/", "duplicate", "web", &orders] {
        assert!(map.contains(part), "{part}: {map}");
    }
    browser.until_text("#findings", "3 writes are dead letters");
    browser.until_text("#queues", "3 dead letters");
    let failed = stage.api("/api/v1/failures");
    let failures = browser.text("#failures");
    for failure in failed["failures"].as_array().unwrap() {
        assert!(failures.contains(failure["path"].as_str().unwrap()), "{failures}");
    }

    // What is refused when it is asked does nothing; what is confirmed happens.
    let button =
        |act: &str| format!("button[data-act={act}][data-upstream=web][data-server='{}']", stage.servers[0]);
    let name = stage.servers[0].to_string();
    browser.click(&button("disable"));
    browser.until_text("#question h3", &name);
    browser.click("#question button[value=no]");
    assert_eq!(stage.server_state("web", &name), "HEALTHY");
    confirm(&browser, &button("disable"));
    until_seen(|| stage.server_state("web", &name), |state| state == "DISABLED");
    browser.until_text("#servers", "disabled");
    confirm(&browser, &button("enable"));
    until_seen(|| stage.server_state("web", &name), |state| state == "HEALTHY");

    stage.is_refusing.store(false, Ordering::Relaxed);
    confirm(&browser, "button[data-act=retry]");
    until_seen(|| stage.dead_letters(), |dead| *dead == 0);
    browser.until_text("#queues", "0 dead letters");

    // A configuration with a mistake changes nothing, and says so; the next one is taken.
    std::fs::write(&stage.file, stage.text.replace("upstream: web", "upstream: wob")).unwrap();
    confirm(&browser, "#reload");
    browser.until_text("#findings", "did you mean `web`");
    std::fs::write(&stage.file, stage.text.replace("path: /,", "path: /new/,")).unwrap();
    confirm(&browser, "#reload");
    browser.until_text("#map", "/new/");
    browser.script("document.querySelector('#configuration').open = true");
    browser.until_text("#configuration pre", "/new/");

    let complaints = browser.complaints();
    assert!(
        complaints.iter().all(|one| one.contains("/api/v1/reload") && one.contains("422")),
        "{complaints:?}"
    );
    confirm(&browser, "#drain");
    assert_eq!(stage.proxy.end().0, Some(0));
    browser.until_text("#state", "not reached");
}

/// Sizes and times that a person feels: the first paint, what is transferred, and that nothing is wider than a phone.
#[test]
fn it_is_there_at_once_and_fits_a_phone() {
    let stage = Stage::set("dashboard-phone", "'127.0.0.1:0'");
    let browser = Browser::start(390, 844);
    browser.open(&format!("http://{}/", stage.admin));
    browser.until_text("#state", "ready");
    let transferred = browser.script(
        "return performance.getEntriesByType('resource').filter((one) => !one.name.includes('/api/'))
             .concat(performance.getEntriesByType('navigation')).reduce((sum, one) => sum + one.transferSize, 0)",
    );
    assert!(transferred.as_f64().unwrap() < 100.0 * 1024.0, "{transferred} bytes");
    let painted =
        browser.script("return performance.getEntriesByName('first-contentful-paint')[0].startTime");
    println!("first paint after {painted} ms, {transferred} bytes");
    let width =
        browser.script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]");
    assert!(width[0].as_i64() <= width[1].as_i64(), "{width}");
    stage.proxy.signal(Signal::SIGTERM);
}

#[test]
fn with_a_token_it_asks_for_it() {
    let scratch = Scratch::new("dashboard-token");
    let token = scratch.file("token", "a-token-of-some-length-0123456789");
    let stage = Stage::set("dashboard-secret", &format!("{{address: '127.0.0.1:0', token: 'file:{token}'}}"));
    let browser = Browser::start(1280, 900);
    browser.open(&format!("http://{}/", stage.admin));
    until_seen(
        || browser.script("return document.querySelector('#token').open"),
        |open| *open == Value::Bool(true),
    );
    browser.write("#token input", "a-token-of-some-length-0123456789");
    browser.click("#token button");
    browser.until_text("#state", "ready");
}
