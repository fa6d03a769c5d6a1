//! Requests that come at their time, whatever becomes of those before them, and what became of each.
//!
//! Clients do not wait for one another when a server hangs, so here neither: a request that is due goes out on an idle connection
//! or on a new one. Only their number at a time is limited, so that a machine which has too much to do gets fewer requests and not
//! more and more of them at once; what that leaves out is not asked later.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

/// How often it is looked which requests are due.
const TICK: Duration = Duration::from_millis(5);
/// How long an answer may take. Much longer than whatever a proxy waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections that find out how much the machine can do.
const TRIERS: usize = 16;
/// How long they do that.
const TRIAL: Duration = Duration::from_millis(300);

/// What has become of requests so far.
#[derive(Debug, Default)]
struct Seen {
    /// The number of the next request.
    next: AtomicU64,
    /// Those that have no answer yet.
    under_way: Mutex<BTreeSet<u64>>,
    answered: AtomicU64,
    /// Those that were sent by the clock, and those that were due.
    sent: AtomicU64,
    due: AtomicU64,
    failures: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

/// A load, from the start to [`Load::end`].
#[derive(Debug)]
pub(crate) struct Load {
    seen: Arc<Seen>,
    rate: u64,
    thread: Option<JoinHandle<()>>,
}

/// Begins to send so many requests in a second; fewer where the machine can't do even twice as many.
pub(crate) fn load(address: SocketAddr, rate: u64) -> Load {
    let seen = Arc::new(Seen::default());
    let runtime = runtime();
    let (clients, can) = runtime.block_on(trial(address, &seen));
    Load::begin(clients, rate.min(can / 2).max(20), runtime, seen)
}

/// The same whatever the machine can do; [`Load::end_by_the_clock`] says how much of it that was.
pub(crate) fn load_by_the_clock(address: SocketAddr, rate: u64) -> Load {
    Load::begin(Clients { address, idle: Arc::default() }, rate, runtime(), Arc::default())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What has become of requests that were to be sent by the clock.
#[derive(Debug)]
pub(crate) struct Offered {
    /// Those that were sent, and answered.
    pub sent: u64,
    /// Those whose time had come.
    pub due: u64,
}

impl Load {
    fn begin(clients: Clients, rate: u64, runtime: Runtime, seen: Arc<Seen>) -> Self {
        let known = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            runtime.block_on(clients.go_on(rate, &known));
        });
        Self { seen, rate, thread: Some(thread) }
    }

    /// Requests in a second.
    pub(crate) fn rate(&self) -> u64 {
        self.rate
    }

    /// Answers so far.
    pub(crate) fn answered(&self) -> u64 {
        self.seen.answered.load(SeqCst)
    }

    /// Whether every request is over that has the number of `mark` or a smaller one. The number of the last one is a mark.
    pub(crate) fn is_past(&self, mark: u64) -> bool {
        lock(&self.seen.under_way).first().is_none_or(|first| *first > mark)
    }

    /// The number of the next request.
    pub(crate) fn mark(&self) -> u64 {
        self.seen.next.load(SeqCst)
    }

    /// Demands that no client has seen an error.
    pub(crate) fn demand_success(&self, when: &str) {
        let failures = lock(&self.seen.failures);
        let first: Vec<_> = failures.iter().take(3).collect();
        assert!(failures.is_empty(), "{when}: {} requests failed: {first:#?}", failures.len());
    }

    /// Ends it when every request was answered; how many those were.
    pub(crate) fn end(mut self) -> u64 {
        self.finish();
        self.answered()
    }

    /// The same for one that follows the clock.
    pub(crate) fn end_by_the_clock(mut self) -> Offered {
        self.finish();
        Offered { sent: self.seen.sent.load(SeqCst), due: self.seen.due.load(SeqCst) }
    }

    fn finish(&mut self) {
        self.seen.is_over.store(true, SeqCst);
        self.thread.take().unwrap().join().unwrap();
        self.demand_success("at the end");
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.seen.is_over.store(true, SeqCst);
    }
}

/// How many requests in a second come back when each of some clients sends the next one as soon as it has an answer.
async fn trial(address: SocketAddr, seen: &Arc<Seen>) -> (Clients, u64) {
    let clients = Clients { address, idle: Arc::default() };
    let over = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..TRIERS)
        .map(|_| {
            let (clients, over, seen) = (clients.clone(), Arc::clone(&over), Arc::clone(seen));
            tokio::spawn(async move {
                while !over.load(SeqCst) {
                    clients.ask(&seen).await;
                }
            })
        })
        .collect();
    let mut trial = tokio::time::interval(TRIAL);
    trial.tick().await;
    let since = trial.tick().await;
    let before = seen.answered.load(SeqCst);
    let until = trial.tick().await;
    let answers = seen.answered.load(SeqCst) - before;
    over.store(true, SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    (clients, (answers as f64 / (until - since).as_secs_f64()) as u64)
}

#[derive(Debug, Clone)]
struct Clients {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<TcpStream>>>,
}

impl Clients {
    async fn go_on(self, rate: u64, seen: &Arc<Seen>) {
        // What a fifth of the requests take that hang for a second, and some.
        let most = u32::try_from(rate / 5 + 16).unwrap();
        let room = Arc::new(Semaphore::new(most as usize));
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let since = ticks.tick().await;
        let mut number = 0;
        while !seen.is_over.load(SeqCst) {
            let due = ((ticks.tick().await - since).as_secs_f64() * rate as f64) as u64;
            seen.due.store(due, SeqCst);
            number = number.max(due.saturating_sub(most.into()));
            while number < due
                && let Ok(place) = Arc::clone(&room).try_acquire_owned()
            {
                seen.sent.fetch_add(1, SeqCst);
                let (clients, seen) = (self.clone(), Arc::clone(seen));
                tokio::spawn(async move {
                    clients.ask(&seen).await;
                    drop(place);
                });
                number += 1;
            }
        }
        // Everybody gets an answer.
        let _all = room.acquire_many(most).await.unwrap();
    }

    /// One request and its answer.
    async fn ask(&self, seen: &Seen) {
        let number = seen.next.fetch_add(1, SeqCst);
        lock(&seen.under_way).insert(number);
        let outcome = tokio::time::timeout(PATIENCE, self.exchange(number)).await;
        match outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(_) => {
                seen.answered.fetch_add(1, SeqCst);
            }
            Err(error) => {
                let mut failures = lock(&seen.failures);
                failures.push(format!("request {number}: {error}"));
            }
        }
        lock(&seen.under_way).remove(&number);
    }

    async fn exchange(&self, number: u64) -> io::Result<()> {
        let kept = lock(&self.idle).pop();
        let mut stream = match kept {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        let request = format!("GET /{number} HTTP/1.1\r\nHost: a.example\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let (mut buffer, mut filled) = ([0; 4096], 0);
        loop {
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Err(io::Error::other(format!("it ended: {}", lossy(&buffer[..filled])))),
                more => filled += more,
            }
            if let Some(kept) = judge(&buffer[..filled], number)? {
                if kept {
                    lock(&self.idle).push(stream);
                }
                return Ok(());
            }
        }
    }
}

/// Whether these bytes are the whole answer of a mock to this request, and whether its connection is kept.
fn judge(bytes: &[u8], number: u64) -> io::Result<Option<bool>> {
    let text = lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let field = |name: &str| {
        head.lines().filter_map(|line| line.split_once(": ")).find(|field| field.0.eq_ignore_ascii_case(name))
    };
    let length = field("content-length").and_then(|field| field.1.parse::<usize>().ok());
    if length.is_some_and(|length| body.len() < length) {
        return Ok(None);
    }
    if !head.starts_with("HTTP/1.1 200 ") || !body.ends_with(&format!(": GET /{number}\n")) {
        return Err(io::Error::other(format!("a wrong answer: {text}")));
    }
    Ok(Some(field("connection").is_none_or(|field| field.1 != "close")))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
