//! Requests on kept-alive connections: the load generator `wrk`, and what it says.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustls::server::Acceptor;
use rustls::{CipherSuite, NamedGroup};

use super::child::Running;
use super::load::{Load, Method, Order};
use super::offer::{Group, SUITE};

/// What it reads from files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// A configuration of its library, OpenSSL, when it speaks TLS.
    pub(crate) tls: Option<PathBuf>,
    /// A script, when it sends something else than the same GET all the time.
    pub(crate) script: Option<PathBuf>,
}

/// Runs `wrk` on one core against one address.
///
/// # Errors
/// When it cannot be started or says something unknown.
pub(crate) fn run(core: usize, order: &Order, method: Method, files: &Files) -> Result<Load> {
    let mut command = command(order, files.tls.as_deref());
    if let (Method::Post(_) | Method::GetOfHosts, Some(script)) = (method, &files.script) {
        command.arg("--script").arg(script);
    }
    let text = Running::start_on(core, command.stdout(Stdio::piped()))?.output()?;
    parse(&text).with_context(|| format!("`wrk` said something unknown:\n{text}"))
}

fn command(order: &Order, tls: Option<&Path>) -> Command {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--latency", "--timeout", "10s"]);
    wrk.args(["--connections", &order.connections.to_string(), "--duration", &format!("{}s", order.seconds)]);
    match tls {
        // It has no options for what it offers in a handshake; its library reads them from a file.
        Some(file) => wrk.env("OPENSSL_CONF", file).arg(format!("https://{}/", order.address)),
        None => wrk.arg(format!("http://{}/", order.address)),
    };
    wrk
}

/// Makes sure that `wrk` offers nothing but what the measurement is about. It does not say what it agreed on, so it is
/// asked from the other side: it connects to us, and its first message is read.
///
/// # Errors
/// When it offers anything else; the message says what.
pub(crate) fn check_offer(core: usize, tls: &Path) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address: SocketAddr = listener.local_addr()?;
    let order = Order { address, connections: 1, seconds: 1 };
    let wrk = Running::start_on(core, command(&order, Some(tls)).stdout(Stdio::null()))?;
    // `wrk` connects once before it starts, to see whether anybody is there, and says nothing on that connection.
    let offer = loop {
        if let Some(offer) = read_offer(listener.accept()?.0)? {
            break offer;
        }
    };
    drop(wrk);
    let expected = (vec![SUITE], vec![Group::X25519.named()]);
    if offer != expected {
        bail!(
            "`wrk` offers {offer:?} and not only {expected:?}\n\nhint: is it built with OpenSSL, which reads `{}`?",
            tls.display()
        );
    }
    Ok(())
}

/// The suites and groups in a client's first message; `None` when there is none.
fn read_offer(mut client: impl Read) -> Result<Option<(Vec<CipherSuite>, Vec<NamedGroup>)>> {
    let mut acceptor = Acceptor::default();
    while acceptor.read_tls(&mut client)? > 0 {
        if let Some(accepted) = acceptor.accept().map_err(|(error, _alert)| error)? {
            let hello = accepted.client_hello();
            let groups = hello.named_groups().unwrap_or_default().to_vec();
            // It has no meaning of its own: the client says that it knows a later rule (RFC 5746 §3.3).
            let suites = hello.cipher_suites().iter().copied();
            let suites = suites.filter(|suite| *suite != CipherSuite::TLS_EMPTY_RENEGOTIATION_INFO_SCSV);
            return Ok(Some((suites.collect(), groups)));
        }
    }
    Ok(None)
}

fn parse(text: &str) -> Option<Load> {
    let mut done = None;
    let mut per_second = None;
    let mut median_us = None;
    let mut p99_us = None;
    let mut troubles = Vec::new();
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [count, "requests", "in", ..] => done = count.parse().ok(),
            ["Requests/sec:", rate] => per_second = rate.parse().ok(),
            ["50%", time] => median_us = microseconds(time),
            ["99%", time] => p99_us = microseconds(time),
            ["Socket", "errors:", ..] | ["Non-2xx", ..] => troubles.push(line.to_owned()),
            _ => {}
        }
    }
    if done == Some(0) {
        troubles.push("no request was answered".to_owned());
    }
    Some(Load {
        done: done?,
        per_second: per_second?,
        median_us: median_us?,
        p99_us: p99_us?,
        in_commit: None,
        troubles,
    })
}

/// `1.25ms`, `310.00us`, `2.00s`, `1.50m`.
fn microseconds(time: &str) -> Option<f64> {
    let unit = time.find(|c: char| c.is_ascii_alphabetic())?;
    let value: f64 = time[..unit].parse().ok()?;
    match &time[unit..] {
        "us" => Some(value),
        "ms" => Some(value * 1e3),
        "s" => Some(value * 1e6),
        "m" => Some(value * 6e7),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Load, parse};

    const GOOD: &str = "Running 4s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.03ms  310.00us  12.01ms   91.11%
    Req/Sec    62.10k     2.31k   66.00k    75.00%
  Latency Distribution
     50%  998.00us
     75%    1.10ms
     90%    1.31ms
     99%    2.25ms
  247210 requests in 4.00s, 63.42MB read
";

    #[test]
    fn a_good_run_is_read() {
        let expected = Load {
            done: 247_210,
            per_second: 61_779.4,
            median_us: 998.0,
            p99_us: 2250.0,
            in_commit: None,
            troubles: Vec::new(),
        };
        assert_eq!(parse(&format!("{GOOD}Requests/sec:  61779.40\nTransfer/sec: 15.85MB\n")), Some(expected));
    }

    #[test]
    fn errors_make_a_run_worthless() {
        let bad = format!(
            "{GOOD}  Socket errors: connect 0, read 3, write 0, timeout 0\n  Non-2xx or 3xx responses: 12\nRequests/sec: 1.0\n"
        );
        assert_eq!(parse(&bad).map(|load| load.troubles.len()), Some(2));
        let none = "50% 0.00us\n99% 0.00us\n0 requests in 4.00s, 0.00B read\nRequests/sec: 0.00\n";
        assert_eq!(parse(none).map(|load| load.troubles.len()), Some(1));
    }

    #[test]
    fn what_is_unknown_is_not_guessed() {
        assert_eq!(parse(""), None);
        assert_eq!(parse(GOOD), None, "the rate is missing");
    }
}
