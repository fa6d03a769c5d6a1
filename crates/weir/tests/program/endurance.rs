//! Many requests of every kind, one after the other, and nothing that grows by it: no memory, no descriptor.

#![allow(clippy::print_stdout, reason = "the figures are the result")]

use std::net::SocketAddr;

use weir_testkit::wait::until_seen;

use super::footprint::{descriptors, metric, settled_bytes};
use super::mixture::{self, Origin};
use super::process::Running;
use super::scratch::Scratch;

/// Requests after which everything has been used once: pools, buffers, what the allocator keeps.
const FIRST: u64 = 5000;
/// Requests behind those.
const MORE: u64 = 15_000;
/// The same where there is time: `cargo xtask test --full`.
const MANY: u64 = 10_000_000;
/// Memory that may have come to it meanwhile: what an allocator keeps varies, and less than a byte of each of the ten million
/// requests is more.
const GROWTH_BYTES_MAX: usize = 8 << 20;

/// Descriptors that a program may open later and keep: a few, and two for each pipe through which a body goes, of which every client
/// of the mixture needs two at a time, on whichever of the two workers it is.
const OPENED_LATER_MAX: usize = 4 + 2 * 2 * 2 * mixture::CLIENTS as usize;

/// A proxy between the mixture and its server, and where it is asked how it is.
fn start(scratch: &Scratch, origin: &Origin) -> (Running, SocketAddr, SocketAddr) {
    let file = scratch.file(
        "weir.yaml",
        format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\nworkers: 2\n\
             services: [{{host: '*', upstream: web}}]\n\
             upstreams: {{web: {{servers: ['{}'], eject: off, timeouts: {{idle: 1s}}}}}}\n",
            origin.address
        ),
    );
    let mut proxy = Running::start(&["run", "-c", &file]);
    let (address, admin) = proxy.addresses();
    (proxy, address, admin)
}

/// Memory and descriptors when nobody asks for anything any more. No more descriptors are open than these.
fn at_rest(proxy: &Running, admin: SocketAddr, descriptors_max: usize) -> (usize, usize) {
    for gauge in ["weir_connections_open", "weir_requests_in_flight"] {
        until_seen(|| (gauge, metric(admin, gauge)), |seen| seen.1 == 0);
    }
    // Idle connections to the server live for a second.
    let open = until_seen(|| descriptors(proxy), |seen| *seen <= descriptors_max);
    (settled_bytes(proxy), open)
}

fn endure(parts: u64, of: u64) {
    let (scratch, origin) = (Scratch::new("endurance"), Origin::start());
    let (proxy, address, admin) = start(&scratch, &origin);
    let fresh = descriptors(&proxy);
    mixture::send(address, FIRST);
    let most = fresh + OPENED_LATER_MAX;
    let (first, open) = at_rest(&proxy, admin, most);
    println!("after {FIRST} requests: {} KiB of memory, {open} descriptors", first / 1024);
    for part in 1..=parts {
        mixture::send(address, of);
        let (bytes, open) = at_rest(&proxy, admin, most);
        println!("after {} more: {} KiB of memory, {open} descriptors", part * of, bytes / 1024);
        assert!(bytes <= first + GROWTH_BYTES_MAX, "{bytes} bytes instead of {first}");
    }
    assert_eq!(metric(admin, "weir_panics_total"), 0);
    assert!(metric(admin, "weir_requests_total") >= FIRST + parts * of, "all of them were counted");
}

#[test]
fn many_requests_of_every_kind_leave_nothing_behind() {
    endure(1, MORE);
}

#[test]
#[ignore = "takes minutes: `cargo xtask test --full`"]
fn ten_million_requests_of_every_kind_leave_nothing_behind() {
    endure(10, MANY / 10);
}
