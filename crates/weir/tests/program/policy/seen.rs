//! Connections of policy groups as whoever looks at the program from outside sees them, and how they are closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_testkit::wait::{until, until_some};

use super::super::admin::Kept;
use super::super::process::{Running, ask as http_ask};
use super::super::scratch::Scratch;
use super::scripted::{Server, answer, connect, message, packet, reply};

/// A program that speaks both, and an upstream for HTTP that takes a request and says nothing.
struct Stage {
    weir: Running,
    http: SocketAddr,
    policy: SocketAddr,
    admin: SocketAddr,
    silent: TcpListener,
    _scratch: Scratch,
}

impl Stage {
    fn set(test: &str, drain: &str) -> Self {
        let scratch = Scratch::new(test);
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!(
            "admin: '127.0.0.1:0'\nworkers: 2\ndrain: {drain}\nlisten: ['127.0.0.1:0', {{address: '127.0.0.1:0', protocol: policy, \
             timeouts: {{idle: 1h, message: 1h, answer: 1h}}}}]\nservices: [{{host: '*', upstream: ['{}']}}]\n",
            silent.local_addr().unwrap()
        );
        let mut weir = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
        let http = weir.address(" listening address=");
        let policy = weir.address(" listening address=");
        let admin = weir.address("admin listening address=");
        weir.line("started");
        Self { weir, http, policy, admin, silent, _scratch: scratch }
    }

    /// All connections, in pages of so many.
    fn connections(&self, limit: usize) -> Vec<Value> {
        let mut kept = Kept::open(self.admin);
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let (head, body) = kept.ask("GET", &format!("/api/v1/connections?limit={limit}{cursor}"));
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}{body}");
            let page: Value = serde_json::from_str(&body).unwrap();
            all.extend(page["connections"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// What is told of the connection of this client, as soon as it is in this state.
    fn seen(&self, client: &TcpStream, state: &str) -> Value {
        let name = client.local_addr().unwrap().to_string();
        until_some(|| {
            let all = self.connections(100);
            all.into_iter().find(|one| one["client"] == name.as_str() && one["state"] == state)
        })
    }

    fn status(&self, key: &str) -> Value {
        let (_, body) = Kept::open(self.admin).ask("GET", "/api/v1/status");
        serde_json::from_str::<Value>(&body).unwrap()[key].take()
    }

    /// The status of the answer.
    fn close(&self, connection: &Value) -> String {
        let path = format!("/api/v1/connections/{}", connection["id"].as_str().unwrap());
        let (head, _) = Kept::open(self.admin).ask("DELETE", &path);
        head.split(' ').nth(1).unwrap().to_owned()
    }
}

/// A server that answers when it is let go, once for each message.
fn held() -> (Server, std::sync::mpsc::SyncSender<()>) {
    let (let_go, waiting) = std::sync::mpsc::sync_channel::<()>(1);
    let waiting = Mutex::new(waiting);
    let server = Server::start(move |_, stream| {
        // The test may be over.
        let _ = waiting.lock().unwrap().recv();
        reply(stream, &answer(9, "1"));
    });
    (server, let_go)
}

#[test]
fn each_connection_is_told_with_what_it_does_beside_those_for_http() {
    let stage = Stage::set("policy-seen", "{idle: 1h}");
    let listeners = [stage.http, stage.policy].map(|address| Value::from(address.to_string()));
    assert_eq!(stage.status("listeners"), Value::from(listeners.to_vec()));
    let _server = Server::numbered(7).registered(stage.policy, 7, 111);
    let (slow, let_go) = held();
    let slow = slow.registered(stage.policy, 9, 113);
    // Nothing yet, and between two messages.
    let silent = connect(stage.policy);
    let seen = stage.seen(&silent, "idle");
    assert_eq!((&seen["requests_total"], &seen["bytes_received"]), (&0.into(), &0.into()));
    let mut idle = connect(stage.policy);
    for count in 1..=2 {
        idle.write_all(packet(111, "x").as_bytes()).unwrap();
        assert_eq!(message(&mut idle).unwrap(), answer(7, "1"));
        until(|| stage.seen(&idle, "idle")["requests_total"] == count);
    }
    let seen = stage.seen(&idle, "idle");
    assert_eq!(seen["listener"], stage.policy.to_string());
    assert_eq!(
        (&seen["protocol"], &seen["tls"], &seen["draining"], &seen["exchange"]),
        (&"policy".into(), &false.into(), &false.into(), &Value::Null)
    );
    assert_eq!(seen["bytes_received"], 2 * packet(111, "x").len());
    assert_eq!(seen["bytes_sent"], 2 * answer(7, "1").len());
    // Half a message, and one that a server has.
    let mut half = connect(stage.policy);
    half.write_all(b"{\"type\": 9").unwrap();
    assert_eq!(stage.seen(&half, "reading")["bytes_received"], 10);
    let mut busy = connect(stage.policy);
    busy.write_all(packet(113, "x").as_bytes()).unwrap();
    until(|| !slow.received.lock().unwrap().is_empty());
    let seen = stage.seen(&busy, "exchange");
    let exchange = serde_json::json!({
        "service": null, "route": null, "upstream": "policy:113", "server": slow.address.to_string(),
    });
    assert_eq!(seen["exchange"], exchange);
    // A request is told as before, and all of them are counted.
    let web = http_ask(stage.http, "a.example", "/");
    let (mut request, _) = stage.silent.accept().unwrap();
    assert_eq!(stage.seen(&web, "exchange")["protocol"], "http");
    let expected = 5;
    until(|| stage.status("connections_open") == expected);
    for limit in [1, 2, 3, 100] {
        let all = stage.connections(limit);
        let mut ids: Vec<_> = all.iter().map(|one| one["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((all.len(), ids.len()), (expected, expected), "pages of {limit}");
    }
    let metrics = Kept::open(stage.admin).ask("GET", "/metrics").1;
    assert!(metrics.contains(&format!("\nweir_connections_open {expected}\n")), "{metrics}");
    // Who has gone is told no more.
    let_go.send(()).unwrap();
    assert_eq!(message(&mut busy).unwrap(), answer(9, "1"));
    stage.seen(&busy, "idle");
    drop((silent, idle, half, busy));
    request.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    drop(web);
    until(|| stage.status("connections_open") == 0 && stage.connections(100).is_empty());
}

#[test]
fn one_is_closed_by_its_id_and_its_neighbours_are_not() {
    let stage = Stage::set("policy-closed", "{idle: 1h}");
    let (slow, let_go) = held();
    let slow = slow.registered(stage.policy, 9, 113);
    let mut idle = connect(stage.policy);
    let mut busy = connect(stage.policy);
    busy.write_all(packet(113, "x").as_bytes()).unwrap();
    until(|| slow.received.lock().unwrap().len() == 1);
    let mut other = connect(stage.policy);
    let mut web = http_ask(stage.http, "a.example", "/");
    let (mut request, _) = stage.silent.accept().unwrap();
    // Those that end: at once, with whatever they are doing.
    let known = stage.seen(&busy, "exchange");
    assert_eq!(stage.close(&known), "200");
    assert_eq!(message(&mut busy), None);
    until(|| stage.close(&known) == "404");
    let idle_one = stage.seen(&idle, "idle");
    assert_eq!(stage.close(&idle_one), "200");
    assert_eq!(idle.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(stage.close(&stage.seen(&web, "exchange")), "200");
    assert_eq!(web.read(&mut [0; 1]).unwrap_or(0), 0);
    // What it had asked for is not wanted any more.
    let mut rest = Vec::new();
    let _ = request.read_to_end(&mut rest);
    // The other one goes on.
    let_go.send(()).unwrap();
    other.write_all(packet(113, "x").as_bytes()).unwrap();
    let_go.send(()).unwrap();
    assert_eq!(message(&mut other).unwrap(), answer(9, "1"));
    until(|| stage.status("connections_open") == 1);
    for nobody in ["p0-99", "0-99", "p9-0", "nobody"] {
        assert_eq!(stage.close(&serde_json::json!({ "id": nobody })), "404", "{nobody}");
    }
}

/// What was not answered by the deadline is cut, and that is said; who was idle, and who was answered in time, was not cut.
#[test]
fn what_is_cut_at_the_end_of_a_drain_is_counted() {
    let mut stage = Stage::set("policy-cut", "{idle: 100ms, deadline: 1s}");
    let (slow, _let_go) = held();
    let slow = slow.registered(stage.policy, 9, 113);
    let busy: Vec<_> = (0..3)
        .map(|_| {
            let mut busy = connect(stage.policy);
            busy.write_all(packet(113, "x").as_bytes()).unwrap();
            busy
        })
        .collect();
    until(|| slow.received.lock().unwrap().len() == 3);
    let mut idle = connect(stage.policy);
    stage.seen(&idle, "idle");
    stage.weir.signal(Signal::SIGTERM);
    assert_eq!(message(&mut idle), None);
    stage.weir.line("stopped connections_cut=3");
    for mut cut in busy {
        assert_eq!(message(&mut cut), None);
    }
}
