//! `weir status`: what is wrong, and whether it is ready.

use std::fmt::Display;
use std::net::SocketAddr;

use nix::sys::signal::Signal;
use serde_json::Value;
use weir_testkit::server::Server;
use weir_testkit::wait::{until, until_seen};

use super::process::{Running, answer, ask, finished, run};
use super::scratch::Scratch;

/// A proxy before this server, and the address of its admin listener.
fn proxy(scratch: &Scratch, server: impl Display) -> (Running, SocketAddr, String) {
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\ndrain: {{idle: 60s, deadline: 60s}}\n\
         services: [{{host: '*', upstream: web}}]\nupstreams: {{web: {{servers: ['{server}']}}}}\n"
    );
    let mut running = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let (clients, admin) = running.addresses();
    (running, clients, admin.to_string())
}

#[test]
fn it_says_that_nothing_is_wrong_and_then_what_is() {
    let scratch = Scratch::new("status");
    let (proxy, clients, admin) = proxy(&scratch, Server::refusing());
    let (text, error) = finished(&["status", "--admin", &admin], 0);
    assert!(text.starts_with(concat!("weir ", env!("CARGO_PKG_VERSION"), ", up ")), "{text}");
    assert!(
        text.contains(", ready\n") && text.ends_with("\nnothing is wrong\n") && error.is_empty(),
        "{text}"
    );
    for _ in 0..2 {
        assert!(answer(ask(clients, "a.example", "/")).starts_with("HTTP/1.1 502 "));
    }
    // A failure is told of when its exchange is over, which is a little after its answer.
    let failed = "look  2 requests failed in the last minute: no server could be connected to";
    let text = until_seen(|| finished(&["status", "--admin", &admin], 0).0, |text| text.contains(failed));
    assert!(text.contains(&format!("more: `curl {admin}/api/v1/failures`\n")), "{text}");
    let (json, _) = finished(&["status", "--json", "--admin", &admin], 0);
    let value: Value = serde_json::from_str(&json).unwrap();
    assert!(value["ready"] == true && value["findings"][0]["weight"] == "warning", "{json}");
    drop(proxy);
}

#[test]
fn the_exit_code_says_whether_it_is_ready() {
    let scratch = Scratch::new("status-ready");
    let (server, go_on) = Server::held("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere");
    let (running, clients, admin) = proxy(&scratch, &server);
    let request = ask(clients, "a.example", "/");
    server.wait_requests(1);
    running.signal(Signal::SIGQUIT);
    until(|| run(&["status", "--admin", &admin]).status.code() == Some(1));
    let output = run(&["status", "--admin", &admin]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(", not ready\n") && text.contains("bad   not ready: it drains"), "{text}");
    go_on.send(()).unwrap();
    assert!(answer(request).ends_with("here"));
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:?}");
}

#[test]
fn where_no_weir_listens_it_is_not_ready() {
    let nobody = Server::refusing();
    let (text, error) = finished(&["status", "--admin", &nobody.to_string()], 1);
    assert!(text.is_empty() && error.contains("no Weir listens"), "{error}");
}
