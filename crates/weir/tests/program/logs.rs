//! The logs of a running program: rotation under load, levels that change while it runs, and one id through all of them.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::admin::{Kept, admin};
use super::process::{Running, answer, ask};
use super::scratch::Scratch;

const CLIENTS: usize = 4;
const ROTATIONS: usize = 10;
const REQUESTS_MIN: usize = 1_000;

/// A proxy that answers by itself, with these keys at the top.
fn config(scratch: &Scratch, top: &str) -> String {
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nworkers: 2\n{top}\nservices:\n  - host: '*'\n    respond: {{body: ok}}\n"
    );
    scratch.file("weir.yaml", text)
}

/// Asks for one path after the other on one connection until it is enough. How many.
fn keep_asking(address: SocketAddr, client: usize, is_enough: &AtomicBool) -> usize {
    let mut stream = BufReader::new(TcpStream::connect(address).unwrap());
    let mut count = 0;
    while count < REQUESTS_MIN || !is_enough.load(Ordering::Relaxed) {
        write!(stream.get_mut(), "GET /{client}/{count} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        stream.read_exact(&mut [0; 2]).unwrap();
        count += 1;
    }
    count
}

/// As logrotate does it: the file is renamed, the program told, and the next one comes when there is a new file.
#[test]
fn a_log_that_is_rotated_under_load_has_one_line_for_each_request() {
    let scratch = Scratch::new("rotation");
    let log = scratch.path("access.log");
    let file = config(&scratch, "access_log: {file: access.log, format: '<{target} {status}>'}");
    let (mut proxy, address) = Running::proxy(&["run", "-c", &file]);
    let is_enough = AtomicBool::new(false);
    let asked: Vec<usize> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let is_enough = &is_enough;
                scope.spawn(move || keep_asking(address, client, is_enough))
            })
            .collect();
        for rotation in 0..ROTATIONS {
            fs::rename(&log, format!("{log}.{rotation}")).unwrap();
            proxy.signal(Signal::SIGUSR1);
            proxy.line("log files are opened anew");
            while !Path::new(&log).exists() {
                thread::yield_now();
            }
        }
        is_enough.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));

    let files = (0..ROTATIONS).map(|rotation| format!("{log}.{rotation}")).chain([log.clone()]);
    let mut lines: HashMap<String, usize> = HashMap::new();
    for text in files.map(|file| fs::read_to_string(file).unwrap()) {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line of a file is whole");
        for line in text.lines() {
            let target = line.strip_prefix('<').and_then(|line| line.strip_suffix(" 200>"));
            *lines.entry(target.unwrap_or_else(|| panic!("{line:?}")).to_owned()).or_default() += 1;
        }
    }
    for (client, count) in asked.iter().enumerate() {
        for number in 0..*count {
            assert_eq!(
                lines.remove(&format!("/{client}/{number}")),
                Some(1),
                "client {client}, {number} of {count}"
            );
        }
    }
    assert!(lines.is_empty(), "{lines:?}");
}

/// Asks for a path that no route has, under this id; the answer.
fn fail(address: SocketAddr, id: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "TRACE / HTTP/1.1\r\nHost: a\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n").unwrap();
    answer(stream)
}

#[test]
fn levels_change_at_run_time_and_an_id_joins_answer_access_log_and_log() {
    let scratch = Scratch::new("levels");
    let log = scratch.path("access.log");
    let file = config(
        &scratch,
        "log: {level: info, modules: {weir_upstream: warn}}\naccess_log: {file: access.log, format: json}",
    );
    let mut proxy = Running::start(&["run", "-c", &file]);
    let (address, control) = proxy.addresses();
    let levels = |value: Value| value["levels"].as_str().unwrap().to_owned();
    assert_eq!(levels(admin(control, "GET", "/api/v1/log-level")), "info,weir_upstream=warn");
    fail(address, "before");
    let put = |words: &str| admin(control, "PUT", &format!("/api/v1/log-level?levels={words}"));
    assert_eq!(levels(put("warn,weir_proxy=debug")), "warn,weir_proxy=debug");
    proxy.line(
        "the levels of the log are changed levels=warn,weir_proxy=debug before=info,weir_upstream=warn",
    );
    let answered = fail(address, "find-me");
    assert!(
        answered.contains("\r\nX-Request-Id: find-me\r\n") && answered.ends_with("request id: find-me\n"),
        "{answered}"
    );
    let line = proxy.line("request_id=find-me");
    assert!(
        line.contains("DEBUG")
            && line.contains("reason=\"http_request_denied\"")
            && line.contains("a request failed"),
        "{line}"
    );
    // What makes no sense changes nothing.
    let (head, body) = Kept::open(control).ask("PUT", "/api/v1/log-level?levels=loud");
    assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("`loud` is no level"), "{head}{body}");
    put("off");
    proxy.signal(Signal::SIGUSR1);
    fail(address, "after");
    proxy.signal(Signal::SIGTERM);
    let (code, rest) = proxy.end();
    assert_eq!(code, Some(0));
    for unsaid in ["before", "after", "anew", "stopped"] {
        let is_said = |line: &&String| line.contains(&format!("id={unsaid}")) || line.ends_with(unsaid);
        assert!(!rest.iter().any(|line| is_said(&line)), "{unsaid}: {rest:#?}");
    }
    let lines = fs::read_to_string(log).unwrap();
    let mut ids: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].clone())
        .collect();
    // Each worker has a buffer of its own, so lines of two workers may change places.
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, ["after", "before", "find-me"]);
}

#[test]
fn lines_of_json_are_asked_for_on_the_command_line_or_in_the_file() {
    let scratch = Scratch::new("json");
    for (words, top) in [(&["--log", "debug,json"][..], ""), (&[], "log: {level: debug, format: json}")] {
        let file = config(&scratch, &format!("access_log: off\n{top}"));
        let mut arguments = vec!["run", "-c", &file];
        arguments.extend(words);
        let mut proxy = Running::start(&arguments);
        let line = proxy.line("\"started\"");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["level"], &value["target"]), (&"INFO".into(), &"weir::lifetime".into()), "{line}");
        assert!(value["workers"] == 2 && value["timestamp"].is_string(), "{line}");
        proxy.signal(Signal::SIGTERM);
        let (_, rest) = proxy.end();
        for line in rest {
            assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        }
    }
}

#[test]
fn the_command_line_counts_before_the_file() {
    let scratch = Scratch::new("said");
    let file = config(&scratch, "log: off\naccess_log: '{client} {status}'");
    let (mut proxy, address) = Running::proxy(&["run", "-c", &file, "--log", "info"]);
    answer(ask(address, "a", "/"));
    assert_eq!(proxy.line(" 200"), "127.0.0.1 200");
    // A configuration alone says it too: nothing but what is asked for.
    let socket = scratch.path("weir.sock");
    let text = format!(
        "listen: 'unix:{socket}'\nadmin: off\nlog: off\naccess_log: off\nservices: [{{host: '*', respond: {{body: ok}}}}]\n"
    );
    let silent = Running::start(&["run", "-c", &scratch.file("silent.yaml", text)]);
    while UnixStream::connect(&socket).is_err() {
        thread::yield_now();
    }
    silent.signal(Signal::SIGTERM);
    assert_eq!(silent.end(), (Some(0), Vec::new()));
}

/// What somebody has changed at run time is not undone by a reload that says nothing of it, and what the file says anew counts.
#[test]
fn a_reload_follows_what_is_new_in_the_file_and_leaves_the_rest() {
    let scratch = Scratch::new("log-reload");
    let file = config(&scratch, "log: info\naccess_log: off");
    let mut proxy = Running::start(&["run", "-c", &file]);
    let (_, control) = proxy.addresses();
    let levels = || admin(control, "GET", "/api/v1/log-level")["levels"].as_str().unwrap().to_owned();
    admin(control, "PUT", "/api/v1/log-level?levels=info,weir_store=debug");
    config(&scratch, "log: info\naccess_log: off\nserver_timing: true");
    let changes = admin(control, "POST", "/api/v1/reload");
    assert!(changes.to_string().contains("\"route\""), "{changes}");
    assert_eq!(levels(), "info,weir_store=debug");
    config(&scratch, "log: {level: info, modules: {weir_tls: warn}}\naccess_log: off\nserver_timing: true");
    let changes = admin(control, "POST", "/api/v1/reload");
    assert!(changes.to_string().contains("\"log\""), "{changes}");
    assert_eq!(levels(), "info,weir_tls=warn");
    proxy.signal(Signal::SIGTERM);
    assert_eq!(proxy.end().0, Some(0));
}
