//! Members that are ejected, tried and warmed up, as requests see them.

#![allow(clippy::unwrap_used)]

use weir_core::balance::Strategy;
use weir_core::health::{BreakerState, EjectionRule, Fault, HealthCheck, PANIC_PERCENT, Probe};
use weir_core::retry::RetryPolicy;
use weir_core::server::{ServerAddress, Transport};
use weir_http::head::Head;
use weir_http::target::Scheme;

use super::*;
use crate::breakers::Breakers;
use crate::io::deadline::pause;
use crate::member::InFlight;
use crate::recruit::Recruit;
use crate::select;
use crate::upstream::{Upstream, Waits};

const SOON: Duration = Duration::from_secs(1);

fn moment() -> Moment {
    Moment { instant: now(), since_epoch: Duration::from_secs(7) }
}

/// An upstream of servers with these names, and its keeper.
struct Scene {
    upstream: Arc<Upstream>,
    keeper: tokio::task::JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

fn server(recruit: &Recruit, name: &str) -> Arc<Server> {
    let transport = Transport::Name(name.into(), 80);
    let address = ServerAddress { written: name.into(), scheme: Scheme::Http, transport, base: "".into() };
    Arc::new(recruit.with_target(address, None))
}

impl Scene {
    fn new(names: &[&str], slow_start: Option<Duration>, requests_max: Option<u32>) -> Self {
        Self::checked(names, slow_start, requests_max, None)
    }

    /// The same, where all are at one real address and are checked.
    fn checked(
        names: &[&str],
        slow_start: Option<Duration>,
        requests_max: Option<u32>,
        health: Option<(std::net::SocketAddr, HealthCheck)>,
    ) -> Self {
        let breakers = Some(Arc::new(Breakers::new(EjectionRule::default())));
        let recruit = Recruit { breakers, requests_max, ..Recruit::default() };
        let (address, health) = health.unzip();
        let at = |address: std::net::SocketAddr| Transport::Ip(address.ip(), address.port());
        let server = |name: &str| match address {
            Some(address) => {
                let address = ServerAddress {
                    written: name.into(),
                    scheme: Scheme::Http,
                    transport: at(address),
                    base: "".into(),
                };
                Arc::new(recruit.with_target(address, None))
            }
            None => server(&recruit, name),
        };
        let member = |name: &&str| Member::new(server(name), 1, Origin::File, State::Healthy);
        let roster =
            Roster::new(names.iter().map(member).collect(), PANIC_PERCENT).with_slow_start(slow_start);
        let waits =
            Waits { connect: SOON, answer_head: SOON, answer_body: SOON, idle: SOON, reuse_unsafe: SOON };
        let made = Upstream::new("web", roster, Strategy::RoundRobin, RetryPolicy::default(), waits);
        let upstream = Arc::new(made.with_recruit(recruit.clone()).with_health(health));
        let keeper = tokio::task::spawn_local(crate::keeper::keep(Arc::clone(&upstream)));
        Self { upstream, keeper }
    }

    fn server(&self, name: &str) -> Arc<Server> {
        self.upstream.look(|roster| Arc::clone(&roster.member(name).unwrap().server))
    }

    fn fail(&self, name: &str, times: usize) {
        let server = self.server(name);
        (0..times).for_each(|_| server.blame(server.round(), Fault::Reset));
    }

    fn succeed(&self, name: &str, times: usize) {
        let server = self.server(name);
        (0..times).for_each(|_| server.judge(server.round(), &Head::answer(200)));
    }

    /// Lets the keeper do what there is to do.
    async fn settled(&self) {
        pause(Duration::from_millis(1)).await;
    }

    fn shares(&self) -> Vec<u32> {
        self.upstream.group().shares.to_vec()
    }

    fn reasons(&self, name: &str) -> Vec<String> {
        self.upstream.look(|roster| {
            roster.member(name).unwrap().changes.iter().map(|change| change.reason.to_string()).collect()
        })
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_server_that_fails_is_out_then_tried_then_back_and_it_is_told_why() {
    let scene = Scene::new(&["a", "b", "c"], None, None);
    scene.fail("b", 4);
    scene.settled().await;
    assert_eq!(scene.shares(), [1, 1, 1]);
    scene.fail("b", 1);
    scene.settled().await;
    assert_eq!(scene.shares(), [1, 0, 1]);
    assert_eq!(scene.server("b").breaker().unwrap().ejections(), [1, 0, 0]);
    pause(Duration::from_secs(9)).await;
    assert_eq!(scene.shares(), [1, 0, 1]);
    pause(Duration::from_secs(1)).await;
    assert_eq!(scene.shares(), [1, 1, 1]);
    let group = scene.upstream.group();
    let trials: Vec<_> = std::iter::from_fn(|| InFlight::enter(&group.servers[1], false)).take(9).collect();
    assert_eq!(trials.len(), 3, "so many at a time");
    assert!(!group.servers[1].has_room(false) && group.servers[1].has_room(true));
    assert_eq!(group.servers[1].in_flight(), 3);
    scene.succeed("b", 3);
    scene.settled().await;
    drop(trials);
    assert_eq!(scene.server("b").breaker().unwrap().breaker.state(), BreakerState::Closed);
    let reasons =
        ["ejected for 10s: 5 failures in a row, the last: connection reset", "some requests try it"];
    assert_eq!(scene.reasons("b"), [reasons[0], reasons[1], "requests to it succeed again"]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn half_of_the_servers_may_be_out_and_one_that_waits_goes_when_another_is_back() {
    let scene = Scene::new(&["a", "b", "c", "d"], None, None);
    for name in ["a", "b", "c", "d"] {
        scene.fail(name, 5);
    }
    scene.settled().await;
    assert_eq!(scene.shares(), [0, 0, 1, 1]);
    // Servers that are in fail on, and stay.
    scene.fail("c", 100);
    scene.settled().await;
    assert_eq!(scene.shares(), [0, 0, 1, 1]);
    assert_eq!(scene.reasons("c").len(), 1);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_server_that_is_alone_stays_whatever_it_does() {
    let scene = Scene::new(&["a"], None, None);
    for _ in 0..100 {
        scene.fail("a", 50);
        pause(Duration::from_secs(1)).await;
        assert_eq!(scene.shares(), [1]);
    }
    assert_eq!(scene.reasons("a").len(), 1, "{:?}", scene.reasons("a"));
}

/// A port, with somebody at it as long as the socket listens.
fn port() -> (socket2::Socket, std::net::SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// As soon as the checks may have made the state so; on a paused clock time goes by when there is nothing to do.
async fn until(scene: &Scene, is_so: impl Fn(&Scene) -> bool) -> Duration {
    let begun = now();
    while !is_so(scene) {
        pause(Duration::from_millis(10)).await;
        assert!(now() - begun < Duration::from_secs(60), "{:?}", scene.reasons("b"));
    }
    now() - begun
}

const CHECK: HealthCheck = HealthCheck {
    probe: Probe::Tcp,
    interval: Duration::from_secs(2),
    unhealthy_interval: Duration::from_millis(500),
    jitter: 0.0,
    timeout: SOON,
    healthy_after: 2,
    unhealthy_after: 3,
};

/// Killed and back before any check had failed, it was out for all of its time, whatever checks said from then on.
#[tokio::test(flavor = "local", start_paused = true)]
async fn one_that_was_away_for_a_moment_is_tried_as_soon_as_checks_find_it() {
    let (socket, address) = port();
    socket.listen(128).unwrap();
    let scene = Scene::checked(&["a", "b", "c"], None, None, Some((address, CHECK)));
    pause(SOON / 10).await;
    scene.fail("b", 5);
    until(&scene, |scene| scene.shares() == [1, 0, 1]).await;
    let took = until(&scene, |scene| scene.shares() == [1, 1, 1]).await;
    assert!(took <= CHECK.unhealthy_interval + SOON / 4, "{took:?}");
    assert!(scene.server("b").breaker().unwrap().breaker.is_half_open());
    scene.succeed("b", 3);
    scene.settled().await;
    // Again so soon, their word is not taken.
    scene.fail("b", 5);
    until(&scene, |scene| scene.shares() == [1, 0, 1]).await;
    pause(Duration::from_secs(19)).await;
    assert_eq!(scene.shares(), [1, 0, 1]);
}

/// Who fails its requests and passes its checks is out for its time, until checks have seen it away.
#[tokio::test(flavor = "local", start_paused = true)]
async fn checks_that_passed_all_along_undo_nothing() {
    let (socket, address) = port();
    socket.listen(128).unwrap();
    let scene = Scene::checked(&["a", "b", "c"], None, None, Some((address, CHECK)));
    pause(SOON / 10).await;
    let server = scene.server("b");
    (0..5).for_each(|_| server.blame(server.round(), Fault::Status(503)));
    until(&scene, |scene| scene.shares() == [1, 0, 1]).await;
    pause(Duration::from_secs(9)).await;
    assert_eq!(scene.shares(), [1, 0, 1]);
    pause(SOON).await;
    assert_eq!(scene.shares(), [1, 1, 1], "its time is over");
    // A trial fails, and it is out for twenty seconds; now the server itself goes away for a second.
    server.blame(server.round(), Fault::Status(503));
    until(&scene, |scene| scene.shares() == [1, 0, 1]).await;
    drop(socket);
    pause(SOON).await;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(128).unwrap();
    let took = until(&scene, |scene| scene.shares()[1] == 1).await;
    assert!(took <= CHECK.interval * CHECK.healthy_after + SOON, "{took:?}");
}

/// A server that hung, and whose requests fail only now: it is tried, or well again as checks say, and they say nothing of that.
#[tokio::test(flavor = "local", start_paused = true)]
async fn requests_that_began_before_say_nothing_of_one_that_is_tried_or_well_again() {
    let scene = Scene::new(&["a", "b", "c"], None, None);
    let server = scene.server("b");
    let enter = |count| (0..count).map(|_| InFlight::enter(&server, false).unwrap()).collect::<Vec<_>>();
    let time_out = |old: &[InFlight]| old.iter().for_each(|old| server.blame(old.round(), Fault::Timeout));
    let old = enter(20);
    scene.fail("b", 5);
    scene.settled().await;
    pause(Duration::from_secs(10)).await;
    assert!(server.breaker().unwrap().breaker.is_half_open());
    let trials = enter(3);
    time_out(&old[..10]);
    old[..10].iter().for_each(|old| server.judge(old.round(), &Head::answer(200)));
    scene.settled().await;
    let state = server.breaker().unwrap().breaker.state();
    assert_eq!(state, BreakerState::HalfOpen { on_trial: 3, succeeded: 0 });
    trials.iter().for_each(|trial| server.judge(trial.round(), &Head::answer(200)));
    scene.settled().await;
    time_out(&old[10..]);
    scene.settled().await;
    assert_eq!(scene.shares(), [1, 1, 1]);
    assert_eq!(server.breaker().unwrap().ejections(), [1, 0, 0]);
    drop(trials);
    // Checks see it away and back, before a request has failed.
    let old = enter(20);
    let check = |state| scene.upstream.change(|roster| roster.checked("b", state, "so", moment())).unwrap();
    assert!(check(State::Unreachable) && check(State::Healthy));
    time_out(&old);
    scene.settled().await;
    assert_eq!(scene.shares(), [1, 1, 1]);
    // Those that begin from now on count.
    time_out(&enter(5));
    scene.settled().await;
    assert_eq!(scene.shares(), [1, 0, 1]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_operator_brings_one_back_earlier() {
    let scene = Scene::new(&["a", "b", "c"], None, None);
    scene.fail("a", 5);
    scene.settled().await;
    let say = |word| scene.upstream.change(|roster| roster.say("a", word, moment())).unwrap();
    assert!(say(Word::Disable) && say(Word::InService));
    scene.settled().await;
    assert_eq!(scene.shares(), [1, 1, 1]);
    assert!(scene.server("a").has_room(false), "it need not be tried");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn one_that_is_taken_out_meanwhile_stays_out() {
    let scene = Scene::new(&["a", "b", "c"], None, None);
    scene.fail("a", 5);
    scene.settled().await;
    scene.upstream.change(|roster| roster.say("a", Word::Disable, moment())).unwrap();
    pause(Duration::from_secs(60)).await;
    assert_eq!(scene.shares(), [0, 1, 1]);
    // Two are in service, and one of them may be out.
    scene.fail("b", 5);
    scene.settled().await;
    assert_eq!(scene.shares(), [0, 0, 1]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_server_that_joins_or_comes_back_gets_its_share_step_by_step() {
    let scene = Scene::new(&["a", "b"], Some(Duration::from_secs(10)), None);
    assert_eq!(scene.shares(), [1, 1], "at the start all begin at the same time");
    let new = Member::new(server(&scene.upstream.recruit, "c"), 2, Origin::Added, State::Healthy);
    assert!(scene.upstream.change(|roster| roster.join(new, moment())));
    assert_eq!(scene.shares(), [1000, 1000, 200]);
    pause(Duration::from_secs(1)).await;
    for step in 2..10 {
        pause(Duration::from_secs(1)).await;
        scene.settled().await;
        assert_eq!(scene.shares(), [1000, 1000, 200 * step]);
    }
    pause(Duration::from_secs(1)).await;
    scene.settled().await;
    assert_eq!(scene.shares(), [1, 1, 2]);
    scene.fail("c", 5);
    pause(Duration::from_secs(11)).await;
    scene.succeed("c", 3);
    scene.settled().await;
    assert_eq!(scene.shares(), [1000, 1000, 200]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_server_takes_no_more_than_it_may_have() {
    let scene = Scene::new(&["a", "b"], None, Some(2));
    let group = scene.upstream.group();
    let take = || {
        let turn = select::turn(&scene.upstream, &group, None, None);
        select::take(&scene.upstream, &group, turn, now(), |_| true)
    };
    let mut taken: Vec<_> = std::iter::from_fn(take).take(9).collect();
    assert_eq!(taken.iter().map(|(server, _)| server).sum::<usize>(), 2, "two each");
    assert_eq!(taken.len(), 4);
    let (server, in_flight) = taken.pop().unwrap();
    drop(in_flight);
    assert_eq!(take().map(|(server, _)| server), Some(server));
}

/// Exact, whatever threads do.
#[test]
fn of_many_threads_no_more_are_in_flight_than_may_be() {
    let server = server(&Recruit { requests_max: Some(5), ..Recruit::default() }, "a");
    let most = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..2000 {
                    if let Some(_held) = InFlight::enter(&server, false) {
                        most.fetch_max(server.in_flight(), std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(most.into_inner() <= 5);
    assert_eq!(server.in_flight(), 0);
}
