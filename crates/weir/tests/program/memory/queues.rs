//! What waits while nobody is connected any more: writes for a server that is down, copies for a mirror that never answers. It
//! has bounds of its own, whoever sends how much.

use std::net::{SocketAddr, TcpListener, TcpStream};

use super::server::Server;
use super::stage::Stage;
use crate::footprint::metric;
use crate::mixture::{Origin, Wire, content, field};

/// What a queue in memory may cost beside the bytes that it counts, for those who fill it and what their bodies are kept in.
const QUEUE_BYTES_MAX: usize = 24 << 20;
/// What a small write may cost beside the bytes of its head and its body, which are counted.
const WRITE_BYTES_MAX: usize = 1280;
/// What the program itself may have taken meanwhile.
const PROGRAM_BYTES_MAX: usize = 8 << 20;
/// What copies for a mirror may cost: half of `replay.total` for their bodies; for each of two workers 32 MiB of heads, and 64 of
/// them on their way.
const MIRROR_BYTES_MAX: usize = (32 << 20) + 2 * ((32 << 20) + 64 * (512 << 10));

/// A large body, which is kept in memory all the same.
const BODY_BYTES: usize = 200_000;

/// Clients that send at the same time, so that every worker has some.
const CLIENTS: usize = 8;

/// An address where nobody is.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Sends requests, so many in turn on several connections; gives the statuses of the answers, in any order.
fn send(address: SocketAddr, count: u64, request: impl Fn(u64) -> Vec<u8> + Sync) -> Vec<String> {
    std::thread::scope(|scope| {
        let client = |place: usize| {
            let request = &request;
            move || {
                let mut wire = Wire::new(TcpStream::connect(address).unwrap());
                let mut statuses = Vec::new();
                for number in (place as u64..count).step_by(CLIENTS) {
                    wire.write(request(number)).unwrap();
                    let head = wire.head().unwrap().unwrap();
                    wire.body(&head).unwrap();
                    statuses.push(head.split(' ').nth(1).unwrap().to_owned());
                    if field(&head, "connection").is_some() {
                        wire = Wire::new(TcpStream::connect(address).unwrap());
                    }
                }
                statuses
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|place| scope.spawn(client(place))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn post(mode: &str, number: u64, bytes: usize) -> Vec<u8> {
    let head = format!(
        "POST /{mode}/echo/{bytes}/{number:x} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {bytes}\r\n\r\n"
    );
    [head.as_bytes(), &content(number, bytes)].concat()
}

/// Writes for two servers of which one is not there, until no more are taken. Gives how many were.
fn fill(stage: &Stage, count: u64, bytes: usize) -> usize {
    let statuses = send(stage.plain, count, |number| post("memory", number, bytes));
    let taken = statuses.iter().filter(|status| *status == "200").count();
    assert!(statuses.iter().all(|status| status == "200" || status == "503"), "{statuses:?}");
    assert!(taken < statuses.len(), "the queue has an end");
    assert_eq!(metric(stage.admin, "weir_queue_held_writes"), taken as u64);
    taken
}

fn queue(bounds: &str) -> (Origin, Stage) {
    let origin = Origin::alone();
    let route = format!("dispatch: {{mode: duplicate, {bounds}}}");
    let stage = Stage::set(&[origin.address, nobody()], &route, "");
    (origin, stage)
}

#[test]
fn writes_that_wait_in_memory_cost_no_more_than_backlog_bytes_say() {
    let (_origin, stage) = queue("backlog_bytes: 48MiB");
    let taken = fill(&stage, 400, BODY_BYTES);
    let (growth, held) = (stage.growth_bytes(), metric(stage.admin, "weir_queue_held_bytes") as usize);
    println!("{taken} large writes wait: {growth} bytes of memory for {held} that are counted");
    // A body counts when it is whole, so those that come at the same time may all find room.
    let bound = (48 << 20) + CLIENTS * (BODY_BYTES + 1000);
    assert!(held <= bound, "{held} bytes are held");
    assert!(growth <= bound + QUEUE_BYTES_MAX, "{growth} bytes of memory for {held}");
}

#[test]
fn small_writes_that_wait_in_memory_cost_little_beside_their_bytes() {
    const WRITES: usize = 20_000;
    let (_origin, stage) = queue("backlog: 20000");
    let taken = fill(&stage, WRITES as u64 + 500, 20);
    let (growth, held) = (stage.growth_bytes(), metric(stage.admin, "weir_queue_held_bytes") as usize);
    println!("{taken} small writes wait: {growth} bytes of memory for {held} that are counted");
    assert_eq!(taken, WRITES);
    assert!(
        growth <= held + WRITES * WRITE_BYTES_MAX + PROGRAM_BYTES_MAX,
        "{growth} bytes of memory for {held}"
    );
}

/// Bodies, heads, and both once more: nothing of it goes out while the mirror is silent.
#[test]
fn copies_for_a_mirror_that_never_answers_cost_no_more_than_is_stated() {
    let (origin, mirror) = (Origin::alone(), Server::endless());
    mirror.hold(true);
    let top = format!("  deaf: {{servers: ['{}']}}\n", mirror.address);
    let route = "mirror: {upstream: deaf, queue: 100000, timeout: 5m}";
    let stage = Stage::set(&[origin.address], route, &top);
    let heads = |number| {
        let fields = format!("X: {}\r\nY: {}\r\n\r\n", "x".repeat(15_000), "y".repeat(15_000));
        format!("GET /web/sized/20/{number:x} HTTP/1.1\r\nHost: a.test\r\n{fields}").into_bytes()
    };
    for round in 1..=3 {
        send(stage.plain, 400, |number| post("web", number, BODY_BYTES));
        send(stage.plain, 4000, heads);
        let (growth, dropped) = (
            stage.growth_bytes(),
            metric(stage.admin, "weir_mirrored_requests_total{upstream=\"deaf\",outcome=\"dropped_queue\"}"),
        );
        println!("round {round}, {dropped} copies dropped: {} KiB of memory", growth / 1024);
        assert!(dropped > 0, "there is an end to what waits");
        assert!(growth <= MIRROR_BYTES_MAX, "{growth} bytes of memory");
    }
    mirror.hold(false);
}
