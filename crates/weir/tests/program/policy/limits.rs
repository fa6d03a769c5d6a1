//! Limits of ours: nobody else is at fault for them, and who is being served goes on being served.

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use nix::sys::signal::Signal;

use super::super::process::Running;
use super::super::scratch::Scratch;
use super::scripted::{Server, answer, ask, connect, message, packet, reply};

/// With an idle server and nothing but connections, of which each has a descriptor.
#[test]
fn clients_leave_descriptors_for_servers() {
    let scratch = Scratch::new("policy-descriptors");
    let text = "admin: off\nworkers: 1\nlisten: [{address: '127.0.0.1:0', protocol: policy, timeouts: {idle: 1h}}]\n";
    let file = scratch.file("weir.yaml", text);
    let mut weir = Running::start_with_descriptors(&["run", "-c", &file], 128);
    let address = weir.address(" listening address=");
    weir.line("started");
    let _server = Server::numbered(7).registered(address, 7, 111);
    let mut first = connect(address);
    first.write_all(packet(111, "x").as_bytes()).unwrap();
    assert_eq!(message(&mut first).unwrap(), answer(7, "1"));
    let others: Vec<_> = (0..200).map(|_| connect(address)).collect();
    weir.line("nearly all file descriptors are taken");
    for _ in 0..3 {
        first.write_all(packet(111, "x").as_bytes()).unwrap();
        assert_eq!(message(&mut first).unwrap(), answer(7, "1"));
    }
    drop(others);
    assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"), "those who waited are served");
}

/// Whoever waits for a place that does not come free has asked no server anything.
#[test]
fn a_server_without_a_place_is_not_blamed() {
    let scratch = Scratch::new("policy-place");
    let text = "admin: off\nworkers: 1\nlisten: [{address: '127.0.0.1:0', protocol: policy, timeouts: {answer: 1h}}]\n\
                timeouts: {connect: 500ms}\n\
                upstreams: {'policy:111': {limits: {requests: 9, connections: 1}}}\n";
    let mut weir = Running::start(&["run", "-c", &scratch.file("weir.yaml", text)]);
    let address = weir.address(" listening address=");
    let (let_go, waiting) = sync_channel::<()>(2);
    let waiting = Mutex::new(waiting);
    let server = Server::start(move |_, stream| {
        waiting.lock().unwrap().recv().unwrap();
        reply(stream, &answer(7, "1"));
    });
    let server = server.registered(address, 7, 111);
    let mut busy = connect(address);
    busy.write_all(packet(111, "x").as_bytes()).unwrap();
    weir_testkit::wait::until(|| !server.received.lock().unwrap().is_empty());
    for _ in 0..2 {
        let refused = ask(address, &packet(111, "x"));
        assert!(refused.contains("had no room for one more connection in time"), "{refused}");
    }
    let_go.send(()).unwrap();
    assert_eq!(message(&mut busy).unwrap(), answer(7, "1"));
    let_go.send(()).unwrap();
    assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
    weir.signal(Signal::SIGTERM);
    let (_, lines) = weir.end();
    assert!(!lines.concat().contains("a server fails"), "{lines:?}");
}
