//! What a connection costs that is kept and says nothing: there may be tens of thousands of them.

#![allow(clippy::print_stdout, reason = "the figure is the result")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use weir_testkit::certificate::{Authority, client};
use weir_testkit::client::connect_tls;
use weir_testkit::socket::Socket;

use super::footprint::{allow_many_descriptors, settled_bytes};
use super::process::Running;
use super::scratch::Scratch;

/// Connections that are measured, and those before them, which pay for what all share.
const MEASURED: usize = 10_000;
const BEFORE: usize = 500;

/// Bytes of resident memory that one may cost. What is kept for TLS is rustls's, more than half of it an empty buffer.
const PLAIN_BYTES_MAX: usize = 4 * 1024;
const TLS_BYTES_MAX: usize = 12 * 1024;

/// Between two connections of a thread. A connection keeps the memory of its exchange for a second, and what many had at once
/// is kept by the allocator for long.
const PACE: Duration = Duration::from_millis(8);

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Connections that have had one answer each.
fn connections<T: Send>(count: usize, connect: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let paced = |_| {
            std::thread::park_timeout(PACE);
            connect()
        };
        let share = |_| scope.spawn(move || (0..count / 4).map(paced).collect::<Vec<T>>());
        let threads: Vec<_> = (0..4).map(share).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Bytes for each of many connections that this makes.
fn measure<T: Send>(proxy: &Running, what: &str, connect: impl Fn() -> T + Sync) -> usize {
    let before_them = connections(BEFORE, &connect);
    let before = settled_bytes(proxy);
    let measured = connections(MEASURED, &connect);
    let each = settled_bytes(proxy).saturating_sub(before) / MEASURED;
    println!("an idle {what} connection: {each} bytes of resident memory");
    drop((before_them, measured));
    each
}

/// A connection that has had one answer, which is `ok`.
pub(crate) fn ask_plain(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(REQUEST.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..count]);
    }
    stream
}

#[test]
#[ignore = "takes over a minute: `cargo xtask test --full`"]
fn ten_thousand_idle_connections_are_cheap_with_tls_and_without() {
    allow_many_descriptors(MEASURED + BEFORE + 100);
    let (root, scratch) = (Authority::new("Root"), Scratch::new("idle"));
    let certificate = root.issue(&["a.test"]);
    let both = scratch.file("a.pem", format!("{}{}", certificate.chain, certificate.key));
    let issuer = scratch.file("root.pem", &root.pem);
    let start = |tls: &str| {
        let file = scratch.file(
            "weir.yaml",
            format!(
                "listen: [{{address: '127.0.0.1:0'{tls}}}]\nadmin: off\naccess_log: off\nworkers: 2\n\
                 timeouts: {{idle: 1h}}\nservices: [{{host: '*', respond: {{body: ok}}}}]\n"
            ),
        );
        Running::proxy(&["run", "-c", &file])
    };
    let (proxy, address) = start("");
    let plain = measure(&proxy, "plain", || ask_plain(address));
    drop(proxy);
    let (proxy, address) = start(&format!(", tls: {{certificate: {both}, key: {both}, issuer: {issuer}}}"));
    let config = Arc::new({
        let mut config = client(&root.pem);
        config.resumption = rustls::client::Resumption::disabled();
        config
    });
    let tls = measure(&proxy, "TLS", || {
        let mut socket: Socket = connect_tls(address, &config, "a.test").unwrap();
        socket.send(REQUEST).answer().expect(200);
        socket
    });
    assert!(plain <= PLAIN_BYTES_MAX, "{plain} bytes without TLS");
    assert!(tls <= TLS_BYTES_MAX, "{tls} bytes with TLS");
}
