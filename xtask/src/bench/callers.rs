//! Callers with a watch: requests on kept-alive connections, each of them timed.
//!
//! `wrk` adds times that it did not see to those that it saw: for an answer that took ten times as long as the others on average,
//! nine more, each a little shorter, as if requests had come in the meantime. So a few slow answers stand for many, and the time
//! within which 99 of 100 were answered cannot be read from it where slow answers are what is measured. Here it is what callers
//! saw, and nothing else.

use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::child::Running;
use super::load::{Load, Method, Order};
use super::peer;

/// What the program says when it could begin.
const READY: &str = "ready";

/// Longer than any answer of a scenario with callers.
pub(super) const ANSWER_BYTES: usize = 8192;

/// The command line of the program.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The peer.
    address: SocketAddr,
    /// Connections at once.
    #[arg(long)]
    connections: u32,
    /// How long.
    #[arg(long)]
    seconds: u32,
    /// Requests in a second, of all connections together; without it, each sends the next one when it has an answer.
    #[arg(long)]
    per_second: Option<u32>,
    /// A new connection for each request, closed when its answer is there.
    #[arg(long, conflicts_with = "per_second")]
    reconnect: bool,
    /// What to POST; without it, GET.
    #[arg(long)]
    body: Option<String>,
}

/// The program, started and prepared.
pub(crate) struct Prepared {
    running: Running,
    /// How many requests there should be, if somebody says so.
    wanted: u64,
}

/// Starts the program on one core. When this is back all of its connections are there and wait for the start; without turns,
/// each has had an answer.
///
/// # Errors
/// When the peer cannot be spoken with.
pub(crate) fn prepare(
    core: usize,
    order: &Order,
    method: Method,
    per_second: Option<u32>,
) -> Result<Prepared> {
    let mut program = program(order);
    if let Some(body) = method.body() {
        program.arg("--body").arg(body);
    }
    if let Some(per_second) = per_second {
        program.args(["--per-second", &per_second.to_string()]);
    }
    let wanted = per_second.map_or(0, |per_second| u64::from(per_second) * u64::from(order.seconds));
    start(core, &mut program, wanted)
}

/// The same with a new connection for each request.
///
/// # Errors
/// As above.
pub(crate) fn prepare_to_reconnect(core: usize, order: &Order) -> Result<Prepared> {
    start(core, program(order).arg("--reconnect"), 0)
}

fn program(order: &Order) -> Command {
    let mut program = Command::new(peer::release("xtask"));
    program.arg("callers").arg(order.address.to_string());
    program.args(["--connections", &order.connections.to_string(), "--seconds", &order.seconds.to_string()]);
    program
}

fn start(core: usize, program: &mut Command, wanted: u64) -> Result<Prepared> {
    let mut running = Running::start_on(core, program.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let word = running.hear()?;
    if word != READY {
        bail!("the callers said `{word}` and not `{READY}`");
    }
    Ok(Prepared { running, wanted })
}

impl Prepared {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When it says something unknown.
    pub(crate) fn run(mut self) -> Result<Load> {
        self.running.tell("go")?;
        let text = self.running.output()?;
        parse(&text, self.wanted).with_context(|| format!("the callers said something unknown:\n{text}"))
    }
}

/// `wanted`: how many there should have been.
fn parse(text: &str, wanted: u64) -> Option<Load> {
    let said: Value = serde_json::from_str(text).ok()?;
    let done = said["done"].as_u64()?;
    let mut troubles = Vec::new();
    if let Some(failure) = said["failure"].as_str() {
        troubles.push(format!("{} callers gave up, the first: {failure}", said["failed"].as_u64()?));
    }
    if done == 0 {
        troubles.push("no request was answered".to_owned());
    } else if done < wanted / 20 * 19 {
        troubles.push(format!("only {done} of {wanted} requests had their turn: this is saturation"));
    }
    Load::said(&said, done, troubles)
}

/// The program itself: prepares, says so, waits for a line, calls until the time is over, and says what it saw.
///
/// # Errors
/// When there can be no callers at all.
pub(crate) fn serve(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut seen, mut start) = (Seen::default(), now());
    LocalSet::new().block_on(&runtime, async {
        let (go, going) = watch::channel(None);
        let (preparing, mut prepared) = mpsc::channel::<()>(1);
        let request = options.request();
        let mut callers = Vec::new();
        for number in 0..options.connections {
            // One after the other, because a peer takes only so many at once.
            let connection = match options.reconnect {
                true => None,
                false => Some(connect(options.address).await?),
            };
            let caller = Caller {
                options: options.clone(),
                number,
                request: Rc::clone(&request),
                connection,
                waits_since: None,
            };
            callers.push(tokio::task::spawn_local(caller.call(going.clone(), preparing.clone())));
        }
        drop(preparing);
        // Nobody says anything: it ends when all of them have let go of their end.
        while prepared.recv().await.is_some() {}
        println!("{READY}");
        io::stdin().lock().read_line(&mut String::new())?;
        start = now();
        go.send_replace(Some(start));
        for caller in callers {
            match caller.await {
                Ok((times, failure)) => seen.add(times, failure),
                Err(error) => seen.add(Vec::new(), Some(error.to_string())),
            }
        }
        Ok::<_, anyhow::Error>(())
    })?;
    println!("{}", seen.json(now() - start));
    Ok(())
}

/// One of them.
struct Caller {
    options: Options,
    number: u32,
    request: Rc<[u8]>,
    /// `None` for one who needs a new one for each request.
    connection: Option<TcpStream>,
    /// When the call began that is not answered yet.
    waits_since: Option<Instant>,
}

impl Caller {
    /// Calls once unless there are turns, waits for the start, and calls until the time is over. Gives back how long the calls took, and what went wrong.
    async fn call(
        mut self,
        mut going: watch::Receiver<Option<Instant>>,
        preparing: mpsc::Sender<()>,
    ) -> (Vec<Duration>, Option<String>) {
        let mut times = Vec::new();
        let mut answer = Vec::with_capacity(ANSWER_BYTES);
        // Where requests have turns, they are so few that nothing has to be warm, and what a mirror got before would not be counted.
        if let Some(connection) = &mut self.connection
            && self.options.per_second.is_none()
            && let Err(error) = exchange(connection, &self.request, &mut answer).await
        {
            return (times, Some(format!("{error:#}")));
        }
        drop(preparing);
        let Ok(start) = going.wait_for(Option::is_some).await.map(|start| start.unwrap_or_else(now)) else {
            return (times, Some("nobody gave the start".to_owned()));
        };
        let time = Duration::from_secs(self.options.seconds.into());
        // At the end everybody hangs up, in the middle of whatever they wait for.
        let ended = tokio::time::timeout(time, self.call_all(start, &mut answer, &mut times)).await.ok();
        // Whoever waits longer at the end than ever before would else be left out, and those are the slow ones.
        let waits = self.waits_since.map(|since| now() - since);
        times.extend(waits.filter(|waits| times.iter().all(|took| took < waits)));
        (times, ended.and_then(Result::err).map(|error| format!("{error:#}")))
    }

    /// Calls one time after the other.
    ///
    /// # Errors
    /// When an answer is none, or the connection ends. There is no other end.
    async fn call_all(
        &mut self,
        start: Instant,
        answer: &mut Vec<u8>,
        times: &mut Vec<Duration>,
    ) -> Result<()> {
        let mut turns = self.options.turns(start, self.number);
        loop {
            let begun = match &mut turns {
                Some(turns) => turns.take().await,
                None => now(),
            };
            self.waits_since = Some(begun);
            match &mut self.connection {
                Some(connection) => exchange(connection, &self.request, answer).await?,
                // To have one belongs to what is timed.
                None => exchange(&mut connect(self.options.address).await?, &self.request, answer).await?,
            }
            self.waits_since = None;
            times.push(now() - begun);
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// Sends a request and waits for its answer.
async fn exchange(connection: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> Result<()> {
    connection.write_all(request).await?;
    answer.clear();
    while !is_whole(answer)? {
        if connection.read_buf(answer).await? == 0 {
            bail!("the connection ended before an answer");
        }
    }
    Ok(())
}

impl Options {
    fn request(&self) -> Rc<[u8]> {
        let head = "/ HTTP/1.1\r\nHost: localhost\r\n";
        let request = match &self.body {
            None => format!("GET {head}\r\n"),
            Some(body) => {
                format!("POST {head}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
        };
        request.into_bytes().into()
    }

    /// The turns of one connection, between those of the others.
    fn turns(&self, start: Instant, number: u32) -> Option<Turns> {
        let step = Duration::from_secs(self.connections.into()) / self.per_second?;
        Some(Turns { next: start + step * number / self.connections, step })
    }
}

/// When the requests of a connection have their turn.
#[derive(Debug)]
struct Turns {
    next: Instant,
    step: Duration,
}

impl Turns {
    /// Waits for the next one, and says since when whoever makes this request has waited: since its turn, if the connection
    /// was still busy with an earlier one. A peer that stops for a while is not asked less because of that.
    async fn take(&mut self) -> Instant {
        let turn = self.next;
        self.next += self.step;
        if now() >= turn {
            return turn;
        }
        wait_until(turn).await;
        now()
    }
}

#[expect(clippy::disallowed_methods, reason = "a load generator; nothing of the proxy runs here")]
async fn wait_until(turn: Instant) {
    tokio::time::sleep_until(turn.into()).await;
}

/// Whether all of the answer is here.
///
/// # Errors
/// When it is no 200 with a length.
pub(super) fn is_whole(answer: &[u8]) -> Result<bool> {
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

    use super::{Options, Seen, is_whole, parse};

    fn said(failures: &[&str]) -> String {
        let mut seen = Seen { times: (1..=100).map(Duration::from_micros).collect(), ..Seen::default() };
        failures.iter().for_each(|failure| seen.add(Vec::new(), Some((*failure).to_owned())));
        seen.json(Duration::from_secs(2)).to_string()
    }

    #[test]
    fn a_good_run_is_read() {
        let load = parse(&said(&[]), 0).unwrap();
        assert_eq!((load.done, load.per_second), (100, 50.0));
        assert_eq!((load.median_us, load.p99_us), (50.0, 99.0));
        assert!(load.troubles.is_empty());
        assert_eq!(parse("{}", 0), None);
    }

    #[test]
    fn failures_make_a_run_worthless() {
        assert_eq!(
            parse(&said(&["reset", "refused"]), 0).unwrap().troubles,
            ["2 callers gave up, the first: reset"]
        );
        let none = Seen::default().json(Duration::from_secs(2)).to_string();
        assert_eq!(parse(&none, 0).unwrap().troubles, ["no request was answered"]);
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

    #[test]
    fn a_peer_that_is_too_slow_for_the_turns_makes_a_run_worthless() {
        assert!(parse(&said(&[]), 105).unwrap().troubles.is_empty());
        assert_eq!(
            parse(&said(&[]), 200).unwrap().troubles,
            ["only 100 of 200 requests had their turn: this is saturation"]
        );
    }

    #[test]
    fn a_turn_that_was_missed_counts_from_when_it_was() {
        let options = Options {
            address: ([127, 0, 0, 1], 1).into(),
            connections: 4,
            seconds: 1,
            per_second: Some(1000),
            reconnect: false,
            body: None,
        };
        let long_ago = super::now() - Duration::from_secs(3600);
        let mut turns = options.turns(long_ago, 3).unwrap();
        let taken =
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
                let missed = [turns.take().await, turns.take().await].map(|turn| turn - long_ago);
                // From here on it is in time.
                turns.next = super::now() + Duration::from_millis(2);
                let turn = turns.next;
                assert!(turns.take().await >= turn);
                missed
            });
        assert_eq!(
            taken.map(|time| time.as_millis()),
            [3, 7],
            "a quarter of 4 ms apart, each 4 ms after the last"
        );
    }

    #[test]
    fn a_write_has_a_length() {
        let options = |body: Option<&str>| Options {
            address: ([127, 0, 0, 1], 1).into(),
            connections: 1,
            seconds: 1,
            per_second: None,
            reconnect: false,
            body: body.map(str::to_owned),
        };
        assert!(options(None).request().starts_with(b"GET / "));
        assert!(options(Some("12345")).request().ends_with(b"\r\nContent-Length: 5\r\n\r\n12345"));
        assert!(options(None).turns(super::now(), 0).is_none());
    }
}
