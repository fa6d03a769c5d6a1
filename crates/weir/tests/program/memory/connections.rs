//! Clients with one server, with TLS and without.

use super::client::{Client, stuff};
use super::server::Server;
use super::stage::Stage;
use super::{BUSY_BYTES_MAX, KEPT_BODY_BYTES_MAX};

/// What one may cost while its head is read: with the default of `limits.head` a buffer of 32 KiB, the smaller one that it had
/// before and the worker keeps for the next, and the exchange; and what those of a round before have left, as below.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// What TLS may cost beside that: what rustls has of records that are not whole or not sent yet.
const TLS_BYTES_MAX: usize = 192 << 10;
/// What a handshake may cost that never ends.
const HANDSHAKE_BYTES_MAX: usize = 96 << 10;

fn stage() -> (Server, Stage) {
    let server = Server::endless();
    let stage = Stage::set(&[server.address], "dispatch: balance", "");
    (server, stage)
}

fn unfinished_head() -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {}", "x".repeat(32 * 1024 - 100))
}

/// One chunk, so that it goes through our memory: the system moves bodies of announced length.
const ENDLESS: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffff\r\n";

/// As much as is kept; others behind it nobody can read yet.
fn kept_body() -> String {
    format!("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n", 256 << 10)
}

#[test]
fn an_unfinished_head_costs_no_more_than_is_stated() {
    stage().1.check("an unfinished head", false, &unfinished_head(), HEAD_BYTES_MAX);
}

#[test]
fn two_full_directions_cost_no_more_than_is_stated() {
    stage().1.check("both directions full", false, ENDLESS, BUSY_BYTES_MAX);
}

#[test]
fn a_body_that_is_kept_costs_no_more_than_is_stated() {
    let bound = BUSY_BYTES_MAX + KEPT_BODY_BYTES_MAX;
    stage().1.check("both full, and a body that is kept", false, &kept_body(), bound);
}

#[test]
fn an_unfinished_head_over_tls_costs_no_more_than_is_stated() {
    let bound = HEAD_BYTES_MAX + TLS_BYTES_MAX;
    stage().1.check("an unfinished head over TLS", true, &unfinished_head(), bound);
}

#[test]
fn two_full_directions_over_tls_cost_no_more_than_is_stated() {
    stage().1.check("both directions full over TLS", true, ENDLESS, BUSY_BYTES_MAX + TLS_BYTES_MAX);
}

#[test]
fn a_body_that_is_kept_over_tls_costs_no_more_than_is_stated() {
    let bound = BUSY_BYTES_MAX + KEPT_BODY_BYTES_MAX + TLS_BYTES_MAX;
    stage().1.check("both full over TLS, and a body that is kept", true, &kept_body(), bound);
}

/// Nothing, the greater part of the longest first message that there may be, and one that is answered.
#[test]
fn a_handshake_that_never_ends_costs_no_more_than_is_stated() {
    let mut long = Vec::new();
    // A message of 32,000 bytes in two records, of which the last byte does not come.
    let message = [&[1, 0, 0x7d, 0x00, 3, 3][..], &[0; 31_993]].concat();
    for record in message.chunks(16 << 10) {
        long.extend_from_slice(&[22, 3, 1]);
        long.extend_from_slice(&u16::try_from(record.len()).unwrap().to_be_bytes());
        long.extend_from_slice(record);
    }
    check_handshake("a TLS connection without a word", |stage| Client::plain(stage.tls, ""));
    check_handshake("half of a first message of TLS", |stage| Client::plain(stage.tls, &long));
    check_handshake("a handshake that never ends", |stage| Client::greeting(stage.tls, &stage.trust));
}

fn check_handshake(what: &str, connect: impl Fn(&Stage) -> Client) {
    let (_server, stage) = stage();
    stage.play(connect, |clients| {
        stuff(clients, false);
        stage.measure(what, HANDSHAKE_BYTES_MAX);
    });
}
