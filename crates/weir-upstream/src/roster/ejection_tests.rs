//! Members that are ejected, tried and warmed up, as requests see them.

#![allow(clippy::unwrap_used)]

use weir_core::balance::Strategy;
use weir_core::health::{BreakerState, EjectionRule, Fault, PANIC_PERCENT};
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
        let breakers = Some(Arc::new(Breakers::new(EjectionRule::default())));
        let recruit = Recruit { breakers, requests_max, ..Recruit::default() };
        let member = |name: &&str| Member::new(server(&recruit, name), 1, Origin::File, State::Healthy);
        let roster =
            Roster::new(names.iter().map(member).collect(), PANIC_PERCENT).with_slow_start(slow_start);
        let waits =
            Waits { connect: SOON, answer_head: SOON, answer_body: SOON, idle: SOON, reuse_unsafe: SOON };
        let made = Upstream::new("web", roster, Strategy::RoundRobin, RetryPolicy::default(), waits);
        let upstream = Arc::new(made.with_recruit(recruit));
        let keeper = tokio::task::spawn_local(crate::keeper::keep(Arc::clone(&upstream)));
        Self { upstream, keeper }
    }

    fn server(&self, name: &str) -> Arc<Server> {
        self.upstream.look(|roster| Arc::clone(&roster.member(name).unwrap().server))
    }

    fn fail(&self, name: &str, times: usize) {
        (0..times).for_each(|_| self.server(name).blame(Fault::Reset));
    }

    fn succeed(&self, name: &str, times: usize) {
        (0..times).for_each(|_| self.server(name).judge(&Head::answer(200)));
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

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_operator_and_a_check_that_succeeds_again_bring_one_back_earlier() {
    let scene = Scene::new(&["a", "b", "c"], None, None);
    scene.fail("a", 5);
    scene.settled().await;
    let say = |word| scene.upstream.change(|roster| roster.say("a", word, moment())).unwrap();
    assert!(say(Word::Disable) && say(Word::InService));
    scene.settled().await;
    assert_eq!(scene.shares(), [1, 1, 1]);
    assert!(scene.server("a").has_room(false), "it need not be tried");

    scene.fail("b", 5);
    scene.settled().await;
    for state in [State::Unreachable, State::Healthy] {
        assert_eq!(scene.shares(), [1, 0, 1]);
        scene.upstream.change(|roster| roster.checked("b", state, "a check", moment())).unwrap();
    }
    assert_eq!(scene.shares(), [1, 1, 1]);
    assert!(scene.server("b").breaker().unwrap().breaker.is_half_open());
}

/// Its time goes on, and nobody who is told to be out is asked because of it.
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
