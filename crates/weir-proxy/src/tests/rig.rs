//! One worker without sockets: clients and kept connections to servers are pipes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use weir_core::handshake::HandshakeOutcome;
use weir_core::ports::Status;
use weir_upstream::body::replay::ReplayPool;
use weir_upstream::io::deadline::now;
use weir_upstream::io::descriptors::Descriptors;
use weir_upstream::io::pipe::Resetter;
use weir_upstream::io::stream::Stream;
use weir_upstream::member::Server;
use weir_upstream::pool::Connection;

use super::certificate;
use crate::inbound::connection::{self, Accepted};
use crate::inbound::door::Terms;
use crate::inbound::peer::Peer;
use crate::runtime::authentication::verifiers::Verifiers;
use crate::runtime::build;
use crate::runtime::certificates::ListenerTls;
use crate::runtime::counters::WorkerCounters;
use crate::runtime::permits::Permits;
use crate::runtime::queues::{OpenQueue, Queues, no_queues};
use crate::runtime::snapshot::Snapshot;
use crate::runtime::worker::Worker;

/// Bytes that a pipe takes before it is read: more than any message of these tests.
pub(super) const WIDE: usize = 1 << 20;

/// All requests go to one server, and everything else is as the documentation says it is by default. Nobody listens at
/// the address of the server: only connections that a test has kept for it work.
pub(super) const DEFAULTS: &str = "upstreams: {u: {servers: ['127.0.0.1:1']}}";

/// A request, and an answer that keeps the connection.
pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// See [`GET`].
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A test that waits for something that never comes fails after this, which is longer than any timeout and takes no time.
const PATIENCE: Duration = seconds(1 << 24);

/// The peer of every client.
const PEER: Peer = Peer::Network(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4711));

pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A worker.
pub(super) struct Rig {
    pub worker: Rc<Worker>,
    pub counters: Arc<WorkerCounters>,
    pub snapshot: Arc<Snapshot>,
    /// Whether connections begin with a header of the PROXY protocol.
    pub proxy_headers: bool,
}

/// Runs a test on a worker with this configuration beside listener and services, under a paused clock.
pub(super) fn paused<T>(config: &str, test: impl AsyncFnOnce(Rig) -> T) -> T {
    paused_with(config, no_queues(), test)
}

/// The same with queues for mode `duplicate`.
pub(super) fn paused_with<T>(config: &str, queues: Arc<OpenQueue>, test: impl AsyncFnOnce(Rig) -> T) -> T {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(LocalOptions::default())
        .unwrap();
    let test = async { tokio::time::timeout(PATIENCE, test(Rig::new(config, queues))).await };
    runtime.block_on(test).expect("it waits for what never comes")
}

/// The snapshot of a configuration in which one upstream serves every host, unless it has services of its own.
fn snapshot(config: &str, queues: Arc<OpenQueue>) -> Arc<Snapshot> {
    let services = if config.contains("services:") { "" } else { "services: [{host: '*', upstream: u}]" };
    let text = format!("listen: ['127.0.0.1:0']\n{services}\n{config}\n");
    let loaded = weir_config::parse("test", text.as_bytes(), &|_| None, Path::new(""));
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    let queues = Queues::new(queues);
    // Where there is no place for them, writes wait nowhere.
    let _ = queues.prepare(&loaded.model);
    Arc::new(build::snapshot(&loaded.model, &Verifiers::default(), &queues))
}

impl Rig {
    fn new(config: &str, queues: Arc<OpenQueue>) -> Self {
        let snapshot = snapshot(config, queues);
        let counters = Arc::new(WorkerCounters::default());
        let permits = Permits::new(&snapshot.limits, Descriptors::of_process());
        let worker = Rc::new(Worker::new(
            Arc::clone(&snapshot),
            Arc::clone(&counters),
            None,
            permits,
            ReplayPool::new(1 << 20, None),
        ));
        Self { worker, counters, snapshot, proxy_headers: false }
    }

    /// What serves a connection whose other end is the pipe; each direction holds `bytes`.
    pub(super) fn connection(&self, bytes: usize) -> (DuplexStream, impl Future<Output = ()> + 'static) {
        self.connection_to(None, bytes)
    }

    /// The same on a listener with TLS.
    pub(super) fn secured(&self, bytes: usize) -> (DuplexStream, impl Future<Output = ()> + 'static) {
        self.connection_to(Some(certificate::listener()), bytes)
    }

    /// A client of a listener with TLS, served in a task of its own.
    pub(super) fn secured_client(&self, bytes: usize) -> (DuplexStream, JoinHandle<()>) {
        let (pipe, serving) = self.secured(bytes);
        (pipe, tokio::task::spawn_local(serving))
    }

    fn connection_to(
        &self,
        tls: Option<Arc<ListenerTls>>,
        bytes: usize,
    ) -> (DuplexStream, impl Future<Output = ()> + 'static) {
        let (theirs, ours) = duplex(bytes);
        (theirs, self.serve(tls, Stream::test(ours)))
    }

    /// What serves a client at the other end of this stream.
    pub(super) fn serve(
        &self,
        tls: Option<Arc<ListenerTls>>,
        stream: Stream,
    ) -> impl Future<Output = ()> + 'static {
        let terms = Terms { tls, proxy_protocol: None };
        let accepted = Accepted::new(stream, PEER, &terms, &Rc::default(), None);
        let accepted = Accepted { proxy_header: self.proxy_headers, ..accepted };
        connection::serve(Rc::clone(&self.worker), accepted)
    }

    /// How many handshakes have ended like this.
    pub(super) fn handshakes(&self, outcome: HandshakeOutcome) -> u64 {
        let mut status = Status::default();
        self.counters.add_to(&mut status);
        status.tls_handshakes[outcome as usize]
    }

    /// A client, served in a task of its own.
    pub(super) fn client(&self, bytes: usize) -> (DuplexStream, JoinHandle<()>) {
        let (pipe, serving) = self.connection(bytes);
        (pipe, tokio::task::spawn_local(serving))
    }

    /// The server with this index.
    pub(super) fn server(&self, index: usize) -> Arc<Server> {
        Arc::clone(&self.snapshot.upstreams[0].group().servers[index])
    }

    /// A connection to a server that is kept for longer than any test takes; the next request takes the last one.
    pub(super) fn keep(&self, index: usize, bytes: usize) -> DuplexStream {
        self.keep_for(index, bytes, seconds(1 << 20))
    }

    /// A connection to a server that may be idle for so long.
    pub(super) fn keep_for(&self, index: usize, bytes: usize, idle: Duration) -> DuplexStream {
        self.keep_that_resets(index, bytes, idle).0
    }

    /// The same, which may be reset.
    pub(super) fn keep_that_resets(
        &self,
        index: usize,
        bytes: usize,
        idle: Duration,
    ) -> (DuplexStream, Resetter) {
        let (theirs, ours) = duplex(bytes);
        let (stream, resetter) = Stream::test_that_resets(ours);
        let connection = Connection { stream: Rc::new(stream), server: self.server(index), reused: true };
        self.worker.pools.give_back(connection, idle, now());
        (theirs, resetter)
    }

    /// Demands that nothing is left of any exchange.
    pub(super) fn expect_idle(&self) {
        assert_eq!(self.counters.in_flight.value(), 0, "requests in flight");
        assert_eq!(self.counters.connections_open.value(), 0, "client connections that are counted");
        assert_eq!(self.worker.registry.len(), 0, "client connections that are registered");
        for server in &self.snapshot.upstreams[0].group().servers {
            assert_eq!(server.in_flight(), 0, "requests in flight to `{}`", server.name());
        }
    }
}

/// Writes all of this.
pub(super) async fn say(pipe: &mut DuplexStream, text: &str) {
    pipe.write_all(text.as_bytes()).await.unwrap();
}

/// Reads to the end of a message's head.
pub(super) async fn head(pipe: &mut DuplexStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(pipe.read_u8().await.unwrap_or_else(|error| {
            panic!("{error} behind `{}`", String::from_utf8_lossy(&read));
        }));
    }
    String::from_utf8(read).unwrap()
}

/// Reads so many bytes.
pub(super) async fn take(pipe: &mut DuplexStream, count: usize) -> String {
    let mut read = vec![0; count];
    pipe.read_exact(&mut read).await.unwrap();
    String::from_utf8(read).unwrap()
}

/// Reads to the end of the connection.
pub(super) async fn rest(pipe: &mut DuplexStream) -> String {
    let mut read = Vec::new();
    pipe.read_to_end(&mut read).await.unwrap();
    String::from_utf8(read).unwrap()
}

/// Demands that so much time has passed, to the millisecond.
pub(super) fn expect_passed(since: Instant, expected: Duration) {
    assert_eq!(now() - since, expected);
}

/// Demands an answer of ours with this status that ends the connection.
pub(super) fn expect_last(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.contains("\r\nProxy-Status: weir; error="), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "whole\n{answer}");
}
