//! What systemd is to a process that it has started: it is told how things stand, looks whether they go on, and may have opened the sockets.
//!
//! All of it is asked for by variables of the environment; without them nothing of this costs anything. It is written here and not taken
//! from a library: what is to be sent is one datagram of a few lines, and the crates for this (`sd-notify`, `listenfd`) wait without an end
//! for a manager that does not read, and give descriptors as numbers, which only unsafe code could own.

mod activation;
mod message;
mod notifier;
mod status;
mod watchdog;

use std::process::Command;

pub(crate) use activation::{legacy, receive};
pub(crate) use notifier::Notifier;
pub(crate) use status::{not_replaced, reloaded, serving};
pub(crate) use watchdog::Watchdog;

/// What was said to this process alone, and is not so of one that it starts to follow it.
pub(crate) fn leave_out(command: &mut Command) {
    activation::leave_out(command);
    watchdog::leave_out(command);
}
