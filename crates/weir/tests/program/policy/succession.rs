//! Another process in the place of this one: its listeners, and who has registered, are the other one's.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir_testkit::wait::until;

use super::super::process::{Running, answer as http_answer, ask as http_ask};
use super::super::scratch::Scratch;
use super::super::upgrade::Family;
use super::scripted::{Server, answer, ask, connect, message, packet, register, reply};

/// The configuration: HTTP that goes to the servers of a policy, and the listener where they register.
fn text(listener: &str, rest: &str) -> String {
    format!(
        "admin: '127.0.0.1:0'\nworkers: 2\naccess_log: off\nlisten: ['127.0.0.1:0', {{address: '127.0.0.1:0', protocol: policy{listener}}}{rest}]\n\
         services: [{{host: '*', upstream: 'policy:112'}}]\n"
    )
}

/// A program of this configuration, and where servers register.
fn start(file: &str) -> (Family, SocketAddr) {
    let mut running = Running::start(&["run", "-c", file]);
    let address = running.address(" listening address=");
    let policy = running.address(" listening address=");
    let admin = running.address("admin listening address=");
    running.line("started");
    (Family::at(running, address, admin), policy)
}

#[test]
fn whoever_has_registered_is_registered_with_the_process_that_follows() {
    let scratch = Scratch::new("policy-succession");
    let file = scratch.file("weir.yaml", text(", timeouts: {idle: 1h, message: 1h, answer: 1h}", ""));
    let (mut family, address) = start(&file);
    let (let_go, waiting) = std::sync::mpsc::sync_channel::<()>(1);
    let waiting = std::sync::Mutex::new(waiting);
    let slow = Server::start(move |_, stream| {
        waiting.lock().unwrap().recv().unwrap();
        reply(stream, &answer(9, "1"));
    });
    let slow = slow.registered(address, 9, 113);
    let _server = Server::numbered(7).registered(address, 7, 111);
    let mut local = Running::start(&["mock", "0"]);
    let mock = local.address("listening on http://");
    register(address, 1, 112, mock.port());
    let mut busy = connect(address);
    busy.write_all(packet(113, "x").as_bytes()).unwrap();
    until(|| !slow.received.lock().unwrap().is_empty());
    let mut kept = connect(address);
    kept.write_all(packet(111, "x").as_bytes()).unwrap();
    assert_eq!(message(&mut kept).unwrap(), answer(7, "1"));
    for _ in 0..3 {
        family.replace();
        // Nobody has registered again.
        assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
        assert!(http_answer(http_ask(family.address, "a.example", "/echo")).starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(message(&mut kept), None, "who is idle goes");
    // What has begun with the first one is finished there.
    let_go.send(()).unwrap();
    assert_eq!(message(&mut busy).unwrap(), answer(9, "1"));
    assert_eq!(message(&mut busy), None);
    family.running.line("stopped connections_cut=0");
    let _other = Server::numbered(8).registered(address, 8, 111);
    let round = [ask(address, &packet(111, "x")), ask(address, &packet(111, "x"))];
    assert!(round.contains(&answer(7, "1")) && round.contains(&answer(8, "1")), "{round:?}");
    family.end();
}

/// A file that has changed since: the new process can't have a port for policy groups, and must find that before it serves anybody.
#[test]
fn a_listener_that_can_not_be_had_leaves_the_process_that_runs_as_it_is() {
    let scratch = Scratch::new("policy-succession-refused");
    let file = scratch.file("weir.yaml", text("", ""));
    let (mut family, address) = start(&file);
    let _server = Server::numbered(7).registered(address, 7, 111);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(", {{address: '{}', protocol: policy}}", taken.local_addr().unwrap());
    scratch.file("weir.yaml", text("", &more));
    let (code, _, error) = family.upgrade(&[]);
    assert!(code == Some(1) && error.contains("for policy groups, is in use"), "{error}");
    family.running.line("the program is not replaced, and this one goes on");
    assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
    let _other = Server::numbered(8).registered(address, 8, 112);
    scratch.file("weir.yaml", text("", ""));
    family.replace();
    assert_eq!(ask(address, &packet(111, "x")), answer(7, "1"));
    family.running.line("stopped connections_cut=0");
    family.end();
}

#[test]
fn messages_are_answered_while_processes_follow_each_other() {
    let scratch = Scratch::new("policy-succession-load");
    let file = scratch.file("weir.yaml", text("", ""));
    let (mut family, address) = start(&file);
    let _servers =
        [Server::numbered(7).registered(address, 7, 111), Server::numbered(8).registered(address, 8, 111)];
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        struct Over<'o>(&'o AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _over = Over(&over);
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let said = ask(address, &packet(111, "x"));
                    assert!(said == answer(7, "1") || said == answer(8, "1"), "{said}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..5 {
            let before = asked.load(Ordering::Relaxed);
            family.replace();
            family.running.line("stopped connections_cut=0");
            until(|| asked.load(Ordering::Relaxed) > before + 10);
        }
    });
    family.end();
}
