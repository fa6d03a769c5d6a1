//! Connections that are opened, used once, and kept: the load generator for memory, and what it says.
//!
//! All of them have sent a request and have got their answer, because a connection that never did either may hold less than it
//! will for the rest of its life. They are there at the same time when memory is looked at, and nothing goes on.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::answer;
use super::callers::{self, ANSWER_BYTES};
use super::child::Running;
use super::load::{Load, Order};
use super::peer;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The command line of the program.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The peer.
    address: SocketAddr,
    /// Connections at once.
    #[arg(long)]
    connections: u32,
}

/// Connections that are open and silent, until this is dropped or ended.
pub(crate) struct Held {
    running: Running,
    load: Load,
}

/// Opens them from one core. When this is back all are there.
///
/// # Errors
/// When the program cannot be started or says something unknown.
pub(crate) fn hold(core: usize, order: &Order) -> Result<Held> {
    let mut program = Command::new(peer::release("xtask"));
    program.arg("idle").arg(order.address.to_string());
    program.args(["--connections", &order.connections.to_string()]);
    let mut running = Running::start_on(core, program.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let text = running.hear()?;
    let load =
        parse(&text).with_context(|| format!("who opens connections said something unknown: `{text}`"))?;
    Ok(Held { running, load })
}

impl Held {
    /// Closes them, and says how it was.
    ///
    /// # Errors
    /// When the program has ended before.
    pub(crate) fn end(mut self) -> Result<Load> {
        self.running.tell("end")?;
        let closed = self.running.output()?;
        let closed: u64 =
            closed.trim().parse().with_context(|| format!("`{closed}` is no number of connections"))?;
        if closed > 0 {
            self.load.troubles.push(format!("{closed} connections were closed by the peer"));
        }
        Ok(self.load)
    }
}

fn parse(text: &str) -> Option<Load> {
    let said: Value = serde_json::from_str(text).ok()?;
    let failure = said["failure"].as_str();
    let troubles = failure.map(|failure| format!("a connection was not to be had: {failure}"));
    Load::said(&said, said["done"].as_u64()?, troubles.into_iter().collect())
}

/// The program itself: opens, says so, waits for a line, and says how many the peer has closed before it closes the others.
///
/// # Errors
/// When nobody tells it anything.
pub(crate) fn serve(options: &Options) -> Result<()> {
    let start = now();
    let (mut kept, mut times, mut failure) = (Vec::new(), Vec::new(), None);
    for _ in 0..options.connections {
        let begun = now();
        match open(options.address) {
            Ok(connection) => kept.push(connection),
            Err(error) => {
                failure = Some(format!("{error:#}"));
                break;
            }
        }
        times.push(now() - begun);
    }
    println!("{}", said(times, failure.as_deref(), now() - start));
    io::stdin().lock().read_line(&mut String::new())?;
    // A peer that does not keep them has less to hold.
    println!("{}", kept.iter().filter(|connection| is_closed(connection)).count());
    Ok(())
}

fn open(address: SocketAddr) -> Result<TcpStream> {
    let mut connection = answer::connect(address)?;
    connection.set_nodelay(true)?;
    connection.write_all(REQUEST)?;
    let (mut answer, mut room) = (Vec::new(), [0; ANSWER_BYTES]);
    while !callers::is_whole(&answer)? {
        let read = connection.read(&mut room)?;
        if read == 0 {
            bail!("the connection ended before an answer");
        }
        answer.extend_from_slice(&room[..read]);
    }
    Ok(connection)
}

fn is_closed(connection: &TcpStream) -> bool {
    let mut room = [0];
    let silent = connection.set_nonblocking(true).and_then(|()| connection.peek(&mut room));
    !matches!(silent, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn said(mut times: Vec<Duration>, failure: Option<&str>, time: Duration) -> Value {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    let microseconds =
        |percent: usize| times.get(last * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    json!({
        "done": times.len(), "failure": failure, "seconds": time.as_secs_f64(),
        "p50_us": microseconds(50), "p99_us": microseconds(99),
    })
}

#[expect(clippy::disallowed_methods, reason = "a load generator is a clock; nothing of the proxy runs here")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::{is_closed, parse, said};

    #[test]
    fn what_was_opened_is_read() {
        let times = (1..=100).map(Duration::from_micros).collect();
        let load = parse(&said(times, None, Duration::from_secs(2)).to_string()).unwrap();
        assert_eq!((load.done, load.per_second, load.p99_us), (100, 50.0, 99.0));
        assert!(load.troubles.is_empty());
        let failed = said(Vec::new(), Some("refused"), Duration::from_secs(1)).to_string();
        assert_eq!(parse(&failed).unwrap().troubles, ["a connection was not to be had: refused"]);
        assert_eq!(parse(""), None, "it has ended");
    }

    #[test]
    fn a_connection_that_speaks_or_ends_is_not_silent() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert!(!is_closed(&client));
        server.write_all(b"x").unwrap();
        drop(server);
        while !is_closed(&client) {}
    }
}
