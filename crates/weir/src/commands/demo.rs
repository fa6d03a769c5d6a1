//! `weir demo`: the whole thing in one process, so that somebody sees it work within a minute.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use tokio::task::JoinSet;
use weir_config::address;
use weir_config::model::{AccessLog, Admin, ListenAddress, Model};
use weir_core::balance::Strategy;
use weir_proxy::runtime::sockets::BoundAddress;
use weir_tools::mock::{Mock, MockOptions};

use crate::demo::burst;
use crate::demo::tally::Tally;
use crate::failure::Failure;
use crate::lifetime;
use crate::output::{self, Paint};
use crate::systemd::Notifier;
use crate::wiring::{CannotStart, Weir};

/// Where the demo listens unless it is told or the port is taken.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Mock servers.
const SERVERS: usize = 3;

/// What `weir demo` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  weir demo --once")]
pub(crate) struct Arguments {
    /// End after the burst; fails unless every request was answered and the
    /// split is even
    #[arg(long)]
    once: bool,

    /// Requests of the burst
    #[arg(short = 'n', long, value_name = "N", default_value = "300",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests: u32,

    /// Where the proxy listens; 127.0.0.1:8080 unless that is taken
    #[arg(short, long, value_name = "ADDRESS", value_parser = address::socket)]
    listen: Option<SocketAddr>,
}

/// Shows the burst, then serves until a signal.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    lifetime::on_control_thread(show(arguments))
}

async fn show(arguments: Arguments) -> Result<(), Failure> {
    let mut signals = lifetime::listen()?;
    // Dropped with the function: the servers end when the proxy has.
    let mut mocks = JoinSet::new();
    let servers = serve_mocks(&mut mocks).await?;
    let model = model(&arguments, &servers)?;
    let mut weir = start(model, arguments.listen.is_none()).await?;
    let Some(address) = reachable(&weir) else {
        return Err(Failure::Running("the demo listens nowhere".to_owned()));
    };
    introduce(address, &servers);
    let requests = usize::try_from(arguments.requests).unwrap_or(usize::MAX);
    output::message(format_args!(
        "{requests} requests over {} connections:\n\n",
        burst::connections(requests)
    ));
    let outcome = tokio::select! {
        outcome = burst::send(address, requests) => outcome,
        () = signals.end() => return lifetime::end(weir, &mut signals, &Notifier::default()).await,
    };
    let tally = Tally::new(&servers, outcome);
    output::data(tally.render(output::data_has_color()))?;
    if arguments.once {
        weir.proxy.stop().await;
        return tally.complaint().map_or(Ok(()), |complaint| Err(Failure::Running(complaint)));
    }
    if let Some(complaint) = tally.complaint() {
        tracing::warn!("{complaint}");
    }
    suggest(address, &weir);
    tokio::select! {
        () = signals.end() => lifetime::end(weir, &mut signals, &Notifier::default()).await,
        _ = weir.proxy.worker_ended() => Err(lifetime::worker_died(weir).await),
        never = burst::trickle(address) => match never {},
    }
}

/// Starts the servers; their addresses.
async fn serve_mocks(mocks: &mut JoinSet<()>) -> Result<Vec<String>, Failure> {
    let mut servers = Vec::with_capacity(SERVERS);
    for _ in 0..SERVERS {
        let mock = Mock::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), MockOptions::default())
            .await
            .map_err(|error| Failure::Running(error.to_string()))?;
        servers.push(mock.address().to_string());
        mocks.spawn(mock.serve(std::future::pending()));
    }
    Ok(servers)
}

fn model(arguments: &Arguments, servers: &[String]) -> Result<Model, Failure> {
    let listen = ListenAddress::Tcp(arguments.listen.unwrap_or(DEFAULT_ADDRESS));
    let mut model = weir_config::balance(listen, Strategy::RoundRobin, servers)
        .map_err(|complaints| Failure::Usage(complaints.iter().map(ToString::to_string).collect()))?;
    // The table says it shorter.
    model.access_log = AccessLog::Off;
    if arguments.once {
        model.admin = Admin::Off;
    }
    Ok(model)
}

/// Starts the proxy, on another port when the default one is taken.
async fn start(mut model: Model, may_move: bool) -> Result<Weir, CannotStart> {
    match Weir::start(&model).await {
        Err(error) if may_move && error.address_is_taken() => {
            output::message(format_args!("`{DEFAULT_ADDRESS}` is in use, so another port is taken.\n\n"));
            for listen in &mut model.listen {
                listen.address = ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            }
            Weir::start(&model).await
        }
        started => started,
    }
}

/// An address at which this machine reaches the proxy.
fn reachable(weir: &Weir) -> Option<SocketAddr> {
    weir.proxy.addresses().find_map(|address| match address {
        BoundAddress::Tcp(address) if address.ip().is_unspecified() => {
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())))
        }
        BoundAddress::Tcp(address) => Some(*address),
        BoundAddress::Unix(_) => None,
    })
}

fn introduce(address: SocketAddr, servers: &[String]) {
    let color = output::messages_have_color();
    let shown = Paint::Strong.on(color, format_args!("http://{address}"));
    output::message(format_args!(
        "Weir listens on {shown} and balances over three servers:\n{}.\n\n",
        servers.join(", ")
    ));
}

fn suggest(address: SocketAddr, weir: &Weir) {
    let color = output::messages_have_color();
    let admin = weir.admin.as_ref().map(|admin| &admin.address);
    let mut text = match admin {
        Some(admin) => {
            let shown = Paint::Strong.on(color, format_args!("http://{admin}/"));
            format!("\nDashboard: {shown}  (a few requests go on, so that there is something to see)\n")
        }
        None => String::new(),
    };
    text += "\nTry it in another terminal:\n";
    let mut line = |command: String, effect: &str| {
        let command = Paint::Hint.on(color, format_args!("{command:<43}"));
        text += format!("  {command}  {effect}").trim_end();
        text.push('\n');
    };
    line(format!("curl -i http://{address}/"), "see X-Backend-Server change");
    line(format!("curl http://{address}/echo"), "what a server gets");
    line(format!("curl http://{address}/stream/5"), "an answer in pieces");
    if let Some(admin) = admin {
        line(format!("curl http://{admin}/api/v1/status"), "what happens inside");
        line(format!("curl http://{admin}/metrics"), "the same for Prometheus");
    }
    output::message(format_args!("{text}\nStop it with Ctrl-C.\n"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    async fn check(may_move: bool) -> Result<(), CannotStart> {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let arguments = Arguments { once: true, requests: 1, listen: Some(address) };
        let model = model(&arguments, &["127.0.0.1:1".to_owned()]).unwrap();
        let weir = start(model, may_move).await?;
        assert_ne!(reachable(&weir).unwrap().port(), address.port());
        weir.proxy.stop().await;
        Ok(())
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_left_alone_unless_it_was_asked_for() {
        check(true).await.unwrap();
        assert!(check(false).await.unwrap_err().address_is_taken());
    }
}
