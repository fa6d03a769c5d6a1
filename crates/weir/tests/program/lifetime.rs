//! Signals: draining, stopping at once, and those that end nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::signal::{SigSet, Signal};

use super::process::{Running, answer, ask};
use super::scratch::Scratch;

/// A proxy in front of one server that the test plays itself.
struct Stage {
    proxy: Running,
    address: SocketAddr,
    server: TcpListener,
    _scratch: Scratch,
}

impl Stage {
    fn set(test: &str) -> Self {
        let scratch = Scratch::new(test);
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let file = scratch.file(
            "weir.yaml",
            format!(
                "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nworkers: 2\nservices:\n  - host: '*'\n    upstream: [{}]\n",
                server.local_addr().unwrap()
            ),
        );
        let (proxy, address) = Running::proxy(&["run", "-c", &file]);
        Self { proxy, address, server, _scratch: scratch }
    }

    /// Sends a request; the client's connection, and the server's once the request has arrived there.
    fn request_in_flight(&self) -> (TcpStream, TcpStream) {
        let client = ask(self.address, "a.example", "/slow");
        let (server, _) = self.server.accept().unwrap();
        let mut lines = BufReader::new(&server).lines();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        (client, server)
    }
}

fn check_drain(signal: Signal) {
    let mut stage = Stage::set(&format!("drain-{signal}"));
    let (client, mut server) = stage.request_in_flight();
    stage.proxy.signal(signal);
    stage.proxy.line("draining");
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole").unwrap();
    let answered = answer(client);
    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.ends_with("\r\n\r\nwhole"), "{answered}");
    stage.proxy.line("stopped connections_cut=0");
    assert_eq!(stage.proxy.end().0, Some(0));
    assert!(TcpStream::connect(stage.address).is_err(), "nobody listens any more");
}

#[test]
fn a_request_in_flight_is_finished_after_term() {
    check_drain(Signal::SIGTERM);
}

#[test]
fn a_request_in_flight_is_finished_after_int() {
    check_drain(Signal::SIGINT);
}

#[test]
fn a_request_in_flight_is_finished_after_quit() {
    check_drain(Signal::SIGQUIT);
}

#[test]
fn a_second_term_stops_at_once_and_says_what_it_cut() {
    let mut stage = Stage::set("second-term");
    let (mut client, _server) = stage.request_in_flight();
    stage.proxy.signal(Signal::SIGTERM);
    stage.proxy.line("draining");
    stage.proxy.signal(Signal::SIGTERM);
    stage.proxy.line("stopped connections_cut=1");
    assert_eq!(stage.proxy.end().0, Some(0));
    let mut rest = Vec::new();
    // Cut or reset; only an answer would be wrong.
    let _ = client.read_to_end(&mut rest);
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

#[test]
fn a_second_quit_does_not_cut() {
    let mut stage = Stage::set("second-quit");
    let (client, mut server) = stage.request_in_flight();
    stage.proxy.signal(Signal::SIGQUIT);
    stage.proxy.line("draining");
    stage.proxy.signal(Signal::SIGQUIT);
    stage.proxy.signal(Signal::SIGHUP);
    stage.proxy.line("it is draining, and takes no other configuration any more");
    server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert!(answer(client).starts_with("HTTP/1.1 204 "));
    stage.proxy.line("stopped connections_cut=0");
    assert_eq!(stage.proxy.end().0, Some(0));
}

#[test]
fn readiness_ends_with_the_first_signal() {
    let scratch = Scratch::new("readiness");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nservices: [{{host: '*', upstream: ['{}']}}]\n",
        server.local_addr().unwrap()
    );
    let file = scratch.file("weir.yaml", text);
    let mut proxy = Running::start(&["run", "-c", &file]);
    let address = proxy.address(" listening address=");
    let admin = proxy.address("admin listening address=");
    let _client = ask(address, "a.example", "/");
    let (_server, _) = server.accept().unwrap();
    let ready = || answer(ask(admin, "localhost", "/readyz"));
    assert!(ready().starts_with("HTTP/1.1 200 "), "{}", ready());
    proxy.signal(Signal::SIGTERM);
    proxy.line("draining");
    assert!(ready().starts_with("HTTP/1.1 503 "), "{}", ready());
    assert!(answer(ask(admin, "localhost", "/healthz")).starts_with("HTTP/1.1 200 "));
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
}

#[test]
fn the_access_log_moves_to_a_new_file() {
    let scratch = Scratch::new("reopen");
    let log = scratch.path("access.log");
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: off\nservices: [{{host: '*', respond: {{body: x}}}}]\n\
         access_log: {{format: common, file: '{log}'}}\n"
    );
    let (mut proxy, address) = Running::proxy(&["run", "-c", &scratch.file("weir.yaml", text)]);
    answer(ask(address, "a.example", "/one"));
    let moved = scratch.path("access.log.1");
    fs::rename(&log, &moved).unwrap();
    proxy.signal(Signal::SIGUSR1);
    proxy.line("log files are opened anew");
    answer(ask(address, "a.example", "/two"));
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
    let (old, new) = (fs::read_to_string(&moved).unwrap(), fs::read_to_string(&log).unwrap());
    assert!(new.contains("GET /two "), "{new}");
    // The first line may have waited for the worker's tick.
    assert_eq!(format!("{old}{new}").matches("GET /").count(), 2, "{old}\n{new}");
}

/// Its parent waited for signals in a thread of its own and blocked them, and nothing but KILL ended it.
#[test]
fn a_parent_that_blocks_signals_does_not_keep_it_from_ending() {
    let blocked: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    blocked.thread_block().unwrap();
    let stage = Stage::set("blocked-signals");
    blocked.thread_unblock().unwrap();
    stage.proxy.signal(Signal::SIGTERM);
    assert_eq!(stage.proxy.end().0, Some(0));
}
