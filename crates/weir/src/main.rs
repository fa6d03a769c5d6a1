//! The program: command line, signals, exit codes, and [`wiring`], where the crates meet.
//!
//! It decides nothing about requests. Each command is one file under [`commands`]; what a command says to a person goes
//! through [`output`], and why it failed through [`failure`].

mod admin_socket;
mod arguments;
mod cert;
mod client_connections;
mod commands;
mod debug;
mod demo;
mod explain;
mod failure;
mod lifetime;
mod logging;
mod output;
mod policy_listeners;
mod queue;
mod reload_requests;
mod reloading;
mod signals;
mod status;
mod systemd;
mod table;
mod upgrade;
mod upstreams;
mod watching;
mod wiring;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use arguments::CommandLine;
use failure::Failure;

/// A connection that comes and goes allocates and frees a dozen things; this is measurably cheaper there than the allocator of the C
/// library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let line = match commands::race::spell_out(&CommandLine::command(), std::env::args_os()) {
        Ok(words) => CommandLine::parse_from(words),
        Err(complaints) => {
            let failure = Failure::usage(complaints);
            failure.tell();
            return failure.exit_code();
        }
    };
    logging::start(line.log);
    match commands::run(line.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            upgrade::explain(&failure);
            failure.tell();
            failure.exit_code()
        }
    }
}
