//! Ten upgrades under load: nobody is refused, nobody is reset, no WebSocket is cut, and every durable write reaches every server
//! (`semantics.md` §3.3).

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use weir_testkit::server::{Connection, Server};
use weir_testkit::wait::until;

use super::super::process::{answer, ask};
use super::super::scratch::Scratch;
use super::super::websocket::{Chat, echo_server};
use super::Family;
use super::websockets::Talkers;

const TIMES: usize = 10;
/// Far more than an answer takes on a machine that is busy with everything else.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests of each kind that are answered between two upgrades.
const BETWEEN: usize = 5;

/// Numbers of writes that a server has got.
type Got = Arc<Mutex<BTreeSet<usize>>>;

fn server() -> (Server, Got) {
    let got = Got::default();
    let notes = Arc::clone(&got);
    let server = Server::start(move |mut connection: Connection| {
        while let Ok(request) = connection.try_request() {
            if let Some(number) = request.target().strip_prefix("/write/") {
                notes.lock().unwrap_or_else(PoisonError::into_inner).insert(number.parse().unwrap());
            }
            if connection.try_send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    });
    (server, got)
}

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    over: AtomicBool,
    kept: AtomicUsize,
    fresh: AtomicUsize,
    writes: AtomicUsize,
    chats: AtomicUsize,
}

/// One exchange; whether the connection goes on.
fn exchange(stream: &mut BufReader<TcpStream>, request: &str) -> bool {
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let (mut line, mut head) = (String::new(), String::new());
    while stream.read_line(&mut line).unwrap() > 2 {
        head += &line;
        line.clear();
    }
    assert!(head.starts_with("HTTP/1.1 200 ") && line == "\r\n", "{request}: {head:?}");
    let mut body = [0; 2];
    stream.read_exact(&mut body).unwrap();
    assert_eq!(&body, b"ok");
    !head.to_ascii_lowercase().contains("connection: close")
}

fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

/// Asks until it is over, on one connection for as long as the proxy lets it.
fn ask_on(address: SocketAddr, seen: &Seen, count: &AtomicUsize, request: impl Fn() -> String) {
    let mut stream = connect(address);
    while !seen.over.load(Relaxed) {
        let goes_on = exchange(&mut stream, &request());
        count.fetch_add(1, Relaxed);
        if !goes_on {
            stream = connect(address);
        }
    }
}

/// Opens WebSockets, one after the other, says something on each and closes it in order, until it is over.
fn chat_again_and_again(address: SocketAddr, seen: &Seen) {
    while !seen.over.load(Relaxed) {
        let mut chat = Chat::open(address, "/chat");
        (0..3).for_each(|_| chat.exchange());
        chat.close();
        seen.chats.fetch_add(1, Relaxed);
    }
}

#[test]
fn ten_upgrades_under_load_refuse_nobody_and_lose_no_write() {
    let scratch = Scratch::new("upgrade-load");
    let ((one, got_one), (other, got_other)) = (server(), server());
    let text = format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nworkers: 2\nstate: '{}'\naccess_log: off\nservices: [{{host: '*', routes: [\
         {{path: /chat, upstream: chat}}, {{path: /, upstream: web, dispatch: \
         {{POST: {{mode: duplicate, acknowledge: all, catch_up: durable, answer_timeout: 60s}}}}}}]}}]\n\
         upstreams: {{web: {{servers: ['{one}', '{other}']}}, chat: {{servers: ['{}']}}}}\n",
        scratch.path("state"),
        echo_server(),
    );
    let file = scratch.file("weir.yaml", text);
    let mut family = Family::start(&["run", "-c", &file]);
    let address = family.address;
    let seen = Seen::default();
    let number = AtomicUsize::new(0);
    let write = || {
        let number = number.fetch_add(1, Relaxed);
        format!("POST /write/{number} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody")
    };
    let get = || "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_owned();
    let once = || "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n".to_owned();
    std::thread::scope(|scope| {
        // However this ends, the clients end.
        let over = Over(&seen.over);
        for _ in 0..2 {
            scope.spawn(|| ask_on(address, &seen, &seen.kept, get));
            scope.spawn(|| ask_on(address, &seen, &seen.fresh, once));
            scope.spawn(|| ask_on(address, &seen, &seen.writes, write));
        }
        scope.spawn(|| chat_again_and_again(address, &seen));
        let counts = || [&seen.kept, &seen.fresh, &seen.writes, &seen.chats].map(|count| count.load(Relaxed));
        let more = |before: [usize; 4]| {
            until(|| counts().iter().zip(before).all(|(now, before)| *now >= before + BETWEEN));
        };
        for time in 0..TIMES {
            more(counts());
            Talkers::during(address, |talkers| {
                if time % 2 == 0 {
                    family.replace();
                } else {
                    let (code, told, error) = family.upgrade(&["--json"]);
                    assert_eq!(code, Some(0), "{error}");
                    family.in_charge();
                    assert!(told.contains(&family.pid().to_string()), "{told}");
                }
                // Both are at work: the old one has their WebSockets, and lets go of the queue all the same.
                talkers.are_not_with(family.admin);
                talkers.go_on();
                family.running.line("the queue is taken over");
                talkers.go_on();
                more(counts());
            });
            family.running.line("stopped connections_cut=0");
        }
        more(counts());
        drop(over);
    });
    until(|| answer(ask(family.admin, "localhost", "/api/v1/queues/web")).contains("\"backlog_writes\": 0"));
    let all: BTreeSet<usize> = (0..number.load(Relaxed)).collect();
    for got in [got_one, got_other] {
        assert_eq!(*got.lock().unwrap_or_else(PoisonError::into_inner), all);
    }
    let lines = family.end();
    assert!(lines.iter().any(|line| line.contains("stopped connections_cut=0")), "{lines:?}");
}

/// Says that it is over when it goes, also by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
