//! Many servers, checked again and again, on a clock that the tests turn.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::rc::Rc;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use weir_core::health::{Probe, State};
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use super::*;

mod at_once;
mod speed;

const SECOND: Duration = Duration::from_secs(1);

fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        Builder::new_current_thread().enable_all().start_paused(true).build_local(LocalOptions::default());
    runtime.unwrap().block_on(test)
}

fn check_of(probe: Probe) -> HealthCheck {
    HealthCheck { jitter: 0.0, ..HealthCheck::new(probe) }
}

fn checker(check: HealthCheck) -> Checker {
    Checker::new(Arc::new(check))
}

fn server(address: SocketAddr) -> Arc<Server> {
    let transport = Transport::Ip(address.ip(), address.port());
    let written = address.to_string().into();
    Arc::new(Server::new(ServerAddress { written, scheme: Scheme::Http, transport, base: "".into() }))
}

/// A port that is taken, and at which nobody listens before the test says so.
fn deaf() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

fn only(found: Vec<Found>) -> (State, String) {
    assert_eq!(found.len(), 1, "{found:?}");
    let turn = found.into_iter().next().unwrap().turn.unwrap();
    (turn.to, turn.reason.into_string())
}

/// How long the clock says that something took.
async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let begun = now();
    let done = work.await;
    (now() - begun, done)
}

/// Longer than anything here takes; tells a check that is late from one that never comes.
async fn nothing_for(checker: &mut Checker, time: Duration) {
    let waited = tokio::time::timeout(time, checker.found()).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[test]
fn a_server_goes_down_and_comes_back_in_the_time_that_was_stated() {
    local(async {
        let ((socket, address), check) = (deaf(), HealthCheck { healthy_after: 2, ..check_of(Probe::Tcp) });
        let mut checker = checker(check.clone());
        let server = server(address);
        assert_eq!(checker.follow(&[Arc::clone(&server)]).len(), 1);
        let (took, turns) = timed(checker.found()).await;
        assert_eq!(
            only(turns),
            (State::Unreachable, "3 checks in a row failed: connection refused".to_owned())
        );
        assert_eq!(took.as_millis(), 500, "the first one at once, the others at the faster pace");
        assert_eq!((server.checks.failures_in_a_row(), server.checks.last_success()), (3, None));

        nothing_for(&mut checker, 10 * SECOND).await;
        socket.listen(128).unwrap();
        let (took, turns) = timed(checker.found()).await;
        assert_eq!(only(turns), (State::Healthy, "2 checks in a row passed".to_owned()));
        assert!(took <= check.interval * check.healthy_after + SECOND, "{took:?}");
        assert!(server.checks.last_success().is_some());

        drop(socket);
        let (took, turns) = timed(checker.found()).await;
        assert_eq!(only(turns).0, State::Unreachable);
        assert!(took <= check.interval * check.unhealthy_after + SECOND, "{took:?}");
        assert!(took > check.interval * (check.unhealthy_after - 1), "one pause is no outage: {took:?}");
    });
}

/// Accepts and never answers, and counts how many are there at once.
async fn hang(listener: TcpListener, most: Rc<std::cell::Cell<usize>>) {
    let mut open: Vec<tokio::net::TcpStream> = Vec::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let is_open = |stream: &tokio::net::TcpStream| {
            let mut room = [0; 512];
            !matches!(stream.try_read(&mut room), Ok(0))
        };
        // What has come of the request is read first, then the end.
        open.retain(|stream| is_open(stream) && is_open(stream));
        open.push(stream);
        most.set(most.get().max(open.len()));
    }
}

#[test]
fn a_server_that_hangs_is_asked_one_thing_at_a_time() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = server(listener.local_addr().unwrap());
        let most = Rc::new(std::cell::Cell::new(0));
        tokio::task::spawn_local(hang(listener, Rc::clone(&most)));
        let probe = Probe::Http(Box::new(weir_core::health::HttpProbe::new("/")));
        // The timeout is much longer than the intervals.
        let mut checker = checker(HealthCheck {
            interval: SECOND / 10,
            unhealthy_interval: SECOND / 10,
            unhealthy_after: 5,
            ..check_of(probe)
        });
        checker.follow(&[Arc::clone(&server)]);
        let (took, turns) = timed(checker.found()).await;
        let reason = "5 checks in a row failed: no whole answer within 1s".to_owned();
        assert_eq!(only(turns), (State::Unreachable, reason));
        assert_eq!(took.as_secs(), 5, "each one when the one before was over");
        assert_eq!(most.get(), 1);
        assert_eq!(server.checks.by_outcome(), [0, 0, 5, 0]);
    });
}

#[test]
fn only_so_many_checks_are_under_way_at_once_and_everybody_has_a_turn() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let most = Rc::new(std::cell::Cell::new(0));
        tokio::task::spawn_local(hang(listener, Rc::clone(&most)));
        let probe = Probe::Http(Box::new(weir_core::health::HttpProbe::new("/")));
        let mut checker = checker(HealthCheck { unhealthy_after: 1, ..check_of(probe) });
        let servers: Vec<_> = (0..AT_ONCE_MAX + 100).map(|_| server(address)).collect();
        assert_eq!(checker.follow(&servers).len(), servers.len());
        let mut down = HashSet::new();
        while down.len() < servers.len() {
            down.extend(checker.found().await.into_iter().map(|found| found.server.slot()));
            assert!(checker.running.len() <= AT_ONCE_MAX);
        }
        assert_eq!(most.get(), AT_ONCE_MAX);
    });
}

#[test]
fn who_has_left_is_heard_of_no_more_and_who_comes_back_begins_anew() {
    local(async {
        let (sockets, addresses): (Vec<_>, Vec<_>) = [deaf(), deaf()].into_iter().unzip();
        let (one, other) = (server(addresses[0]), server(addresses[1]));
        let mut checker = checker(check_of(Probe::Tcp));
        checker.follow(&[Arc::clone(&one), Arc::clone(&other)]);
        // The first check of each is under way or due.
        nothing_for(&mut checker, SECOND / 10).await;
        assert!(checker.follow(std::slice::from_ref(&other)).is_empty(), "it was there before");
        assert!(!checker.follows(&one) && checker.follows(&other));
        let turns = checker.found().await;
        assert_eq!(turns[0].server.slot(), other.slot());
        assert_eq!(turns.len(), 1);
        assert_eq!(one.checks.failures_in_a_row(), 1, "no check after it left");
        // Left and back between two checks: three failures from here, not one.
        assert!(checker.follow(&[]).is_empty());
        assert_eq!(checker.follow(&[Arc::clone(&one)]).len(), 1);
        let (took, turns) = timed(checker.found()).await;
        assert_eq!((only(turns).0, took.as_millis()), (State::Unreachable, 500));
        assert!(checker.due.len() <= 2, "{:?}", checker.due);
        drop(sockets);
    });
}

/// Left while its check is under way: the answer is nobody's.
#[test]
fn a_check_that_is_under_way_ends_with_its_server() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = server(listener.local_addr().unwrap());
        let probe = Probe::Http(Box::new(weir_core::health::HttpProbe::new("/")));
        let mut checker = checker(HealthCheck { unhealthy_after: 1, ..check_of(probe) });
        checker.follow(&[Arc::clone(&server)]);
        nothing_for(&mut checker, SECOND / 2).await;
        assert_eq!(checker.running.len(), 1);
        checker.follow(&[]);
        nothing_for(&mut checker, 5 * SECOND).await;
        assert_eq!((checker.running.len(), checker.asked.len()), (0, 0));
        assert_eq!(server.checks.by_outcome(), [0; 4]);
    });
}

#[test]
fn nobody_to_check_is_nothing_to_do() {
    local(async {
        let mut checker = checker(check_of(Probe::Tcp));
        nothing_for(&mut checker, 3600 * SECOND).await;
    });
}

/// A thousand servers: none is asked later than an interval after it came, and no moment has more than its part of them.
#[test]
fn many_servers_are_spread() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::task::spawn_local(async move {
            loop {
                drop(listener.accept().await.unwrap());
            }
        });
        let servers: Vec<_> = (0..1000).map(|_| server(address)).collect();
        let mut checker = checker(HealthCheck { jitter: 0.1, ..check_of(Probe::Tcp) });
        checker.follow(&servers);
        let (begun, mut healthy, mut at_once) = (now(), 0, 0);
        while healthy < servers.len() {
            let turns = checker.found().await.len();
            (healthy, at_once) = (healthy + turns, at_once.max(turns));
        }
        assert!(now() - begun <= checker.check.interval, "{:?}", now() - begun);
        assert!(at_once <= 100, "{at_once} in one moment");
        // From then on a tenth of a second has about a tenth of the checks.
        let count = |servers: &[Arc<Server>]| -> u64 {
            servers.iter().map(|server| server.checks.by_outcome()[0]).sum()
        };
        nothing_for(&mut checker, 3 * SECOND).await;
        for _ in 0..10 {
            let before = count(&servers);
            nothing_for(&mut checker, SECOND / 10).await;
            let checks = count(&servers) - before;
            assert!((50..200).contains(&checks), "{checks} checks in a tenth of a second");
        }
    });
}

/// Twenty thousand servers that come and go within one interval leave nothing behind.
#[test]
fn what_is_due_does_not_grow_with_those_who_have_left() {
    local(async {
        let (_socket, address) = deaf();
        let mut checker = checker(HealthCheck { interval: 3600 * SECOND, ..check_of(Probe::Tcp) });
        let stays = server(address);
        for _ in 0..20_000 {
            checker.follow(&[Arc::clone(&stays), server(address)]);
        }
        assert!(checker.due.len() <= 2 * 2 + STALE_MAX, "{}", checker.due.len());
        assert_eq!((checker.watched.len(), checker.asked.len(), checker.doubted.len()), (2, 0, 0));
        let (_, turns) = timed(checker.found()).await;
        assert!(turns.iter().any(|found| found.server.slot() == stays.slot()), "it is checked all the same");
    });
}
