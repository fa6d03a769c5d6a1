//! Tasks of the project: what continuous integration runs, and the yardsticks.
//!
//! They are a program and not shell scripts, because they then run wherever the compiler does, share one way of printing,
//! and can be tested like everything else. Nothing here is part of the proxy.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people: it prints")]

mod bench;
mod check;
mod dependencies;
mod fuzz;
mod package;
mod packages;
mod relay;
mod step;
mod test;
mod tidy;
mod workspace;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format, lints, tidy, documentation, licences: what continuous integration runs before the tests.
    Check(check::Options),
    /// The rules of the house that no compiler knows: floors, sizes, module docs, circles, leftovers.
    Tidy,
    /// All tests of the workspace.
    Test(test::Options),
    /// Weir beside nginx, HAProxy and a bare relay of bytes, and its modes beside `balance`.
    Bench(bench::Arguments),
    /// The fuzz targets, on the stable compiler.
    Fuzz(fuzz::Options),
    /// The Debian package, looked into when it is finished.
    Package(package::Options),
    /// The bare relay of bytes that `bench` measures: the limit of the design.
    #[command(hide = true)]
    Relay {
        /// Address to listen on.
        listen: SocketAddr,
        /// Where every byte goes.
        upstream: SocketAddr,
    },
    /// The load generator of `bench hedge` and `bench mirror`.
    #[command(hide = true)]
    Callers(bench::callers::Options),
    /// The servers of `bench hedge`.
    #[command(hide = true)]
    Laggards(bench::laggard::Options),
    /// The load generator of `bench idle`.
    #[command(hide = true)]
    Idle(bench::idle::Options),
    /// The server of `bench upload`.
    #[command(hide = true)]
    Sink(bench::sink::Options),
    /// The mirror of `bench mirror`, which never reads.
    #[command(hide = true)]
    Deaf {
        /// Address to listen on.
        listen: SocketAddr,
    },
    /// The servers and clients of `bench policy`.
    #[command(hide = true)]
    PolicyLoad(bench::policy_load::Options),
    /// What `bench policy` holds the proxy against: messages brought to servers unread.
    #[command(hide = true)]
    PolicyRelay,
    /// The load generator of `bench tls-handshakes`.
    #[command(hide = true)]
    Handshakes(bench::handshakes::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Check(options) => check::run(&options),
        Task::Tidy => tidy::run(),
        Task::Test(options) => test::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Package(options) => package::run(&options),
        Task::Relay { listen, upstream } => relay::run(listen, upstream).map(|()| true),
        Task::Callers(options) => bench::callers::serve(&options).map(|()| true),
        Task::Laggards(options) => bench::laggard::serve(&options).map(|()| true),
        Task::Idle(options) => bench::idle::serve(&options).map(|()| true),
        Task::Sink(options) => bench::sink::serve(&options).map(|()| true),
        Task::Deaf { listen } => bench::deaf::serve(listen).map(|()| true),
        Task::PolicyRelay => bench::policy_relay::run().map(|()| true),
        Task::PolicyLoad(options) => bench::policy_load::serve(&options).map(|()| true),
        Task::Handshakes(options) => bench::handshakes::serve(&options).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
