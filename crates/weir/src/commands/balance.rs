//! `weir balance`: a proxy over some servers, without a file.

use clap::Args;
use weir_config::address;
use weir_config::model::ListenAddress;
use weir_core::balance::Strategy;

use crate::failure::Failure;
use crate::lifetime;

/// What `weir balance` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Answers carry X-Backend-Server. `weir run` does more, by a configuration.

Example:
  weir balance 127.0.0.1:9001 127.0.0.1:9002")]
pub(crate) struct Arguments {
    /// `host:port`, `http[s]://host[:port][/base]` or `unix:PATH`
    #[arg(value_name = "SERVER", required = true)]
    servers: Vec<String>,

    /// Where clients are accepted; port 0 takes a free one
    #[arg(short, long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address::listen)]
    listen: ListenAddress,

    /// round_robin, random, least_requests, p2c, peak_ewma, hash (by address) or load
    #[arg(short, long, default_value = "round_robin", value_parser = weir_config::strategy)]
    strategy: Strategy,
}

/// Runs until a signal.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { servers, listen, strategy } = arguments;
    let model = weir_config::balance(listen, strategy, &servers).map_err(Failure::usage)?;
    lifetime::on_control_thread(lifetime::run(&model))
}
