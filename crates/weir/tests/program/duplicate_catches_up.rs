//! `weir duplicate` with the words of its original, before servers that fail, lag, die and come back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_testkit::message::Message;
use weir_testkit::port::ReservedPort;
use weir_testkit::socket::Socket;
use weir_testkit::wait::{until, until_some};

use super::process::{Running, answer, ask, send};
use super::scratch::Scratch;

const CLIENTS: usize = 3;
const WRITES_OF_EACH: usize = 10;
/// Writes that come when one server is gone.
const LATE_WRITES: usize = 10;

/// What a server does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Takes,
    /// It takes a write when it comes for the second time.
    FailsFirst,
    Lags(Duration),
}

/// A write as a server got it, each time that it came.
#[derive(Debug, Clone)]
struct Got {
    path: String,
    body: String,
    key: String,
    /// Whether the server said that it has it. The last answer on a connection that was cut may have been lost.
    taken: Taken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    No,
    Yes,
    MaybeUnheard,
}

/// A server that can die and be there again at the same port, and remembers what it got.
struct Recorder {
    port: ReservedPort,
    manner: Manner,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// In the order in which it came.
    got: Vec<Got>,
    /// Connections, each with the place of what came last over it.
    connections: Vec<(TcpStream, Option<usize>)>,
    is_dead: bool,
    /// What belongs to an earlier life says nothing in this one.
    life: usize,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    fn start(manner: Manner) -> Self {
        let recorder = Self { port: ReservedPort::new(), manner, state: Arc::default() };
        recorder.live();
        recorder
    }

    fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Listens, from now on.
    fn live(&self) {
        let listener = TcpListener::bind(self.address()).unwrap();
        let life = {
            let mut state = lock(&self.state);
            (state.is_dead, state.life) = (false, state.life + 1);
            state.life
        };
        let (manner, state) = (self.manner, Arc::clone(&self.state));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let number = {
                    let mut state = lock(&state);
                    if state.is_dead {
                        return;
                    }
                    state.connections.push((stream.try_clone().unwrap(), None));
                    state.connections.len() - 1
                };
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve(stream.into(), (life, number), manner, &state));
            }
        });
    }

    /// Nobody listens any more, and all connections are cut.
    fn die(&self) {
        lock(&self.state).is_dead = true;
        // Wakes the thread that accepts, which closes the listener.
        drop(TcpStream::connect(self.address()));
        until(|| TcpStream::connect(self.address()).is_err());
        let mut state = lock(&self.state);
        for (stream, last) in std::mem::take(&mut state.connections) {
            let _ = stream.shutdown(Shutdown::Both);
            if let Some(last) = last
                && state.got[last].taken == Taken::Yes
            {
                state.got[last].taken = Taken::MaybeUnheard;
            }
        }
    }

    fn got(&self) -> Vec<Got> {
        lock(&self.state).got.clone()
    }
}

fn serve(mut socket: Socket, (life, connection): (usize, usize), manner: Manner, state: &Mutex<State>) {
    while let Ok(request) = socket.try_request() {
        if let Manner::Lags(lag) = manner {
            let (_sender, never) = sync_channel::<()>(1);
            let _ = never.recv_timeout(lag);
        }
        let status = {
            let mut state = lock(state);
            if state.is_dead || state.life != life {
                return;
            }
            let came_before = state.got.iter().any(|got| got.path == request.target());
            let takes = manner != Manner::FailsFirst || came_before;
            let place = state.got.len();
            state.got.push(got(&request, takes));
            state.connections[connection].1 = Some(place);
            if takes { "200 OK" } else { "503 No" }
        };
        if socket.try_send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).is_err() {
            return;
        }
    }
}

fn got(request: &Message, takes: bool) -> Got {
    Got {
        path: request.target().to_owned(),
        body: request.text(),
        key: request.field("Idempotency-Key").unwrap_or_default().to_owned(),
        taken: if takes { Taken::Yes } else { Taken::No },
    }
}

/// A duplication that is started with these words: where its clients go, and where its metrics are.
fn duplicate(words: &[&str]) -> (Running, SocketAddr, SocketAddr) {
    let mut proxy = Running::start(&[&["duplicate"], words].concat());
    let address = here(proxy.address(" INFO listening address="));
    let metrics = here(proxy.address("metrics listening address="));
    (proxy, address, metrics)
}

/// The address of this machine at a port on which all addresses are listened on.
fn here(address: SocketAddr) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

/// The values on the metrics page whose name and labels begin like this.
fn values(page: &str, series: &str) -> Vec<u64> {
    let lines = page.lines().filter(|line| line.starts_with(series));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

/// Sends a write, which must be acknowledged.
fn write(address: SocketAddr, path: &str) {
    let answered = answer(send(address, "POST", path, &format!("what is at {path}")));
    assert!(answered.starts_with("HTTP/1.1 200 "), "{path}: {answered}");
}

/// Many clients write, one after the other each. The server dies when a third of it has been acknowledged.
fn write_while_it_dies(address: SocketAddr, server: &Recorder) {
    let (told, acknowledged) = sync_channel(CLIENTS * WRITES_OF_EACH);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let told = told.clone();
            scope.spawn(move || {
                for number in 0..WRITES_OF_EACH {
                    write(address, &format!("/{client}/{number}"));
                    // The test may have failed already.
                    let _ = told.send(());
                }
            });
        }
        drop(told);
        assert_eq!(
            acknowledged.iter().take(CLIENTS * WRITES_OF_EACH / 3).count(),
            CLIENTS * WRITES_OF_EACH / 3
        );
        server.die();
    });
}

/// The numbers of what one client has written, as they came.
fn numbers<'g>(got: impl IntoIterator<Item = &'g Got>, client: &str) -> Vec<usize> {
    let of = |got: &Got| Some(got.path.strip_prefix(&format!("/{client}/"))?.parse().unwrap());
    got.into_iter().filter_map(of).collect()
}

/// Every write, whole and with the key under which all servers have it; and none of them again that the server has taken, except
/// what it may have said to nobody when it died (`semantics.md` §3.1).
fn check_contents(servers: &[&Recorder], writes: &BTreeSet<String>) {
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for server in servers {
        let mut taken: BTreeMap<String, Taken> = BTreeMap::new();
        for got in server.got() {
            assert_eq!(got.body, format!("what is at {}", got.path));
            assert!(
                !got.key.is_empty() && *keys.entry(got.path.clone()).or_insert(got.key.clone()) == got.key
            );
            let before = taken.get(&got.path);
            assert_ne!(before, Some(&Taken::Yes), "{} again, at {:?}", got.path, server.manner);
            if got.taken != Taken::No {
                taken.insert(got.path, got.taken);
            }
        }
        assert!(taken.keys().eq(writes), "{:?} has {:?}", server.manner, taken.keys());
    }
    assert_eq!(keys.values().collect::<BTreeSet<_>>().len(), writes.len(), "a key for each write");
}

/// The original's promise, with the original's faults in the servers: no client hears of a server that dies, and when it is there
/// again it gets what it has missed, in order and once.
#[test]
fn every_server_gets_every_write_although_one_fails_one_lags_and_one_dies() {
    let scratch = Scratch::new("catches-up");
    let mortal = Recorder::start(Manner::Takes);
    let failing = Recorder::start(Manner::FailsFirst);
    let slow = Recorder::start(Manner::Lags(Duration::from_millis(5)));
    let servers = [&mortal, &failing, &slow];
    let file =
        scratch.file("inventory.conf", servers.map(|server| format!("{}\n", server.address())).concat());
    let (_proxy, address, metrics) =
        duplicate(&["--inventory-path", &file, "--port", "0", "--metrics-port", "0"]);

    write_while_it_dies(address, &mortal);
    let before = mortal.got().len();
    let late = (0..LATE_WRITES).map(|number| format!("/late/{number}")).collect::<Vec<_>>();
    late.iter().for_each(|path| write(address, path));
    let page = || answer(ask(metrics, "localhost", "/metrics"));
    let backlog = |page: &str| values(page, "weir_queue_backlog_writes{");
    // All that it has not got waits for it: nothing is on its way any more.
    let has = mortal.got().into_iter().map(|got| got.path).collect::<BTreeSet<_>>().len();
    let missing = (CLIENTS * WRITES_OF_EACH + LATE_WRITES - has) as u64;
    until(|| backlog(&page())[0] >= missing);
    assert_eq!(mortal.got().len(), before, "it is dead");

    mortal.live();
    let page = until_some(|| {
        let page = page();
        let is_all = values(&page, "weir_queue_held_writes{") == [0] && backlog(&page) == [0, 0, 0];
        is_all.then_some(page)
    });
    let of_clients =
        (0..CLIENTS).flat_map(|client| (0..WRITES_OF_EACH).map(move |number| format!("/{client}/{number}")));
    let writes: BTreeSet<String> = of_clients.chain(late).collect();
    check_contents(&servers, &writes);
    // A client's next write was accepted when the one before had been, so they wait in that order.
    let caught_up = &mortal.got()[before..];
    assert_eq!(numbers(caught_up, "late"), Vec::from_iter(0..LATE_WRITES));
    for client in 0..CLIENTS {
        let order = numbers(caught_up, &client.to_string());
        assert!(order.is_sorted_by(|one, next| one < next), "client {client}: {order:?}");
    }
    let last = caught_up.iter().rposition(|got| !got.path.starts_with("/late/"));
    assert!(
        last.is_none_or(|last| last + LATE_WRITES < caught_up.len()),
        "late ones come last: {caught_up:?}"
    );
    assert_eq!(values(&page, "weir_queue_accepted_total{"), [writes.len() as u64]);
    assert_eq!(values(&page, "weir_queue_dead_writes{"), [0, 0, 0]);
}

#[test]
fn options_may_be_written_in_every_way() {
    let scratch = Scratch::new("options");
    let server = Recorder::start(Manner::Takes);
    let file = scratch.file("inventory.conf", format!("{}\n", server.address()));
    let (joined, short) = (format!("--inventory-path={file}"), format!("-i{file}"));
    for words in [
        [joined.as_str(), "--port=0", "--metrics-port=0"].as_slice(),
        &["--inv", &file, "--po", "0", "--metrics", "0"],
        &["--metrics-p=0", "--p=0", &format!("--i={file}")],
        &[&short, "-p0", "-m0"],
        &["-m=0", "-p=0", &format!("-i={file}")],
    ] {
        let (mut proxy, address, metrics) = duplicate(words);
        proxy.line("every one of 1 servers");
        let answered = answer(send(address, "POST", "/", "x"));
        assert!(answered.starts_with("HTTP/1.1 200 "), "{words:?}: {answered}");
        let page = answer(ask(metrics, "localhost", "/metrics"));
        assert_eq!(values(&page, "weir_queue_accepted_total{"), [1], "{words:?}");
    }
}
