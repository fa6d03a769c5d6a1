//! A real browser, driven as a person would use it, over WebDriver (W3C): Chromium, whose driver is the Debian package
//! `chromium-driver`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use weir_testkit::wait::{until, until_seen};

use super::scratch::Scratch;

/// After this a test gives up on an answer of the driver, which waits for pages.
const PATIENCE: Duration = Duration::from_secs(60);

/// The key under which WebDriver gives elements (§11.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window with one page. It is closed when this is dropped.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: Scratch,
}

impl Browser {
    /// A window of this size.
    pub(crate) fn start(width: u32, height: u32) -> Self {
        let profile = Scratch::new("browser");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", profile.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("chromedriver: {error}\n\nhint: as root, `apt-get install chromium-driver`")
            });
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            line.unwrap()
                .strip_prefix("ChromeDriver was started successfully on port ")?
                .trim_end_matches('.')
                .parse()
                .ok()
        });
        let address =
            SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("the driver says where it listens")));
        let mut browser = Self { driver, address, session: String::new(), _profile: profile };
        let arguments = [
            "--headless=new",
            // Tests run as root where containers have no other user, and there no sandbox can be made.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            &format!("--window-size={width},{height}"),
            &format!("--user-data-dir={}", browser._profile.path("profile")),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.send("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// Opens a page.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// What a script of the page returns.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text that a person sees at the first element of this selector; empty where there is none.
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(selector));
        self.script(&script).as_str().unwrap().to_owned()
    }

    /// Waits until the text at a selector holds this.
    pub(crate) fn until_text(&self, selector: &str, part: &str) -> String {
        until_seen(|| self.text(selector), |text| text.contains(part))
    }

    /// Clicks with the mouse what a person would click. The page may draw it anew between its being found and its being clicked: then
    /// it is looked for again, as an eye does.
    pub(crate) fn click(&self, selector: &str) {
        until(|| {
            let found = self.post("/element", &json!({"using": "css selector", "value": selector}));
            let element = found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}"));
            let path = format!("/session/{}/element/{element}/click", self.session);
            let (status, value) = exchange(self.address, "POST", &path, "{}");
            let is_gone = value["value"]["error"] == "stale element reference";
            assert!(status == 200 || is_gone, "{selector}: {value}");
            !is_gone
        });
    }

    /// Types into a field.
    pub(crate) fn write(&self, selector: &str, text: &str) {
        let found = self.post("/element", &json!({"using": "css selector", "value": selector}));
        let element = found[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {found}"));
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// What the browser has complained of since it was asked last.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        self.send("POST", &format!("/session/{}{command}", self.session), body)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, value) = exchange(self.address, method, path, &body.to_string());
        assert_eq!(status, 200, "{path} {body}: {value}");
        value["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It closes the browser too, which killing the driver alone would not.
        let path = format!("/session/{}", self.session);
        let _ = std::panic::catch_unwind(|| exchange(self.address, "DELETE", &path, "{}"));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let status = line().split(' ').nth(1).unwrap().parse().unwrap();
    let mut content_bytes = 0;
    loop {
        let field = line().to_ascii_lowercase();
        if field.is_empty() {
            break;
        }
        if let Some(value) = field.strip_prefix("content-length:") {
            content_bytes = value.trim().parse().unwrap();
        }
    }
    let mut content = vec![0; content_bytes];
    reader.read_exact(&mut content).unwrap();
    (status, serde_json::from_slice(&content).unwrap())
}
