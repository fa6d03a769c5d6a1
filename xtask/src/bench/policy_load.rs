//! The other side of `bench policy`: servers that register, and clients that send packets and time the answers.
//!
//! One program for both, because both share a core. Threads that block, one for each client: what is measured is the proxy.

#![expect(
    clippy::disallowed_methods,
    reason = "a load generator looks at the clock, and waits until a packet is due"
)]

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

/// Threads that answer for each server.
const THREADS: usize = 3;

/// Policies of the servers, the first of them and how many.
const POLICIES: (usize, usize) = (111, 3);

/// The command line of the program.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The proxy.
    proxy: SocketAddr,
    /// Servers that register.
    #[arg(long)]
    servers: usize,
    /// Clients at once; 0 only lets the servers be checked.
    #[arg(long)]
    clients: usize,
    /// How long.
    #[arg(long)]
    seconds: u64,
    /// One connection for all packets of a client, and not one for each.
    #[arg(long)]
    kept: bool,
    /// The servers take more than one packet on a connection.
    #[arg(long)]
    servers_keep: bool,
    /// Packets in a second, of all clients together; without it, each sends the next one when it has an answer.
    #[arg(long)]
    per_second: Option<u32>,
}

/// What one client saw: times in microseconds, and what went wrong.
#[derive(Default)]
struct Seen {
    times: Vec<u32>,
    troubles: Vec<String>,
}

/// The program itself: it says `ready`, waits for a line, and says what it saw.
///
/// # Errors
/// When a server can't listen or register.
pub(crate) fn serve(options: &Options) -> Result<()> {
    for number in 0..options.servers {
        start_server(options, number)?;
    }
    println!("ready");
    io::stdin().lock().read_line(&mut String::new())?;
    let begun = Instant::now();
    let clients: Vec<_> = (0..options.clients)
        .map(|number| {
            let options = options.clone();
            thread::spawn(move || client(&options, number, begun))
        })
        .collect();
    if clients.is_empty() {
        thread::sleep(Duration::from_secs(options.seconds));
    }
    let mut all = Seen::default();
    for client in clients {
        let Ok(seen) = client.join() else { bail!("a client died") };
        all.times.extend(seen.times);
        all.troubles.extend(seen.troubles);
    }
    let seconds = begun.elapsed().as_secs_f64();
    all.times.sort_unstable();
    all.troubles.dedup();
    let at = |permille: usize| all.times.get(all.times.len() * permille / 1000).copied().unwrap_or(0);
    all.troubles.truncate(3);
    println!(
        "{}",
        json!({
            "done": all.times.len(), "seconds": seconds, "p50_us": at(500), "p99_us": at(990), "troubles": all.troubles,
        })
    );
    Ok(())
}

/// A server for one of the policies, which answers until the program ends.
fn start_server(options: &Options, number: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let policy = POLICIES.0 + number % POLICIES.1;
    let port = listener.local_addr()?.port();
    let registration = format!(
        r#"{{"type": 1, "id": {number}, "privPolyId": {policy}, "listenport": {port}, "confirm": true, "keep": {}}}"#,
        options.servers_keep
    );
    let mut connection = TcpStream::connect(options.proxy)?;
    let said = exchange(&mut connection, registration.as_bytes())?;
    if !said.contains("\"type\": 1") {
        bail!("a server can't register: {said}");
    }
    let answer = format!(
        r#"{{"type": 2, "srcid": {number}, "destid": 1, "payloadsize": 40, "payload": "b5b8ee9bdc3f5d7d8f5b0a4a8eb3fd3c0cb6a7a1"}}"#
    );
    // Each of its threads serves one connection at a time: there must be one for each that is kept.
    for _ in 0..if options.servers_keep { THREADS.max(options.clients) } else { THREADS } {
        let (listener, answer) = (listener.try_clone()?, answer.clone());
        thread::Builder::new().stack_size(64 * 1024).spawn(move || answer_all(&listener, &answer))?;
    }
    Ok(())
}

fn answer_all(listener: &TcpListener, answer: &str) {
    let mut bytes = [0; 4096];
    while let Ok((mut connection, _)) = listener.accept() {
        // A check says nothing; whoever asks ends the connection.
        while matches!(connection.read(&mut bytes), Ok(1..)) {
            if connection.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    }
}

fn client(options: &Options, number: usize, begun: Instant) -> Seen {
    let end = begun + Duration::from_secs(options.seconds);
    let interval =
        options.per_second.map(|all| Duration::from_secs_f64(options.clients as f64 / f64::from(all)));
    // Not all at the same moment.
    let mut due = begun + interval.unwrap_or_default().mul_f64(number as f64 / options.clients as f64);
    let mut seen = Seen::default();
    let mut kept = None;
    let mut count = number;
    loop {
        if interval.is_some() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
        } else {
            due = Instant::now();
        }
        if due >= end {
            return seen;
        }
        count += 1;
        match packet(options, &mut kept, POLICIES.0 + count % POLICIES.1) {
            Ok(()) => seen.times.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX)),
            Err(error) => {
                kept = None;
                seen.troubles.push(format!("{error:#}"));
            }
        }
        due += interval.unwrap_or_default();
    }
}

/// One packet and its answer.
fn packet(options: &Options, kept: &mut Option<TcpStream>, policy: usize) -> Result<()> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => {
            let connection = TcpStream::connect(options.proxy).context("the proxy can't be connected to")?;
            connection.set_nodelay(true)?;
            connection
        }
    };
    let text =
        format!(r#"{{"type": 0, "srcid": 1, "privPoliId": {policy}, "payloadsize": 4, "payload": "xyz1"}}"#);
    let said = exchange(&mut connection, text.as_bytes())?;
    if !said.contains("\"type\": 2") {
        bail!("the answer is {said}");
    }
    *kept = options.kept.then_some(connection);
    Ok(())
}

/// Sends bytes and reads an object without others in it.
fn exchange(connection: &mut TcpStream, text: &[u8]) -> Result<String> {
    connection.write_all(text)?;
    let mut bytes = [0; 4096];
    let mut length = 0;
    while bytes[..length].last() != Some(&b'}') {
        let count = connection.read(&mut bytes[length..])?;
        if count == 0 {
            bail!("the connection ended before the answer");
        }
        length += count;
    }
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}
