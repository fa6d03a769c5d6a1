//! A server that gets its share little by little, over real sockets and on a clock that the test turns.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::advance;
use weir_core::balance::Strategy;
use weir_core::health::{PANIC_PERCENT, State};
use weir_core::retry::RetryPolicy;
use weir_core::server::{ServerAddress, Transport};
use weir_http::head::Head;
use weir_http::target::Scheme;

use super::*;
use crate::h1::head::HeadLimits;
use crate::io::deadline::now;
use crate::member::Server;
use crate::pool::Pools;
use crate::roster::{Member, Origin};
use crate::select;
use crate::send::{Beyond, Keep, SendBody, SendLimits, send};
use crate::upstream::Waits;

const SECOND: Duration = Duration::from_secs(1);

/// How long a server takes until it has its whole share: a second for each step.
const SLOW_START: Duration = Duration::from_secs(10);

const LIMITS: SendLimits<'static> = SendLimits {
    connect: SECOND,
    whole: SECOND,
    head: HeadLimits { bytes_max: 1024, fields_max: 16 },
    body_bytes_max: 100,
    beyond: Beyond::Refused,
    keep: Keep::All,
    idle: Duration::from_secs(3600),
    reuse_unsafe: Duration::ZERO,
};

/// Servers that count what they are asked, an upstream of them with its keeper, and a clock that stands still.
struct Scene {
    upstream: Arc<Upstream>,
    pools: Pools,
    counts: Vec<Rc<Cell<usize>>>,
}

impl Scene {
    /// Begins with one server.
    async fn new() -> Self {
        let roster = Roster::new(Vec::new(), PANIC_PERCENT).with_slow_start(Some(SLOW_START));
        let waits = Waits {
            connect: SECOND,
            answer_head: SECOND,
            answer_body: SECOND,
            idle: SECOND,
            reuse_unsafe: SECOND,
        };
        let upstream = Upstream::new("web", roster, Strategy::RoundRobin, RetryPolicy::default(), waits);
        let mut scene = Self { upstream: Arc::new(upstream), pools: Pools::default(), counts: Vec::new() };
        spawn_local(keep(Arc::clone(&scene.upstream)));
        scene.join().await;
        advance(SLOW_START).await;
        scene.until_shares(&[1]).await;
        scene
    }

    /// One more server joins.
    async fn join(&mut self) -> Arc<Server> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Rc::new(Cell::new(0));
        spawn_local(serve(listener, Rc::clone(&count)));
        self.counts.push(count);
        let server = server_at(address);
        let member = Member::new(Arc::clone(&server), 1, Origin::Added, State::Healthy);
        assert!(self.upstream.change(|roster| roster.join(member, Moment::now())));
        server
    }

    /// Waits until the keeper has published these shares. The clock stands still meanwhile.
    async fn until_shares(&self, expected: &[u32]) {
        for _ in 0..10_000 {
            if *self.upstream.group().shares == *expected {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{:?} instead of {expected:?}", self.upstream.group().shares);
    }

    /// Sends so many requests, and says how many each server got.
    async fn ask(&self, requests: usize) -> Vec<usize> {
        let before: Vec<usize> = self.counts.iter().map(|count| count.get()).collect();
        for _ in 0..requests {
            let group = self.upstream.group();
            let turn = select::turn(&self.upstream, &group, None, None);
            let (place, in_flight) = select::take(&self.upstream, &group, turn, now(), |_| true).unwrap();
            let request = Head::request(b"GET", b"/");
            let body = SendBody::Memory(Bytes::new());
            let answer = send(&group.servers[place], &request, body, &LIMITS, Some(&self.pools)).await;
            assert_eq!(answer.unwrap().head.status(), 200);
            drop(in_flight);
        }
        self.counts.iter().zip(before).map(|(count, before)| count.get() - before).collect()
    }

    /// The last of two servers begins with a tenth of its share, and gets as much more with each second.
    async fn expect_growth(&self) {
        for step in 1..10 {
            // Of so many requests each server gets whole ones.
            let (hundreds, whole) = (100 * step as u32, 10 + step);
            self.until_shares(&[1000, hundreds]).await;
            assert_eq!(self.ask(whole).await, [10, step]);
            // The first step is the second one's too: there is no share of nothing.
            let seconds = if step == 1 { 2 } else { 1 };
            advance(SECOND * seconds - Duration::from_millis(1)).await;
            assert_eq!(self.ask(whole).await, [10, step], "not before its time");
            advance(Duration::from_millis(1)).await;
        }
        self.until_shares(&[1, 1]).await;
        assert_eq!(self.ask(10).await, [5, 5]);
    }
}

fn server_at(address: SocketAddr) -> Arc<Server> {
    let transport = Transport::Ip(address.ip(), address.port());
    let written = address.to_string().into();
    Arc::new(Server::new(ServerAddress { written, scheme: Scheme::Http, transport, base: "".into() }))
}

async fn serve(listener: TcpListener, count: Rc<Cell<usize>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        spawn_local(answer(stream, Rc::clone(&count)));
    }
}

/// Answers each request of a connection, and counts it.
async fn answer(mut stream: TcpStream, count: Rc<Cell<usize>>) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            count.set(count.get() + 1);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    }
}

/// Does this on a clock that nothing but the test moves, also while it waits for the network.
async fn on_a_standing_clock(test: impl Future<Output = ()>) {
    // As long as a blocking task runs, the runtime does not turn a paused clock when it has nothing to do.
    let (end, ended) = std::sync::mpsc::sync_channel::<()>(1);
    let held = tokio::task::spawn_blocking(move || ended.recv());
    test.await;
    drop(end);
    // It has nothing to say but that it was let go.
    let _ = held.await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_server_that_joins_gets_its_share_over_the_window() {
    on_a_standing_clock(async {
        let mut scene = Scene::new().await;
        assert_eq!(scene.ask(3).await, [3]);
        scene.join().await;
        scene.expect_growth().await;
    })
    .await;
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_server_that_recovers_gets_its_share_over_the_window() {
    on_a_standing_clock(async {
        let mut scene = Scene::new().await;
        let server = scene.join().await;
        advance(SLOW_START).await;
        scene.until_shares(&[1, 1]).await;
        let find = |state, reason: &str| {
            let moment = Moment::now();
            let changed =
                scene.upstream.change(|roster| roster.checked(server.name(), state, reason, moment));
            assert_eq!(changed, Ok(true));
        };
        find(State::Unreachable, "3 checks in a row failed");
        scene.until_shares(&[1, 0]).await;
        assert_eq!(scene.ask(4).await, [4, 0]);
        find(State::Healthy, "a check passed");
        scene.expect_growth().await;
    })
    .await;
}
