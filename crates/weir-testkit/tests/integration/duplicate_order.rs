//! Order of a backlog in mode `duplicate`: numbers and gates hold for all workers (`semantics.md` §3.2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir_testkit::client::{ask, connect};
use weir_testkit::message::Message;
use weir_testkit::proxy;
use weir_testkit::server::{Server, sized};
use weir_testkit::wait::until;

const CLIENTS: usize = 16;
const WRITES_OF_EACH: usize = 8;

/// How often a server lets others run before it answers, so that a second request at the same time would be seen.
const YIELDS: usize = 20;

/// A server that is down at first, and knows how many requests it has had at once.
struct Flaky {
    server: Server,
    down: Arc<AtomicBool>,
    most_at_once: Arc<AtomicUsize>,
}

impl Flaky {
    fn start() -> Self {
        let down = Arc::new(AtomicBool::new(true));
        let (at_once, most_at_once) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let (is_down, most) = (Arc::clone(&down), Arc::clone(&most_at_once));
        let server = Server::start(move |mut connection| {
            while connection.request().is_some() {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..YIELDS {
                    std::thread::yield_now();
                }
                at_once.fetch_sub(1, Ordering::SeqCst);
                if is_down.load(Ordering::SeqCst) {
                    connection.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
                } else {
                    connection.send(sized("late"));
                }
            }
        });
        Self { server, down, most_at_once }
    }

    /// What it got behind so many requests, without what was tried again.
    fn order_behind(&self, requests: usize) -> Vec<String> {
        let mut order: Vec<String> = self.server.requests()[requests..].iter().map(Message::text).collect();
        order.dedup();
        order
    }
}

fn post(text: &str) -> String {
    format!("POST /orders HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// Writes come through every worker while two servers have a backlog. There is one sequence: both get them in the same order, one
/// at a time, and no worker passes the gate.
#[test]
fn semantics_3_2_a_gate_holds_for_all_workers_and_there_is_one_sequence() {
    let steady = Server::saying("steady");
    let flaky = [Flaky::start(), Flaky::start()];
    let proxy = proxy::start(&format!(
        "workers: 4
services: [{{host: \"*\", upstream: web, dispatch: duplicate}}]
upstreams: {{web: {{servers: [\"{steady}\", \"{}\", \"{}\"]}}}}
",
        flaky[0].server, flaky[1].server
    ));
    ask(&proxy, post("first")).expect(200);
    let behind = || proxy.status().queues[0].servers[1..].to_vec();
    until(|| behind().iter().all(|server| server.gate_closed && server.live == 0));
    for server in &flaky {
        server.most_at_once.store(0, Ordering::SeqCst);
    }

    let mut clients: Vec<_> = (0..CLIENTS).map(|_| connect(&proxy)).collect();
    let write = |client: usize, number: usize| format!("{client}/{number}");
    for number in 0..WRITES_OF_EACH {
        // All at once, so that workers compete.
        for (client, connection) in clients.iter_mut().enumerate() {
            connection.send(post(&write(client, number)));
        }
        for connection in &mut clients {
            connection.answer().expect(200);
        }
    }
    let busy = proxy.connections_by_worker().into_iter().filter(|connections| *connections > 0).count();
    assert!(busy > 1, "{CLIENTS} connections on {busy} worker");
    let all = CLIENTS * WRITES_OF_EACH;
    assert!(behind().iter().all(|server| (server.backlog, server.live) == (all + 1, 0)), "{:?}", behind());

    for server in &flaky {
        server.down.store(false, Ordering::SeqCst);
    }
    until(|| proxy.status().queues[0].backlog_writes == 0);
    let orders = flaky.each_ref().map(|server| server.order_behind(0));
    assert_eq!(orders[0], orders[1], "there are two sequences");
    assert_eq!((orders[0].len(), orders[0][0].as_str()), (all + 1, "first"));
    for client in 0..CLIENTS {
        let prefix = format!("{client}/");
        let own: Vec<&String> = orders[0].iter().filter(|text| text.starts_with(&prefix)).collect();
        let sent: Vec<String> = (0..WRITES_OF_EACH).map(|number| write(client, number)).collect();
        assert!(own.into_iter().eq(&sent), "client {client}: {:?}", orders[0]);
    }
    for server in &flaky {
        assert_eq!(server.most_at_once.load(Ordering::SeqCst), 1, "a gate was passed");
    }

    // The gates are open again, for every worker.
    for (number, connection) in clients.iter_mut().enumerate() {
        connection.send(post(&write(number, WRITES_OF_EACH))).answer().expect(200);
    }
    for server in &flaky {
        server.server.wait_requests(all + 1 + CLIENTS);
    }
    until(|| behind().iter().all(|server| server.live == 0));
    assert!(behind().iter().all(|server| !server.gate_closed && server.backlog == 0), "{:?}", behind());
}
