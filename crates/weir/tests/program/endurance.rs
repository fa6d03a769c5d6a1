//! Many requests of every kind, one after the other, and nothing that grows by it: no memory, no descriptor, no file.

#![allow(clippy::print_stdout, reason = "the figures are the result")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use weir_testkit::certificate::{Authority, client};
use weir_testkit::wait::until_seen;

use super::footprint::{metric, pipes_and_others, settled_bytes};
use super::mixture::{self, Entrance, Ledger, Origin, SERVERS};
use super::process::Running;
use super::scratch::Scratch;

/// Memory that may have come to it since everything had been used once: what an allocator keeps varies, and less than a byte of
/// each of the ten million requests is more.
const GROWTH_BYTES_MAX: usize = 8 << 20;
/// Descriptors that a program may open and keep, beside pipes: when things are used for the first time, and after that.
const OPENED_FIRST_MAX: usize = 16;
const OPENED_LATER_MAX: usize = 4;
/// Descriptors of pipes: each worker keeps up to 32 pipes for bodies. The program has one of its own for signals.
const PIPES_MAX: usize = 2 * 32 * 2 + 2;
/// Bytes below `state` when nobody waits for anything: the file of the queue, and what it writes ahead.
const STATE_BYTES_MAX: u64 = 64 << 20;

/// A proxy between the mixture and its servers, and where it is asked how it is.
struct Stage {
    proxy: Running,
    admin: SocketAddr,
    entrance: Entrance,
    state: String,
    _servers: Vec<Origin>,
    _scratch: Scratch,
}

/// What the program needs when nobody asks for anything: memory, and descriptors beside those of pipes.
#[derive(Debug)]
struct Rest {
    bytes: usize,
    descriptors: usize,
}

impl Stage {
    fn set() -> Self {
        let (scratch, ledger) = (Scratch::new("endurance"), Arc::<Ledger>::default());
        let servers: Vec<_> =
            (0..=SERVERS).map(|place| Origin::start(place % SERVERS, Arc::clone(&ledger))).collect();
        let root = Authority::new("Root");
        let certificate = root.issue(&["a.test"]);
        let pair = scratch.file("a.pem", format!("{}{}", certificate.chain, certificate.key));
        let issuer = scratch.file("root.pem", &root.pem);
        let state = scratch.path("state");
        let tls = format!("{{certificate: {pair}, key: {pair}, issuer: {issuer}}}");
        let file = scratch.file("weir.yaml", configuration(&servers, &tls, &state));
        let mut proxy = Running::start(&["run", "-c", &file]);
        let plain = proxy.address(" listening address=");
        let (tls, admin) = proxy.addresses();
        let without_tickets = {
            let mut config = client(&root.pem);
            config.resumption = rustls::client::Resumption::disabled();
            config
        };
        let trust = [Arc::new(client(&root.pem)), Arc::new(without_tickets)];
        let entrance = Entrance { plain, tls, trust, ledger };
        Self { proxy, admin, entrance, state, _servers: servers, _scratch: scratch }
    }

    /// Sends so many requests, waits until nothing of them is left, and closes the books. No more descriptors are open then than
    /// these, beside pipes. Gives what it needs then, and how many were answered.
    fn send(&self, requests: u64, seed: u64, descriptors_max: usize) -> (Rest, u64) {
        let answered = mixture::send(&self.entrance, requests, seed);
        for gauge in ["weir_connections_open", "weir_requests_in_flight", "weir_queue_held_writes"] {
            until_seen(|| (gauge, metric(self.admin, gauge)), |seen| seen.1 == 0);
        }
        let ledger = &self.entrance.ledger;
        let mirrored = ledger.mirrored.load(Relaxed);
        until_seen(|| metric(self.admin, "weir_mirrored_requests_total"), |ended| *ended >= mirrored);
        // Idle connections to the servers live for a second.
        let (pipes, descriptors) = until_seen(
            || pipes_and_others(&self.proxy),
            |open| open.0 <= PIPES_MAX && open.1 <= descriptors_max,
        );
        let (writes, bytes) = (ledger.close(), settled_bytes(&self.proxy));
        println!(
            "{requests} requests: {} KiB of memory, {descriptors} descriptors and {pipes} of pipes, {writes} writes at every server, \
             {} copies of {mirrored} at the mirror",
            bytes / 1024,
            ledger.copies.load(Relaxed)
        );
        let state = bytes_below(Path::new(&self.state));
        assert!(state <= STATE_BYTES_MAX, "{state} bytes of files");
        (Rest { bytes, descriptors }, answered)
    }

    /// That each thing was really done which the mixture means to do.
    fn demand_everything(&self) {
        for sample in [
            "weir_dispatched_requests_total{mode=\"balance\"}",
            "weir_dispatched_requests_total{mode=\"race\"}",
            "weir_dispatched_requests_total{mode=\"hedge\"}",
            "weir_dispatched_requests_total{mode=\"majority\"}",
            "weir_dispatched_requests_total{mode=\"duplicate\"}",
            "weir_hedges_total",
            "weir_tls_handshakes_total",
        ] {
            let count = metric(self.admin, sample);
            println!("{sample} {count}");
            assert!(count > 0, "{sample}");
        }
        assert!(self.entrance.ledger.copies.load(Relaxed) > 0, "a mirror gets copies");
        assert_eq!(metric(self.admin, "weir_panics_total"), 0);
    }
}

/// One server for most, three for the modes that ask several, and one that is a mirror.
fn configuration(servers: &[Origin], tls: &str, state: &str) -> String {
    let server = |place: usize| format!("'{}'", servers[place].address);
    let three: Vec<_> = (0..SERVERS).map(server).collect();
    let three = three.join(", ");
    let rest = "eject: off, timeouts: {idle: 1s}";
    format!(
        "listen: ['127.0.0.1:0', {{address: '127.0.0.1:0', tls: {tls}}}]\n\
         admin: '127.0.0.1:0'\naccess_log: off\nworkers: 2\nstate: {state}\n\
         services:\n- host: '*'\n  routes:\n\
         \x20 - {{path: /race/, upstream: three, dispatch: race}}\n\
         \x20 - {{path: /hedge/, upstream: three, dispatch: {{mode: hedge, after: 5ms, budget: 20%}}}}\n\
         \x20 - {{path: /majority/, upstream: three, dispatch: majority}}\n\
         \x20 - {{path: /memory/, upstream: three, dispatch: duplicate}}\n\
         \x20 - {{path: /durable/, upstream: durable, \
                dispatch: {{mode: duplicate, acknowledge: quorum, catch_up: durable}}}}\n\
         \x20 - {{path: /mirror/, upstream: web, mirror: mirror}}\n\
         \x20 - {{path: /, upstream: web}}\n\
         upstreams:\n\
         \x20 web: {{servers: [{}], {rest}}}\n\
         \x20 three: {{servers: [{three}], {rest}}}\n\
         \x20 durable: {{servers: [{three}], {rest}}}\n\
         \x20 mirror: {{servers: [{}], {rest}}}\n",
        server(0),
        server(SERVERS)
    )
}

fn bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let bytes = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        below if below.is_dir() => bytes_below(&entry.path()),
        file => file.len(),
    };
    entries.map(bytes).sum()
}

/// Sends so many requests, after which everything has been used once: pools, buffers, what the allocator keeps; and then so many
/// parts of so many more.
fn endure(first: u64, parts: u64, of: u64) {
    let stage = Stage::set();
    let fresh = pipes_and_others(&stage.proxy).1;
    let (before, mut answered) = stage.send(first, 0, fresh + OPENED_FIRST_MAX);
    for part in 1..=parts {
        let (after, more) = stage.send(of, part, before.descriptors + OPENED_LATER_MAX);
        answered += more;
        assert!(after.bytes <= before.bytes + GROWTH_BYTES_MAX, "{after:?} instead of {before:?}");
    }
    assert!(metric(stage.admin, "weir_requests_total") >= answered, "all of them were counted");
    stage.demand_everything();
}

#[test]
fn many_requests_of_every_kind_leave_nothing_behind() {
    endure(10_000, 1, 10_000);
}

#[test]
#[ignore = "takes a quarter of an hour with a release build: `cargo xtask test --full`"]
fn ten_million_requests_of_every_kind_leave_nothing_behind() {
    endure(100_000, 10, 1_000_000);
}
