//! `weir mock`: servers that answer anything and say who they are.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_tools::mock::{AnswerStatus, Delay, Mock, MockOptions, Share};
use weir_tools::registration::{Heard, Registry};

use crate::failure::Failure;
use crate::lifetime;
use crate::output;

/// What `weir mock` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Paths: /echo the request as JSON, /status/N, /delay/250ms, /bytes/N, /stream/N;
--control: curl -X PUT localhost:9001/_mock -d '{\"errors\": \"9%\", \"delay\": \"2s\"}'

Example:
  weir mock 9001 9002 9003 --delay 0..50ms")]
pub(crate) struct Arguments {
    /// Ports to listen on; 0 takes a free one
    #[arg(value_name = "PORT", required = true, value_parser = port)]
    ports: Vec<u16>,

    /// Where to listen
    #[arg(short, long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,

    /// Answer every path with the request as JSON
    #[arg(long)]
    debug: bool,

    /// Answer this share of requests with 500, such as `50%`
    #[arg(long, value_name = "SHARE", default_value = "0%", hide_default_value = true)]
    errors: Share,

    /// Answer after this time, such as `20ms` or `0..1000ms`
    #[arg(long, value_name = "TIME", default_value = "0", hide_default_value = true)]
    delay: Delay,

    /// Answer with this status instead of 200
    #[arg(long, value_name = "N", default_value = "200", hide_default_value = true)]
    status: AnswerStatus,

    /// Let `PUT /_mock` change how a port behaves while it runs
    #[arg(long)]
    control: bool,

    /// Register at a running Weir: `http://ADMIN/UPSTREAM`
    #[arg(long, value_name = "URL")]
    register: Option<Registry>,
}

/// Serves until a signal.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    lifetime::on_control_thread(serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { ports, listen, debug, errors, delay, status, control, register } = arguments;
    every_port_once(&ports)?;
    let mut signals = lifetime::listen()?;
    let options = MockOptions { debug, errors, delay, status, control, seed: None };
    let mut mocks = Vec::new();
    for port in ports {
        let mock = Mock::bind(SocketAddr::new(listen, port), options).await;
        let hint = "hint: choose another port; 0 takes a free one";
        mocks.push(mock.map_err(|error| Failure::Running(format!("{error}\n\n{hint}")))?);
    }
    for mock in &mocks {
        output::message(format_args!("listening on http://{}\n", mock.address()));
    }
    let (stop, stopped) = watch::channel(());
    let mut serving = JoinSet::new();
    let mut registering = JoinSet::new();
    let addresses: Vec<_> = mocks.iter().map(Mock::address).collect();
    if let Some(registry) = &register {
        for address in &addresses {
            registering.spawn(registered(registry.clone(), *address));
        }
    }
    for mock in mocks {
        let mut stopped = stopped.clone();
        serving.spawn(mock.serve(async move {
            // The sender's end is the word.
            let _ = stopped.changed().await;
        }));
    }
    signals.end().await;
    // First nobody sends anything new, and then nobody listens.
    registering.shutdown().await;
    if let Some(registry) = &register {
        for address in addresses {
            if let Err(error) = registry.leave(address).await {
                output::message(format_args!("{address} could not say that it goes: {error}\n"));
            }
        }
    }
    drop(stop);
    while serving.join_next().await.is_some() {}
    Ok(())
}

/// Says that a port is there for as long as it is.
async fn registered(registry: Registry, address: SocketAddr) {
    let tell = |heard| match heard {
        Heard::Joined => output::message(format_args!("{address} is registered\n")),
        Heard::Failed(error) => {
            output::message(format_args!("{address} can't register, and tries again: {error}\n"));
        }
    };
    registry.keep(address, tell).await;
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is no port\n\nhint: write a number from 1 to 65535, or 0 for a free port")
    })
}

/// A port asked for twice would be refused by the system, as if another program had it.
fn every_port_once(ports: &[u16]) -> Result<(), Failure> {
    let twice = |index: &usize| ports[*index] != 0 && ports[..*index].contains(&ports[*index]);
    let repeated =
        (0..ports.len()).filter(twice).map(|index| format!("the port `{}` stands twice", ports[index]));
    let repeated: Vec<_> = repeated.collect();
    if repeated.is_empty() { Ok(()) } else { Err(Failure::Usage(repeated)) }
}
