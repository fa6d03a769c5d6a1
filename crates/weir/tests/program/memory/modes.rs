//! Requests that several servers get, all of which do their worst.

use std::net::SocketAddr;

use weir_testkit::wait::until_seen;

use super::client::{Client, stuff};
use super::server::Server;
use super::stage::Stage;
use super::{BUSY_BYTES_MAX, KEPT_BODY_BYTES_MAX};

/// What one may cost that is sent to several servers at once: no more than one whose body is kept for a repeat. All copies read the
/// one body that is kept, and only the answer that goes on has a large buffer.
const COPIED_BYTES_MAX: usize = BUSY_BYTES_MAX + KEPT_BODY_BYTES_MAX;
/// What one may cost whose answers are all read and kept until most of the servers agree: a large buffer for each server, beside
/// what is kept.
const MAJORITY_BYTES_MAX: usize = COPIED_BYTES_MAX + (1 << 20);

/// More of a body than is kept in memory, which never comes to its end.
const UNFINISHED: &str = "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1048576\r\n\r\n";

/// A whole body, as large as is kept in memory.
fn whole() -> String {
    let head = format!(
        "PUT / HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: k\r\nContent-Length: {}\r\n\r\n",
        256 << 10
    );
    head + &"x".repeat(256 << 10)
}

fn addresses(servers: &[Server]) -> Vec<SocketAddr> {
    servers.iter().map(|server| server.address).collect()
}

fn three(answering: usize) -> Vec<Server> {
    (0..3).map(|_| Server::answering(answering)).collect()
}

#[test]
fn a_race_costs_no_more_than_is_stated() {
    let servers = three(usize::MAX);
    let stage = Stage::set(&addresses(&servers), "dispatch: race", "");
    stage.check("a race of three, both directions full", false, UNFINISHED, COPIED_BYTES_MAX);
}

/// Clients that have sent this and nothing more. A write is read to its end, whoever reads it on, and behind that end nobody looks
/// any more whether its client is still there.
fn check_silent(servers: &[Server], route: &str, what: &str, (saying, is_read): (&str, bool), bound: usize) {
    let mut stage = Stage::set(&addresses(servers), route, "");
    stage.notices_late = !is_read;
    stage.play(
        |stage| Client::plain(stage.plain, saying),
        |clients| {
            stage.wait_for_requests();
            // On a busy machine it is behind, and who resets a connection with bytes in it is noticed late. An answer that comes early ends
            // the reading.
            if is_read {
                stage.wait_until_read(saying.len());
            }
            stuff(clients, false);
            stage.measure(what, bound);
        },
    );
}

fn all_but_the_last_byte() -> String {
    [UNFINISHED, &"x".repeat((1 << 20) - 1)].concat()
}

#[test]
fn a_duplicate_costs_no_more_than_is_stated() {
    let route = "dispatch: {mode: duplicate, acknowledge: all}";
    let what = "a write for three, both directions full";
    check_silent(&three(usize::MAX), route, what, (&all_but_the_last_byte(), true), COPIED_BYTES_MAX);
}

/// Nobody gets it before it is whole: as long as it is not, it is kept.
#[test]
fn a_durable_write_costs_no_more_than_is_stated() {
    let route = "dispatch: {mode: duplicate, catch_up: durable}";
    let what = "a durable write that never ends";
    check_silent(&three(usize::MAX), route, what, (&all_but_the_last_byte(), true), COPIED_BYTES_MAX);
}

#[test]
fn a_majority_costs_no_more_than_is_stated() {
    let what = "a majority of three, nothing whole";
    check_silent(&three(1 << 20), "dispatch: majority", what, (&whole(), false), MAJORITY_BYTES_MAX);
}

/// A second server is asked when the body is whole and the first one says nothing; then both answer at once.
#[test]
fn a_hedge_costs_no_more_than_is_stated() {
    let servers: Vec<_> = (0..2).map(|_| Server::endless()).collect();
    let route = "dispatch: {mode: hedge, after: 1ms, at_most: 1ms, budget: 100%}";
    let stage = Stage::set(&addresses(&servers), route, "");
    let request = whole();
    let count = || servers.iter().map(Server::connections).sum::<usize>();
    let hold = |holds| servers.iter().for_each(|server| server.hold(holds));
    hold(true);
    stage.play(
        |stage| {
            let asked = count();
            let client = Client::plain(stage.plain, &request);
            // One after the other: of a budget no more than ten are saved up.
            until_seen(count, |count| *count >= asked + 2);
            client
        },
        |clients| {
            stuff(clients, true);
            stage.measure("a hedge of which nobody answers", COPIED_BYTES_MAX);
            hold(false);
            stuff(clients, true);
            stage.measure("a hedge of which both answer", COPIED_BYTES_MAX);
            hold(true);
        },
    );
    hold(false);
}
