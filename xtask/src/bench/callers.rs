//! Callers with a watch: requests on kept-alive connections, each of them timed.
//!
//! `wrk` adds times that it did not see to those that it saw: for an answer that took ten times as long as the others on average,
//! nine more, each a little shorter, as if requests had come in the meantime. So a few slow answers stand for many, and the time
//! within which 99 of 100 were answered cannot be read from it where slow answers are what is measured. Here it is what callers
//! saw, and nothing else.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::child::Running;
use super::load::{Load, Order};
use super::peer;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Longer than any answer of a scenario with callers.
const ANSWER_BYTES: usize = 8192;

/// The command line of the program.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The peer.
    address: SocketAddr,
    /// Connections at once.
    #[arg(long)]
    connections: u32,
    /// How long.
    #[arg(long)]
    seconds: u32,
}

/// Runs the program on one core against one address.
///
/// # Errors
/// When it cannot be started or says something unknown.
pub(crate) fn run(core: usize, order: &Order) -> Result<Load> {
    let mut program = Command::new(peer::release("xtask"));
    program.arg("callers").arg(order.address.to_string());
    program.args(["--connections", &order.connections.to_string(), "--seconds", &order.seconds.to_string()]);
    let text = Running::start_on(core, program.stdout(Stdio::piped()))?.output()?;
    parse(&text).with_context(|| format!("the callers said something unknown:\n{text}"))
}

fn parse(text: &str) -> Option<Load> {
    let said: Value = serde_json::from_str(text).ok()?;
    let done = said["done"].as_u64()?;
    let mut troubles = Vec::new();
    if let Some(failure) = said["failure"].as_str() {
        troubles.push(format!("{} callers gave up, the first: {failure}", said["failed"].as_u64()?));
    }
    if done == 0 {
        troubles.push("no request was answered".to_owned());
    }
    Load::said(&said, done, troubles)
}

/// The program itself: calls until the time is over, and says what it saw.
///
/// # Errors
/// When there can be no callers at all.
pub(crate) fn serve(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (start, address) = (now(), options.address);
    let time = Duration::from_secs(options.seconds.into());
    let mut seen = Seen::default();
    LocalSet::new().block_on(&runtime, async {
        let callers: Vec<_> = (0..options.connections)
            .map(|_| {
                tokio::task::spawn_local(async move {
                    let mut times = Vec::new();
                    // At the end everybody hangs up, in the middle of whatever they wait for.
                    let failed = tokio::time::timeout(time, call(address, &mut times)).await.ok();
                    (times, failed.and_then(Result::err).map(|error| format!("{error:#}")))
                })
            })
            .collect();
        for caller in callers {
            match caller.await {
                Ok((times, failure)) => seen.add(times, failure),
                Err(error) => seen.add(Vec::new(), Some(error.to_string())),
            }
        }
    });
    println!("{}", seen.json(now() - start));
    Ok(())
}

/// Calls one time after the other.
///
/// # Errors
/// When an answer is none, or the connection ends. There is no other end.
async fn call(address: SocketAddr, times: &mut Vec<Duration>) -> Result<()> {
    let mut connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let mut answer = Vec::with_capacity(ANSWER_BYTES);
    loop {
        let begun = now();
        connection.write_all(REQUEST).await?;
        answer.clear();
        while !is_whole(&answer)? {
            if connection.read_buf(&mut answer).await? == 0 {
                bail!("the connection ended before an answer");
            }
        }
        times.push(now() - begun);
    }
}

/// Whether all of the answer is here.
///
/// # Errors
/// When it is no 200 with a length.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let text = std::str::from_utf8(answer)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    });
    match length {
        Some(length) if head.starts_with("HTTP/1.1 200 ") && body.len() <= length => Ok(body.len() == length),
        _ => bail!("an answer that is no 200 with a length: {text:.60}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a load generator is a clock; nothing of the proxy runs here")]
fn now() -> Instant {
    Instant::now()
}

/// What all callers saw.
#[derive(Debug, Default)]
struct Seen {
    times: Vec<Duration>,
    failures: Vec<String>,
}

impl Seen {
    fn add(&mut self, times: Vec<Duration>, failure: Option<String>) {
        self.times.extend(times);
        self.failures.extend(failure);
    }

    fn json(mut self, time: Duration) -> Value {
        self.times.sort_unstable();
        let last = self.times.len().saturating_sub(1);
        let microseconds = |percent: usize| {
            self.times.get(last * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        json!({
            "done": self.times.len(), "failed": self.failures.len(), "failure": self.failures.first(),
            "seconds": time.as_secs_f64(), "p50_us": microseconds(50), "p99_us": microseconds(99),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::{Seen, is_whole, parse};

    fn said(failures: &[&str]) -> String {
        let mut seen = Seen { times: (1..=100).map(Duration::from_micros).collect(), ..Seen::default() };
        failures.iter().for_each(|failure| seen.add(Vec::new(), Some((*failure).to_owned())));
        seen.json(Duration::from_secs(2)).to_string()
    }

    #[test]
    fn a_good_run_is_read() {
        let load = parse(&said(&[])).unwrap();
        assert_eq!((load.done, load.per_second), (100, 50.0));
        assert_eq!((load.median_us, load.p99_us), (50.0, 99.0));
        assert!(load.troubles.is_empty());
        assert_eq!(parse("{}"), None);
    }

    #[test]
    fn failures_make_a_run_worthless() {
        assert_eq!(
            parse(&said(&["reset", "refused"])).unwrap().troubles,
            ["2 callers gave up, the first: reset"]
        );
        let none = Seen::default().json(Duration::from_secs(2)).to_string();
        assert_eq!(parse(&none).unwrap().troubles, ["no request was answered"]);
    }

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        for length in 0..answer.len() {
            assert!(!is_whole(&answer[..length]).unwrap(), "{length}");
        }
        assert!(is_whole(answer).unwrap());
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!").is_err());
        assert!(is_whole(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").is_err());
        assert!(is_whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
