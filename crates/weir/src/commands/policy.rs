//! `weir policy`: the three programs of policy groups: the proxy, a server that answers with a digest, and a client that checks it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use weir_config::commandline::policy::{Pace, PolicyProxy, pace, policy, token};
use weir_config::model::PolicyLimits;
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
    #[command(
        after_help = "Example:\n  weir policy proxy 10000 --listen 0.0.0.0 --allow 10.0.0.0/8 --token-file token"
    )]
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

    /// From where servers may register [default: here]
    #[arg(long, value_name = "NETWORK")]
    allow: Vec<String>,

    /// For which addresses others may register servers
    #[arg(long, value_name = "NETWORK")]
    elsewhere: Vec<String>,

    /// A file with the token that servers must show
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Characters of a payload
    #[arg(long, value_name = "N", default_value = "1024",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    payload_max: u32,

    /// Connections at the same time
    #[arg(long, value_name = "N", default_value = "8192",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: u32,

    /// Policies that have servers
    #[arg(long, value_name = "N", default_value = "256",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    policies: u32,

    /// Servers of one policy
    #[arg(long, value_name = "N", default_value = "1024",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    servers: u32,

    /// Messages, as 5000/s
    #[arg(long, value_name = "RATE", default_value = "unlimited", value_parser = pace)]
    messages: Pace,

    /// Registrations that are new
    #[arg(long, value_name = "RATE", default_value = "1000/s", value_parser = pace)]
    registrations: Pace,
}

impl ProxyArguments {
    /// What the proxy is asked for.
    fn wanted(&self) -> PolicyProxy<'_> {
        PolicyProxy {
            address: SocketAddr::new(self.listen, self.port),
            allow: &self.allow,
            elsewhere: &self.elsewhere,
            token_file: self.token_file.as_deref(),
            payload_characters_max: self.payload_max as usize,
            limits: PolicyLimits {
                connections: self.connections as usize,
                policies: self.policies as usize,
                servers: self.servers as usize,
                messages: self.messages.0,
                registrations: self.registrations.0,
            },
        }
    }
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
    let model = policy(arguments.wanted()).map_err(Failure::usage)?;
    lifetime::on_control_thread(lifetime::run(&model))
}

async fn be_server(arguments: ServerArguments) -> Result<(), Failure> {
    let ServerArguments { id, policy, port, proxy, keep, pickle, token_file } = arguments;
    let form = if pickle { Form::Pickle } else { Form::Json };
    let token = token_file.map(|path| token(&path)).transpose();
    let token = token.map_err(|complaint| Failure::usage(vec![complaint]))?.map(Arc::new);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        role: Role,
    }

    fn proxy_of(words: &str) -> ProxyArguments {
        let line = Line::try_parse_from(words.split(' ')).unwrap();
        let Role::Proxy(arguments) = line.role else { panic!("{words}") };
        arguments
    }

    /// The words of the help are those of the configuration's reference.
    #[test]
    fn what_is_not_written_is_as_in_a_file() {
        let arguments = proxy_of("policy proxy 10000");
        let usual = PolicyProxy::at("127.0.0.1:10000".parse().unwrap());
        assert_eq!(format!("{:?}", arguments.wanted()), format!("{usual:?}"));
    }

    #[test]
    fn every_limit_has_a_word() {
        let arguments = proxy_of(
            "policy proxy 1 -l ::1 --allow 10.0.0.1 --allow 10.0.0.2 --elsewhere 10.0.0.3 --token-file t --payload-max 2 \
             --connections 3 --policies 4 --servers 5 --messages 6/s --registrations 7/m",
        );
        let wanted = format!("{:?}", arguments.wanted());
        assert_eq!(
            wanted,
            "PolicyProxy { address: [::1]:1, allow: [\"10.0.0.1\", \"10.0.0.2\"], elsewhere: [\"10.0.0.3\"], token_file: \
             Some(\"t\"), payload_characters_max: 2, limits: PolicyLimits { connections: 3, policies: 4, servers: 5, messages: \
             Some(Rate { count: 6, per: 1s }), registrations: Some(Rate { count: 7, per: 60s }) } }"
        );
        for words in ["--payload-max 0", "--servers 1000001", "--messages 5", "--registrations 0/s"] {
            let line = format!("policy proxy 1 {words}");
            assert!(Line::try_parse_from(line.split(' ')).is_err(), "{words}");
        }
    }

    /// The original's server finds its proxy without being told.
    #[test]
    fn a_server_looks_for_its_proxy_where_the_document_starts_one() {
        let line = Line::try_parse_from("policy server 7 111 2105".split(' ')).unwrap();
        let Role::Server(arguments) = line.role else { panic!() };
        assert_eq!((arguments.id, arguments.policy, arguments.port), (7, 111, 2105));
        assert_eq!(arguments.proxy, "127.0.0.1:10000");
        let line = Line::try_parse_from("policy client 1 10000 client_packet_1.json".split(' ')).unwrap();
        let Role::Client(arguments) = line.role else { panic!() };
        assert_eq!(arguments.proxy, "127.0.0.1:10000");
    }
}
