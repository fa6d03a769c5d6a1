//! What a connection costs at the most, whatever its client and its servers do, and what may wait: the bounds that
//! `docs/hardening.md` states.

#![allow(clippy::print_stdout, reason = "the figures are the result")]

mod client;
mod connections;
mod modes;
mod queues;
mod server;
mod stage;

/// Connections that do their worst at a time.
const CONNECTIONS: usize = 150;

/// How often they do their worst. What one time leaves behind for each connection would be over the bound in the last.
const ROUNDS: usize = 4;

/// What one may cost in the middle of a message: a buffer of 256 KiB for each direction, what is gathered to be written, and
/// the exchange. With 768 KiB this failed once in some twenty times: what those of one round have freed stays with their worker
/// for a while, and the next ones may come to the other one.
const BUSY_BYTES_MAX: usize = 1 << 20;
/// What one may cost beside that whose body is kept for a repeat: the default of `replay.memory`, and as much again while what has
/// been copied is not given back yet.
const KEPT_BODY_BYTES_MAX: usize = 512 << 10;
