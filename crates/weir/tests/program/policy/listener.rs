//! The listener of the configuration: who may register, routes to its servers, slow peers, and its end.

use std::io::Write;

use nix::sys::signal::Signal;

use super::super::process::{Running, answer as http_answer, ask as http_ask};
use super::super::scratch::Scratch;
use super::scripted::{Server, answer, ask, connect, message, packet, register, reply};

fn start(scratch: &Scratch, listener: &str, rest: &str) -> Running {
    let text = format!(
        "admin: off\nworkers: 1\nlisten: [{{address: '127.0.0.1:0', protocol: policy{listener}}}]\n{rest}"
    );
    Running::start(&["run", "-c", &scratch.file("weir.yaml", text)])
}

#[test]
fn servers_that_speak_http_are_reached_over_http() {
    let scratch = Scratch::new("policy-http");
    let text = "admin: off\nlisten: ['127.0.0.1:0', {address: '127.0.0.1:0', protocol: policy}]\nservices: [{host: '*', \
                upstream: 'policy:111'}]\n";
    let mut weir = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let http = weir.address(" listening address=");
    let policy = weir.address(" listening address=");
    weir.line("started");
    assert!(http_answer(http_ask(http, "a.example", "/")).starts_with("HTTP/1.1 503 "));
    // It registers for the address that it comes from.
    let mut local = Running::start(&["mock", "0"]);
    let address = local.address("listening on http://");
    register(policy, 1, 111, address.port());
    assert!(http_answer(http_ask(http, "a.example", "/echo")).starts_with("HTTP/1.1 200 "));
}

#[test]
fn who_may_not_register_hears_which_setting_allows_it() {
    let scratch = Scratch::new("policy-register");
    let listener = ", register: {allow: [10.0.0.0/8, 127.0.0.2]}";
    let mut weir = start(&scratch, listener, "");
    let address = weir.address(" listening address=");
    let registration = r#"{"type": 1, "id": 7, "privPolyId": 111, "listenport": 2105}"#;
    let refused = ask(address, registration);
    assert!(
        refused.starts_with(r#"{"type": -1, "id": 7, "privPolyId": 111, "reason": "servers may not"#),
        "{refused}"
    );
    assert!(refused.contains("register: {allow: [127.0.0.1]"), "{refused}");
    weir.line("a server may not register");
    let token = scratch.file("token", "hush\n");
    let mut weir = start(&scratch, &format!(", register: {{token: 'file:{token}'}}"), "");
    let address = weir.address(" listening address=");
    assert!(ask(address, registration).contains("the `token` is missing or wrong"));
    let with =
        |token: &str| registration.replace('}', &format!(", \"token\": \"{token}\", \"confirm\": true}}"));
    assert!(ask(address, &with("hash")).contains("the `token` is missing or wrong"));
    let confirmed = ask(address, &with("hush"));
    assert!(confirmed.starts_with(r#"{"type": 1"#) && !confirmed.contains("hush"), "{confirmed}");
    let elsewhere = with("hush").replace('}', ", \"listenaddress\": \"10.0.0.1\"}");
    assert!(ask(address, &elsewhere).contains("elsewhere: [10.0.0.1]"));
    let (_, lines) = {
        weir.signal(Signal::SIGTERM);
        weir.end()
    };
    assert!(!lines.concat().contains("hush"), "{lines:?}");
}

#[test]
fn slow_and_silent_peers_are_closed() {
    let scratch = Scratch::new("policy-slow");
    let mut weir = start(&scratch, ", timeouts: {idle: 2s, message: 2s}", "");
    let address = weir.address(" listening address=");
    assert_eq!(message(&mut connect(address)), None, "silent");
    let mut slow = connect(address);
    slow.write_all(b"{\"type\": 0").unwrap();
    assert_eq!(message(&mut slow), None, "half a message");
    let mut blank = connect(address);
    blank.write_all(b"   \n").unwrap();
    assert_eq!(message(&mut blank), None, "white space is no message");
    let mut kept = connect(address);
    kept.write_all(packet(111, "x").as_bytes()).unwrap();
    assert!(message(&mut kept).unwrap().contains("no server"));
    assert_eq!(message(&mut kept), None, "silent behind an answer");
}

#[test]
fn there_may_be_only_so_many_messages_and_characters() {
    let scratch = Scratch::new("policy-limits");
    let mut weir = start(&scratch, ", payload_max: 3, limits: {messages: 2/h, servers: 1}", "");
    let address = weir.address(" listening address=");
    let _server = Server::numbered(7).registered(address, 7, 111);
    let second = ask(address, r#"{"type": 1, "id": 8, "privPolyId": 111, "listenport": 1}"#);
    assert!(second.contains("the policy has 1 servers, and takes no more"), "{second}");
    assert!(ask(address, &packet(111, "four")).contains("the payload has 4 characters, and may have 3"));
    assert_eq!(ask(address, &packet(111, "abc")), answer(7, "1"));
    assert_eq!(ask(address, &packet(111, "🦀🦀🦀")), answer(7, "1"));
    assert!(ask(address, &packet(111, "abc")).contains("too many messages"));
}

/// Whoever has registered stays, whether the configuration says nothing of its group, begins to, says something else, or stops.
#[test]
fn servers_stay_registered_when_the_configuration_changes() {
    let scratch = Scratch::new("policy-reload");
    let text = |more: &str| {
        format!("admin: off\nworkers: 1\nlisten: [{{address: '127.0.0.1:0', protocol: policy}}]\n{more}")
    };
    let file = scratch.file("weir.yaml", text(""));
    let mut weir = Running::start(&["run", "-c", &file]);
    let address = weir.address(" listening address=");
    weir.line("started");
    let _server = Server::numbered(7).registered(address, 7, 111);
    for more in [
        "upstreams: {'policy:111': {balance: least_requests}}\n",
        "upstreams: {'policy:111': {balance: random, eject: off, limits: {requests: 9}}}\n",
        "",
        "upstreams: {'policy:111': {balance: p2c}}\n",
    ] {
        assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
        scratch.file("weir.yaml", text(more));
        weir.signal(Signal::SIGHUP);
        weir.line("another configuration is in use");
        assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"), "{more}");
    }
}

/// A message that has begun is answered; who is idle goes at once.
#[test]
fn what_has_begun_is_finished_when_it_stops() {
    let scratch = Scratch::new("policy-drain");
    let mut weir = start(&scratch, ", timeouts: {idle: 1h, message: 1h, answer: 1h}", "");
    let address = weir.address(" listening address=");
    let (let_go, waiting) = std::sync::mpsc::sync_channel::<()>(1);
    let waiting = std::sync::Mutex::new(waiting);
    let server = Server::start(move |_, stream| {
        waiting.lock().unwrap().recv().unwrap();
        reply(stream, &answer(7, "1"));
    });
    let server = server.registered(address, 7, 111);
    let mut idle = connect(address);
    let mut half = connect(address);
    half.write_all(b"{\"type\": 9").unwrap();
    let mut busy = connect(address);
    busy.write_all(packet(111, "x").as_bytes()).unwrap();
    weir_testkit::wait::until(|| !server.received.lock().unwrap().is_empty());
    weir.signal(Signal::SIGTERM);
    weir.line("draining");
    assert_eq!(message(&mut idle), None);
    half.write_all(b"}").unwrap();
    assert!(message(&mut half).unwrap().contains("no type 9"));
    let_go.send(()).unwrap();
    assert_eq!(message(&mut busy).unwrap(), answer(7, "1"));
    let (code, _) = weir.end();
    assert_eq!(code, Some(0));
}
