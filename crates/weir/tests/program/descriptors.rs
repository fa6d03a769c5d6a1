//! File descriptors that run out, and come back (`semantics.md` §4.2): whoever is being served goes on being served, no server is
//! blamed, the processor has nothing to do meanwhile, and whoever waits gets in.

#![allow(clippy::disallowed_methods, reason = "processor time is held against that of the wall")]

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_testkit::server::{Server, sized};
use weir_testkit::socket::Socket;
use weir_testkit::wait::until_seen;

use super::footprint::{descriptors, metric, processor_time};
use super::process::{Running, answer, ask};
use super::scratch::Scratch;

/// Descriptors that the program may have.
const MOST: usize = 200;

/// Connections that a flood opens: more than can be accepted, and fewer than the system lets wait.
const FLOOD: usize = 400;

/// As many as can be accepted, and more than can be sent on at once.
const FEW: usize = 120;

/// What is said when clients have as many as they may, or there are none at all.
const PAUSES: &str = "accepting pauses";

/// Says to each request its target; to those that begin with `/held/` when this is not held any more.
fn holding() -> (Server, Arc<RwLock<()>>) {
    let gate = Arc::new(RwLock::new(()));
    let passed = Arc::clone(&gate);
    let server = Server::start(move |mut connection| {
        while let Some(request) = connection.whole_request() {
            if request.target().starts_with("/held/") {
                drop(passed.read().unwrap_or_else(PoisonError::into_inner));
            }
            if connection.try_send(sized(request.target())).is_err() {
                return;
            }
        }
    });
    (server, gate)
}

struct Stage {
    proxy: Running,
    address: SocketAddr,
    admin: SocketAddr,
    _scratch: Scratch,
}

impl Stage {
    fn set(server: &Server) -> Self {
        let scratch = Scratch::new("descriptors");
        let file = scratch.file(
            "weir.yaml",
            format!(
                "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\nworkers: 2\n\
                 timeouts: {{request_head: 5m}}\nservices: [{{host: '*', upstream: web}}]\n\
                 upstreams: {{web: {{servers: ['{server}']}}}}\n"
            ),
        );
        let mut proxy = Running::start_with_descriptors(&["run", "-c", &file], MOST);
        let (address, admin) = proxy.addresses();
        Self { proxy, address, admin, _scratch: scratch }
    }

    fn connect(&self) -> Socket {
        TcpStream::connect(self.address).unwrap().into()
    }

    /// Connections that have sent this.
    fn flood(&self, count: usize, saying: impl Fn(usize) -> String) -> Vec<Socket> {
        let sent = |number| {
            let mut client = self.connect();
            client.send(saying(number));
            client
        };
        (0..count).map(sent).collect()
    }

    /// Demands that a program which waits does not spin. It may still be busy with what came before.
    fn expect_idle_processor(&self) {
        let share = || {
            let (begun, before) = (Instant::now(), processor_time(&self.proxy));
            while begun.elapsed() < Duration::from_secs(1) {
                std::thread::park_timeout(Duration::from_millis(100));
            }
            (processor_time(&self.proxy) - before).as_secs_f64() / begun.elapsed().as_secs_f64()
        };
        let shares: Vec<f64> = (0..5).map(|_| share()).take_while(|share| *share > 0.1).collect();
        assert!(shares.len() < 5, "of each second it used {shares:?}");
    }

    /// Demands that all is as before: a new client is served, and nobody was blamed for anything.
    fn expect_recovery(&self) {
        until_seen(|| descriptors(&self.proxy), |open| *open < MOST / 2);
        expect_own(&mut self.connect(), "/recovered");
        let said = answer(ask(self.admin, "localhost", "/api/v1/upstreams/web"));
        let upstream: Value = serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap();
        let server = &upstream["servers"][0];
        assert_eq!(server["ejection"]["breaker"], "closed", "{server:#}");
        for count in ["connect_failures_total", "failures_total"] {
            assert_eq!(server[count], 0, "{server:#}");
        }
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

fn expect_own(client: &mut Socket, target: &str) {
    assert_eq!(client.send(get(target)).answer().expect(200).text(), target);
}

/// Clients could take every descriptor by connecting, and then no request could be sent on to a server, whoever asked.
#[test]
fn clients_leave_descriptors_for_servers() {
    let (server, gate) = holding();
    let mut stage = Stage::set(&server);
    let closed = gate.write().unwrap();
    let mut held = stage.flood(8, |number| get(&format!("/held/{number}")));
    server.wait_requests(8);
    let mut begun = stage.flood(8, |number| format!("GET /begun/{number} HTTP/1.1\r\n"));
    // None of these is idle, so that none can be closed for the others.
    let mut flood = stage.flood(FLOOD, |_| "GET /flood HTTP/1.1\r\n".to_owned());
    stage.proxy.line(PAUSES);
    stage.expect_idle_processor();
    // Who goes lets one in. It was two, one of them on a descriptor that is kept, until none of those was left.
    let full = descriptors(&stage.proxy);
    for client in flood.drain(..40) {
        drop(client);
        until_seen(|| descriptors(&stage.proxy), |open| *open >= full);
    }
    // All at once, so that each needs another connection to the server.
    begun.iter_mut().for_each(|client| _ = client.send("Host: a.test\r\n\r\n"));
    for (number, client) in begun.iter_mut().enumerate() {
        assert_eq!(client.answer().expect(200).text(), format!("/begun/{number}"));
    }
    drop(closed);
    for (number, client) in held.iter_mut().enumerate() {
        assert_eq!(client.answer().expect(200).text(), format!("/held/{number}"));
    }
    drop(flood);
    stage.expect_recovery();
}

/// Who has nothing to say makes room for who has.
#[test]
fn idle_clients_make_room_for_others() {
    let (server, _gate) = holding();
    let mut stage = Stage::set(&server);
    let mut flood = stage.flood(FLOOD, |_| String::new());
    stage.proxy.line(PAUSES);
    // Behind all of them in the queue, while none of them goes.
    expect_own(&mut stage.connect(), "/newcomer");
    // They were told by the end of their connection, without a word.
    flood[0].expect_end();
    drop(flood);
    stage.expect_recovery();
}

/// Clients that are there already, and then all ask at once: each request takes one more for the server, until there is none.
#[test]
fn want_of_descriptors_for_servers_is_their_fault_in_nobodys_eyes() {
    let (server, gate) = holding();
    let stage = Stage::set(&server);
    let closed = gate.write().unwrap();
    let mut clients = stage.flood(FEW, |_| String::new());
    until_seen(|| metric(stage.admin, "weir_connections_open"), |open| *open as usize == FEW);
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(get(&format!("/held/{number}")));
    }
    until_seen(|| descriptors(&stage.proxy), |open| *open >= MOST - 1);
    // When it rests, everybody has a connection to the server or an answer.
    stage.expect_idle_processor();
    drop(closed);
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for (number, client) in clients.iter_mut().enumerate() {
        let answer = client.answer();
        *statuses.entry(answer.status()).or_default() += 1;
        match answer.status() {
            200 => assert_eq!(answer.text(), format!("/held/{number}")),
            _ => assert_eq!(answer.field("retry-after"), Some("1"), "{answer}"),
        }
    }
    // A limit of ours, not a fault of the server's (`semantics.md` §1.10).
    assert!(statuses.keys().eq([&200, &503]), "{statuses:?}");
    drop(clients);
    stage.expect_recovery();
}
