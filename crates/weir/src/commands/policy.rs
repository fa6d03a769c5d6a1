//! `weir policy`: the three programs of policy groups: the proxy, a server that answers with a digest, and a client that checks it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use weir_config::commandline::policy::policy;
use weir_policy::client::{FILE_BYTES_MAX, Packet, Transmission};
use weir_policy::server::{self, ServeError, ServerOptions};
use weir_policy::wire::Form;

use crate::failure::Failure;
use crate::lifetime;
use crate::output;

/// What `weir policy` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Servers register at the proxy for a policy; each message of a client goes to one
of the servers of its policy, in turn. Messages are JSON or Python pickles.

Example:
  weir policy proxy 10000")]
pub(crate) struct Arguments {
    /// What to be
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Bring messages of clients to servers that register
    #[command(after_help = "Example:\n  weir policy proxy 10000")]
    Proxy(ProxyArguments),
    /// Register for a policy and answer with the SHA-1 of the payload
    #[command(after_help = "Example:\n  weir policy server 7 111 2105")]
    Server(ServerArguments),
    /// Send the message of a file and verify the answer
    #[command(after_help = "\
Exit codes: 0 only if the server has what was sent.

Example:
  weir policy client 1 10000 examples/policy/client_packet_1.json")]
    Client(ClientArguments),
}

#[derive(Debug, Args)]
struct ProxyArguments {
    /// The port to listen on; 0 takes a free one
    #[arg(value_name = "PORT", value_parser = port)]
    port: u16,

    /// Where to listen
    #[arg(short, long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,

    /// From where servers may register; only this machine without it
    #[arg(long, value_name = "NETWORK")]
    allow: Vec<String>,
}

#[derive(Debug, Args)]
struct ServerArguments {
    /// The number of this server
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    id: i64,

    /// What it is a server for
    #[arg(value_name = "POLICY", allow_negative_numbers = true)]
    policy: i64,

    /// The port to listen on; 0 takes a free one
    #[arg(value_name = "PORT", value_parser = port)]
    port: u16,

    /// Where the proxy is
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:10000")]
    proxy: String,

    /// Let the proxy keep connections for more messages
    #[arg(long)]
    keep: bool,

    /// Speak pickles with the proxy
    #[arg(long)]
    pickle: bool,

    /// A file with the token that the proxy wants
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ClientArguments {
    /// The number of this client
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    id: i64,

    /// Where the proxy is: a port of this machine, or HOST:PORT
    #[arg(value_name = "PROXY_PORT", value_parser = proxy)]
    proxy: String,

    /// The message, of type 0
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Is what the command line says.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.role {
        Role::Proxy(arguments) => be_proxy(&arguments),
        Role::Server(arguments) => lifetime::on_control_thread(be_server(arguments)),
        Role::Client(arguments) => be_client(&arguments),
    }
}

fn be_proxy(arguments: &ProxyArguments) -> Result<(), Failure> {
    let address = SocketAddr::new(arguments.listen, arguments.port);
    let model = policy(address, &arguments.allow).map_err(Failure::usage)?;
    lifetime::on_control_thread(lifetime::run(&model))
}

async fn be_server(arguments: ServerArguments) -> Result<(), Failure> {
    let ServerArguments { id, policy, port, proxy, keep, pickle, token_file } = arguments;
    let form = if pickle { Form::Pickle } else { Form::Json };
    let token = token_file.map(|path| {
        let read = std::fs::read_to_string(&path);
        let failed =
            |error| Failure::Running(format!("the file `{}` can't be read: {error}", path.display()));
        read.map(|token| token.trim_end_matches(['\r', '\n']).to_owned()).map_err(failed)
    });
    let token = token.transpose()?;
    let mut signals = lifetime::listen()?;
    let options = ServerOptions { id, policy, port, proxy, keep, form, token };
    let registered = |address| {
        output::message(format_args!(
            "listening on {address}, registered as server {id} for policy {policy}\n"
        ));
    };
    tokio::select! {
        served = server::serve(options, registered) => served.map_err(|error| cannot_serve(&error)),
        () = signals.end() => Ok(()),
    }
}

fn cannot_serve(error: &ServeError) -> Failure {
    let hint = match error {
        ServeError::Proxy(..) => {
            "start one with `weir policy proxy 10000`, or say where it is with `--proxy HOST:PORT`"
        }
        ServeError::Port(..) => "choose another port; 0 takes a free one",
        ServeError::Refused(_) => return Failure::Running(error.to_string()),
    };
    Failure::Running(format!("{error}\n\nhint: {hint}"))
}

fn be_client(arguments: &ClientArguments) -> Result<(), Failure> {
    let file = arguments.file.display();
    let content = read(&arguments.file)
        .map_err(|error| Failure::Running(format!("the file `{file}` can't be read: {error}")))?;
    let packet = Packet::of_file(&content, arguments.id).map_err(|error| {
        Failure::Running(format!(
            "the file `{file}` holds nothing to send: {error}\n\nhint: see `examples/policy/client_packet_1.json`"
        ))
    })?;
    loop {
        let sent = lifetime::on_control_thread_with(packet.send(&arguments.proxy))?;
        let sent = sent.map_err(|error| {
            let proxy = &arguments.proxy;
            Failure::Running(format!(
                "there is no answer of the proxy at `{proxy}`: {error}\n\nhint: start one with `weir policy proxy 10000`"
            ))
        })?;
        match sent {
            Transmission::Verified => {
                output::data("Transmission successfully received by server\n")?;
                return Ok(());
            }
            Transmission::Refused(reason) => return Err(Failure::Running(reason)),
            Transmission::Different if try_again() => {}
            Transmission::Different => {
                return Err(Failure::Running("the server has received something else".to_owned()));
            }
        }
    }
}

/// At most as much as a message may have.
fn read(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64).read_to_end(&mut content)?;
    Ok(content)
}

/// Asks whoever sits there, if anybody does.
fn try_again() -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    output::message("the server has received something else; try again? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is no port\n\nhint: write a number from 1 to 65535, or 0 for a free port")
    })
}

/// A port of this machine, or a whole address.
fn proxy(text: &str) -> Result<String, String> {
    match (text.parse::<u16>(), text.rsplit_once(':')) {
        (Ok(port), _) => Ok(format!("127.0.0.1:{port}")),
        (Err(_), Some((host, port))) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "`{text}` is no place of a proxy\n\nhint: write its port, as `10000`, or `HOST:PORT`"
        )),
    }
}
