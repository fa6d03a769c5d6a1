//! kill -9 of the whole program in the middle of durable duplication, at random moments. What was acknowledged has reached each
//! server, or is in the file (`semantics.md` §3.3).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;
use weir_core::ports::queue::{Selection, WriteQueue};
use weir_core::queue::{QueueLimits, Sequence, State};
use weir_store::Queue;
use weir_testkit::server::{Connection, Server};
use weir_testkit::wait::until;

use super::process::{Running, answer, ask};
use super::scratch::Scratch;

const SERVERS: usize = 3;
const CLIENTS: usize = 4;
/// How long a server that lags takes.
const LAG: Duration = Duration::from_millis(40);

/// What servers and clients have seen, over all lives of the program.
#[derive(Default)]
struct Seen {
    /// Writes that each server has taken; noted before it says so.
    taken: [BTreeSet<u64>; SERVERS],
    /// Writes that each server has refused.
    refused: [BTreeSet<u64>; SERVERS],
    /// Writes that a client was told are done.
    acknowledged: BTreeSet<u64>,
    /// Writes that a server has got with another body than they were sent with.
    altered: BTreeSet<u64>,
    last: u64,
    /// Whether servers have become reliable.
    calm: bool,
    /// What each server has got since then, in the order in which it came.
    order: [Vec<u64>; SERVERS],
}

type Shared = Arc<Mutex<Seen>>;

fn lock(seen: &Shared) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of a write: mostly small, sometimes none or more than one row of the file. Its number says it, so that a server knows
/// what to expect.
fn body(number: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number);
    let size = match random.u32(0..20) {
        0 => 0,
        1 => random.usize(0..600_000),
        _ => random.usize(0..2000),
    };
    let mut body = vec![0; size];
    random.fill(&mut body);
    body
}

/// A server that mostly takes a write, and else fails, lags, breaks off before or after it has taken it, or refuses it.
fn server(place: usize, seen: &Shared) -> Server {
    let seen = Arc::clone(seen);
    Server::start(move |mut connection: Connection| {
        // A kill may cut a request in two.
        while let Ok(request) = connection.try_request() {
            let number = request.target().rsplit('/').next().and_then(|word| word.parse().ok()).unwrap();
            let is_altered = request.body != body(number);
            let calm = {
                let mut seen = lock(&seen);
                if is_altered {
                    seen.altered.insert(number);
                }
                if seen.calm {
                    seen.order[place].push(number);
                }
                seen.calm
            };
            let chance = if calm { 0 } else { fastrand::u32(0..100) };
            let take = || lock(&seen).taken[place].insert(number);
            let said = match chance {
                0..80 => {
                    take();
                    connection.try_send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                }
                80..88 => connection.try_send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
                88..91 => {
                    lock(&seen).refused[place].insert(number);
                    connection.try_send("HTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n")
                }
                91..94 => return,
                94..97 => {
                    take();
                    return;
                }
                _ => {
                    let (_sender, never) = sync_channel::<()>(1);
                    let waits = never.recv_timeout(LAG);
                    assert_eq!(waits, Err(RecvTimeoutError::Timeout));
                    take();
                    connection.try_send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                }
            };
            if said.is_err() {
                return;
            }
        }
    })
}

/// Sends a write; whether it was acknowledged.
fn write(address: SocketAddr, number: u64) -> io::Result<bool> {
    let body = body(number);
    let size = body.len();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /write/{number} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(&start == b"HTTP/1.1 200")
}

/// Writes until the program is gone, and tells of each acknowledgement.
fn write_on(address: SocketAddr, seen: &Shared, told: &SyncSender<()>) {
    loop {
        let number = {
            let mut seen = lock(seen);
            seen.last += 1;
            seen.last
        };
        match write(address, number) {
            Ok(true) => {
                lock(seen).acknowledged.insert(number);
                // Who counted may have seen enough.
                let _ = told.send(());
            }
            Ok(false) => {}
            Err(_) => return,
        }
    }
}

/// One life: it is killed after so many acknowledgements.
fn live(file: &str, seen: &Shared, acknowledgements: usize) {
    let (proxy, address) = Running::proxy(&["run", "-c", file]);
    std::thread::scope(|scope| {
        let (told, counted) = sync_channel(1);
        for _ in 0..CLIENTS {
            let told = told.clone();
            scope.spawn(move || write_on(address, seen, &told));
        }
        drop(told);
        for _ in 0..acknowledgements {
            counted.recv().unwrap();
        }
        proxy.signal(Signal::SIGKILL);
    });
    assert_eq!(proxy.end().0, None, "it was killed");
}

/// What the file holds: for each write the servers that have yet to get it, and those that never will.
#[derive(Default)]
struct Kept {
    writes: BTreeMap<u64, (BTreeSet<String>, BTreeSet<String>)>,
    /// The writes in their order.
    order: Vec<u64>,
}

impl Kept {
    /// What waits for a server, in the order in which it has to get it.
    fn waiting(&self, server: &str) -> Vec<u64> {
        self.order.iter().copied().filter(|number| self.writes[number].0.contains(server)).collect()
    }
}

fn kept(state: &Path) -> Kept {
    let queue = Queue::open(&state.join("queue"), "web", QueueLimits::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let writes = runtime.block_on(queue.list(Selection::default(), Sequence(0), usize::MAX)).unwrap();
    let mut all = Kept::default();
    for write in writes {
        let head = String::from_utf8(write.head.to_vec()).unwrap();
        let target = head.split(' ').nth(1).unwrap();
        let number = target.rsplit('/').next().unwrap().parse().unwrap();
        let (dead, open): (Vec<_>, Vec<_>) =
            write.targets.into_iter().partition(|target| matches!(target.state, State::Dead { .. }));
        let names = |targets: Vec<weir_core::ports::queue::QueuedTarget>| {
            targets.into_iter().map(|target| target.server.to_string()).collect()
        };
        all.order.push(number);
        all.writes.insert(number, (names(open), names(dead)));
    }
    all
}

/// The invariant.
fn check(seen: &Shared, kept: &Kept, servers: &[Server]) {
    let seen = lock(seen);
    assert!(seen.altered.is_empty(), "writes came with other bodies: {:?}", seen.altered);
    for number in &seen.acknowledged {
        for (place, server) in servers.iter().enumerate() {
            let name = server.to_string();
            let (waits, dead) = kept
                .writes
                .get(number)
                .map_or((false, false), |(open, dead)| (open.contains(&name), dead.contains(&name)));
            assert!(waits || dead || seen.taken[place].contains(number), "write {number} is lost for {name}");
            assert!(!dead || seen.refused[place].contains(number), "write {number} is dead without a reason");
        }
    }
}

/// Waits until a server has read whatever a life that was killed had sent to it.
fn settle(server: &Server) {
    // Whoever connected before was accepted before. What becomes of this one is left to chance.
    let _ = write(server.to_string().parse().unwrap(), 0);
    server.wait_ended(server.connections());
}

/// What each server got in the calm: what waited for it, and nothing else, in order. A server that is slow to answer on a machine
/// that is busy may get something again at once.
fn check_order(seen: &Shared, waited: &Kept, servers: &[Server]) {
    for (server, order) in servers.iter().zip(&mut lock(seen).order) {
        order.dedup();
        assert_eq!(*order, waited.waiting(&server.to_string()), "{server} got a backlog in another order");
    }
}

fn kill_and_count(test: &str, times: usize) {
    let scratch = Scratch::new(test);
    let seen = Shared::default();
    let servers: Vec<Server> = (0..SERVERS).map(|place| server(place, &seen)).collect();
    let names: Vec<String> = servers.iter().map(|server| format!("'{server}'")).collect();
    let state = scratch.path("state");
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nworkers: 2\nstate: '{state}'\naccess_log: off\nservices: [{{host: '*', \
         upstream: web, dispatch: {{mode: duplicate, catch_up: durable}}}}]\nupstreams: {{web: {{servers: [{}]}}}}\n",
        names.join(", ")
    );
    let file = scratch.file("weir.yaml", text);
    let state = Path::new(&state);
    let mut waited = Kept::default();
    for _ in 0..times {
        live(&file, &seen, fastrand::usize(1..150));
        waited = kept(state);
        check(&seen, &waited, &servers);
    }
    // In the end everything arrives in order, and the file is closed in order.
    servers.iter().for_each(settle);
    lock(&seen).calm = true;
    let mut proxy = Running::start(&["run", "-c", &file]);
    let admin = proxy.address("admin listening address=");
    until(|| answer(ask(admin, "localhost", "/api/v1/queues/web")).contains("\"backlog_writes\": 0"));
    proxy.signal(Signal::SIGTERM);
    proxy.line("stopped");
    assert_eq!(proxy.end().0, Some(0));
    let kept = kept(state);
    assert!(kept.writes.values().all(|(open, _)| open.is_empty()), "nothing waits any more");
    check(&seen, &kept, &servers);
    check_order(&seen, &waited, &servers);
    let acknowledged = lock(&seen).acknowledged.len();
    assert!(acknowledged >= times, "{acknowledged} writes in {times} lives");
}

#[test]
fn killed_in_the_middle_it_loses_nothing_that_was_acknowledged() {
    kill_and_count("kill", 3);
}

#[test]
#[ignore = "takes minutes: `cargo xtask test --full`"]
fn killed_fifty_times_it_loses_nothing_that_was_acknowledged() {
    kill_and_count("kill-fifty", 50);
}
