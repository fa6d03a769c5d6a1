//! Thousands of clients that send a byte now and then, or take none, and others who must not notice.
//!
//! Two proxies do the same for the others, and only one of them has the slow ones; they take turns, so that both meet the same
//! machine. While it is the turn of the one without, the slow ones keep still: then nothing of them is in its figures.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "time is what is measured, and the figures are the result"
)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_testkit::wait::until_seen;

use super::footprint::{allow_many_descriptors, metric};
use super::mixture::{Origin, Wire, content, get};
use super::process::Running;
use super::scratch::Scratch;
use super::stall::unless_stalled;

/// Everybody else: connections, and the time between two requests of one.
const OTHERS: usize = 8;
const PACE: Duration = Duration::from_millis(5);

/// Between two bytes of a slow client, and between two looks at who is due.
const PERIOD: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// What a client that does not read is sent: more than the system takes for it.
const UNREAD_BYTES: usize = 400_000;

/// How many slow clients there are, how long a turn is, how many turns each proxy has, and what beside twice the time is forgiven.
struct Plan {
    slow: usize,
    turn: Duration,
    turns: usize,
    forgiven: Duration,
}

/// Servers for the slow ones, which wait as long as it takes. Gives their address.
fn patient_server() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    // As many as may come at once: whoever finds no room waits for a second.
    socket.listen(4096).unwrap();
    socket.set_nonblocking(true).unwrap();
    let listener = std::net::TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut bytes = [0; 1024];
                    let mut count = stream.read(&mut bytes).await.unwrap_or(0);
                    if bytes.starts_with(b"GET ") {
                        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {UNREAD_BYTES}\r\n\r\n");
                        let answer = [head.as_bytes(), &vec![b'x'; UNREAD_BYTES]].concat();
                        let _ = stream.write_all(&answer).await;
                    }
                    while count > 0 {
                        count = stream.read(&mut bytes).await.unwrap_or(0);
                    }
                });
            }
        });
    });
    address
}

fn start(scratch: &Scratch, origin: &Origin, patient: SocketAddr) -> (Running, SocketAddr, SocketAddr) {
    let file = scratch.file(
        "weir.yaml",
        format!(
            "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\nworkers: 2\n\
             timeouts: {{request_head: 10m, request_body: 10m, client_write: 10m, answer_head: 10m}}\n\
             services: [{{host: '*', routes: [{{path: /slow/, upstream: ['{patient}']}}, {{path: /, upstream: web}}]}}]\n\
             upstreams: {{web: {{servers: ['{}']}}}}\n",
            origin.address
        ),
    );
    let mut proxy = Running::start(&["run", "-c", &file]);
    let (address, admin) = proxy.addresses();
    (proxy, address, admin)
}

/// A slow client, of one of three kinds.
struct Slow {
    address: SocketAddr,
    kind: usize,
    stream: TcpStream,
}

impl Slow {
    fn connect(address: SocketAddr, kind: usize) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Who does not read has no room for what is sent; and small segments keep the system from taking much for it.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_tcp_mss(536).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        let begin = match kind % 3 {
            0 => "GET /slow/head HTTP/1.1\r\nHost: a.test\r\nX: ",
            1 => "POST /slow/body HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n",
            _ => "GET /slow/answer HTTP/1.1\r\nHost: a.test\r\n\r\n",
        };
        stream.write_all(begin.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { address, kind, stream }
    }

    /// Sends one byte more, or takes one. Whose time is over begins anew.
    fn go_on(&mut self) {
        let outcome = match self.kind % 3 {
            2 => self.stream.read(&mut [0]),
            _ => self.stream.write(b"x"),
        };
        if !matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            && outcome.unwrap_or(0) == 0
        {
            *self = Self::connect(self.address, self.kind);
        }
    }
}

/// The slow clients, one after the other, for as long as the test goes; nothing while it is not their turn.
fn trickle(slow: &mut [Slow], is_turn: &AtomicBool, is_over: &AtomicBool) {
    let (mut next, mut looked) = (0, Instant::now());
    while !is_over.load(SeqCst) {
        std::thread::park_timeout(LOOK);
        let share = looked.elapsed().as_secs_f64() / PERIOD.as_secs_f64();
        looked = Instant::now();
        if is_turn.load(SeqCst) {
            for _ in 0..(share * slow.len() as f64).round() as usize {
                slow[next].go_on();
                next = (next + 1) % slow.len();
            }
        }
    }
}

/// What 99 of 100 requests of the others take at most, in one turn.
fn turn(address: SocketAddr, time: Duration) -> Duration {
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let client = |place: usize| {
            move || {
                let mut wire = Wire::new(TcpStream::connect(address).unwrap());
                let (begun, mut times) = (Instant::now(), Vec::new());
                while begun.elapsed() < time {
                    std::thread::park_timeout(PACE);
                    let number = (place * 100_000 + times.len()) as u64;
                    let asked = Instant::now();
                    wire.write(get("web", "sized", 100, number)).unwrap();
                    let head = wire.head().unwrap().unwrap();
                    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                    assert_eq!(wire.body(&head).unwrap(), content(number, 100));
                    times.push(asked.elapsed());
                }
                times
            }
        };
        let clients: Vec<_> = (0..OTHERS).map(|place| scope.spawn(client(place))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn check(plan: &Plan) {
    // Two of three have a connection to their server too; the program keeps some from clients, and the others need a few.
    allow_many_descriptors(plan.slow * 5 / 3 + 1300);
    let (scratch, origin, patient) = (Scratch::new("slow"), Origin::alone(), patient_server());
    let (_alone, alone, _) = start(&scratch, &origin, patient);
    let (_beset, beset, admin) = start(&scratch, &origin, patient);
    let mut slow = Vec::with_capacity(plan.slow);
    for kind in 0..plan.slow {
        slow.push(Slow::connect(beset, kind));
        if kind % 500 == 499 {
            // More at once would find no room in the queue of the socket.
            until_seen(|| metric(admin, "weir_connections_open"), |open| *open as usize > kind);
            until_seen(|| metric(admin, "weir_requests_in_flight"), |busy| *busy as usize >= kind / 3 * 2);
        }
    }
    // Two thirds have got as far as to their server.
    until_seen(|| metric(admin, "weir_requests_in_flight"), |busy| *busy as usize >= plan.slow / 3 * 2);
    let (is_turn, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let trickling = scope.spawn(|| trickle(&mut slow, &is_turn, &is_over));
        let measured = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..plan.turns {
                is_turn.store(false, SeqCst);
                without.push(turn(alone, plan.turn));
                is_turn.store(true, SeqCst);
                with.push(turn(beset, plan.turn));
            }
        }));
        is_over.store(true, SeqCst);
        trickling.join().unwrap();
        measured.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let open = metric(admin, "weir_connections_open") as usize;
    assert!(open >= plan.slow, "{open} connections are open: the slow ones have gone");
    let (without, with) = (median(without), median(with));
    println!("p99 {without:?} without {} slow clients, {with:?} with them", plan.slow);
    assert!(
        with <= 2 * without + plan.forgiven,
        "{with:?} with {} slow clients, {without:?} without",
        plan.slow
    );
}

#[test]
fn slow_clients_cost_the_others_little() {
    let plan =
        Plan { slow: 1500, turn: Duration::from_millis(400), turns: 5, forgiven: Duration::from_millis(10) };
    unless_stalled(|| check(&plan));
}

#[test]
#[ignore = "takes half a minute of the whole machine: `cargo xtask test --full`"]
fn ten_thousand_slow_clients_cost_the_others_little() {
    let plan = Plan { slow: 10_000, turn: Duration::from_secs(2), turns: 7, forgiven: Duration::ZERO };
    unless_stalled(|| check(&plan));
}
