//! A proxy of its own for each thing that is measured, since what one has used before it has at hand.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::Value;
use weir_testkit::certificate::{Authority, client};
use weir_testkit::wait::until_seen;

use super::client::{Client, stuff};
use super::{CONNECTIONS, ROUNDS};
use crate::admin::Kept;
use crate::footprint::{allow_many_descriptors, metric, pipes_and_others, resident_bytes};
use crate::process::Running;
use crate::scratch::Scratch;

/// Descriptors that the tests and the program need at the most: connections on both sides, and files for bodies.
const DESCRIPTORS: usize = 6000;

/// Descriptors that the program may open and keep, beside pipes, when something is used for the first time.
const OPENED_LATER_MAX: usize = 16;

pub(super) struct Stage {
    pub(super) proxy: Running,
    pub(super) plain: SocketAddr,
    pub(super) tls: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) trust: Arc<ClientConfig>,
    /// What the program needed before anybody came.
    pub(super) before_bytes: usize,
    /// Whether a client that has gone is noticed late, because it had said what nobody reads any more (`docs/hardening.md`): then it is
    /// closed by its id.
    pub(super) notices_late: bool,
    _scratch: Scratch,
}

impl Stage {
    /// A proxy for these servers, with what a route and the top of the file say beside that.
    pub(super) fn set(servers: &[SocketAddr], route: &str, top: &str) -> Self {
        allow_many_descriptors(DESCRIPTORS);
        let scratch = Scratch::new("memory");
        let root = Authority::new("Root");
        let certificate = root.issue(&["a.test"]);
        let pair = scratch.file("a.pem", format!("{}{}", certificate.chain, certificate.key));
        let issuer = scratch.file("root.pem", &root.pem);
        let servers: Vec<_> = servers.iter().map(|server| format!("'{server}'")).collect();
        let file = scratch.file(
            "weir.yaml",
            format!(
                "listen: ['127.0.0.1:0', \
                 {{address: '127.0.0.1:0', tls: {{certificate: {pair}, key: {pair}, issuer: {issuer}}}}}]\n\
                 admin: '127.0.0.1:0'\naccess_log: off\nworkers: 2\nstate: {}\n\
                 timeouts: {{request_head: 10m, request_body: 10m, client_write: 10m, answer_head: 10m, \
                 answer_body: 10m, tls_handshake: 10m}}\n\
                 services: [{{host: '*', upstream: web, {route}}}]\n\
                 upstreams:\n  web: {{servers: [{}], eject: off}}\n{top}",
                scratch.path("state"),
                servers.join(", ")
            ),
        );
        let mut proxy = Running::start(&["run", "-c", &file]);
        let plain = proxy.address(" listening address=");
        let (tls, admin) = proxy.addresses();
        let before_bytes = resident_bytes(&proxy);
        let trust = Arc::new(client(&root.pem));
        Self { proxy, plain, tls, admin, trust, before_bytes, notices_late: false, _scratch: scratch }
    }

    /// As many clients as there are, which do their worst, again and again; each round with what else has to happen in it.
    pub(super) fn play(&self, connect: impl Fn(&Self) -> Client, mut round: impl FnMut(&mut [Client])) {
        let open_descriptors = || pipes_and_others(&self.proxy).1;
        let before = open_descriptors();
        for _ in 0..ROUNDS {
            let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| connect(self)).collect();
            until_seen(open_descriptors, |seen| *seen >= before + CONNECTIONS);
            round(&mut clients);
            drop(clients);
            let left = || {
                if self.notices_late {
                    self.close_all();
                }
                metric(self.admin, "weir_connections_open")
            };
            until_seen(left, |open| *open == 0);
            until_seen(open_descriptors, |seen| *seen <= before + OPENED_LATER_MAX);
        }
    }

    /// Waits until all of them have begun a request.
    pub(super) fn wait_for_requests(&self) {
        until_seen(|| metric(self.admin, "weir_requests_in_flight"), |open| *open as usize == CONNECTIONS);
    }

    fn connections(&self) -> Value {
        let (_, body) = Kept::open(self.admin).ask("GET", "/api/v1/connections?limit=1000");
        serde_json::from_str(&body).unwrap()
    }

    fn close_all(&self) {
        for one in self.connections()["connections"].as_array().unwrap() {
            Kept::open(self.admin)
                .ask("DELETE", &format!("/api/v1/connections/{}", one["id"].as_str().unwrap()));
        }
    }

    /// Waits until so much has been read of each of them.
    pub(super) fn wait_until_read(&self, bytes: usize) {
        let least = || {
            let told = self.connections();
            let read = told["connections"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["bytes_received"].as_u64().unwrap());
            read.min().unwrap_or(0)
        };
        until_seen(least, |least| *least >= bytes as u64);
    }

    /// Clients that begin with this, over TLS or not, and send on behind a head that is whole.
    pub(super) fn check(&self, what: &str, is_tls: bool, saying: &str, bound: usize) {
        let is_whole = saying.contains("\r\n\r\n");
        let connect = |stage: &Self| {
            if is_tls {
                Client::tls(stage.tls, &stage.trust, saying)
            } else {
                Client::plain(stage.plain, saying)
            }
        };
        self.play(connect, |clients| {
            if is_whole {
                self.wait_for_requests();
            }
            stuff(clients, is_whole);
            self.measure(what, bound);
        });
    }

    /// Holds what one of them costs now against what it may.
    pub(super) fn measure(&self, what: &str, bound: usize) {
        let each = self.growth_bytes() / CONNECTIONS;
        println!("{what}: {} KiB for each of {CONNECTIONS} connections", each / 1024);
        assert!(each <= bound, "{what}: {each} bytes instead of {bound}");
    }

    /// What has come to the memory of the program.
    pub(super) fn growth_bytes(&self) -> usize {
        resident_bytes(&self.proxy).saturating_sub(self.before_bytes)
    }
}
