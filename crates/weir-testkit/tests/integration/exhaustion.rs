//! A process that has no file descriptor left: whose fault that is, and that nothing is lost by it.

use std::fs::File;
use std::process::Command;

use weir_core::queue::{Failure, Outcome};
use weir_testkit::client::connect;
use weir_testkit::proxy;
use weir_testkit::server::Server;
use weir_testkit::wait::until;
use weir_upstream::io::exhaustion::is_exhaustion;

fn post(text: &str) -> String {
    format!("POST /orders HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// A server that keeps no connection.
fn closing() -> Server {
    Server::start(|mut connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            connection.until_end();
        }
    })
}

/// Takes every descriptor that is left.
fn take_all() -> Vec<File> {
    let mut taken = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => {
                assert!(is_exhaustion(&error), "{error}");
                return taken;
            }
        }
    }
}

/// Copies of a write that found no descriptor were counted as failures of their servers, which were named unreachable and left
/// alone for longer and longer. It says nothing of them: they wait for the write, and get it as soon as there is room. In a
/// process of its own, because descriptors belong to a process.
#[test]
fn want_of_descriptors_is_no_fault_of_a_server() {
    if std::env::var_os("WEIR_TEST_FEW_FILES").is_none() {
        let name = "exhaustion::want_of_descriptors_is_no_fault_of_a_server";
        let limited = format!("ulimit -n 100; exec \"$0\" --exact {name} --nocapture");
        let child = Command::new("sh")
            .args(["-c", &limited])
            .arg(std::env::current_exe().unwrap())
            .env("WEIR_TEST_FEW_FILES", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        let complained = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success() && said.contains("1 passed"), "{said}{complained}");
        return;
    }
    let servers = [closing(), closing()];
    let proxy = proxy::start(&format!(
        "services: [{{host: \"*\", upstream: [\"{}\", \"{}\"], dispatch: duplicate}}]\n",
        servers[0], servers[1]
    ));
    let mut client = connect(&proxy);
    client.send(post("before")).answer().expect(200);
    servers.iter().for_each(|server| server.wait_ended(1));
    let taken = take_all();
    client.send(post("meanwhile"));
    until(|| proxy.status().queues[0].servers.iter().all(|server| server.backlog > 0));
    let status = proxy.status();
    for server in &status.queues[0].servers {
        assert!(server.gate_closed, "nothing overtakes what waits");
        assert_eq!((server.failures, server.counts.failures_total), (0, 0));
        assert_eq!(server.last_failure, Some(Outcome::Failed(Failure::Here)));
    }
    drop(taken);
    client.answer().expect(200);
    for server in &servers {
        server.wait_requests(2);
        assert_eq!(server.last_request().text(), "meanwhile");
    }
    for server in &proxy.status().upstreams[0].servers {
        assert_eq!((server.connect_failures_total, server.failures_total), (0, 0));
    }
}
