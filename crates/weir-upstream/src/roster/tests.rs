//! Members that come, go and are taken out, as requests see them.

#![allow(clippy::unwrap_used)]

use weir_core::balance::Strategy;
use weir_core::retry::RetryPolicy;
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use super::*;
use crate::io::deadline::{now, pause};
use crate::local_groups::LocalGroups;
use crate::member::InFlight;
use crate::upstream::{Registrar, Upstream, Waits};

const SOON: Duration = Duration::from_secs(1);

/// Does this while the upstream has its keeper.
async fn kept(upstream: &Arc<Upstream>, work: impl Future<Output = ()>) {
    let tasks = tokio::task::LocalSet::new();
    tasks.spawn_local(crate::keeper::keep(Arc::clone(upstream)));
    tasks.run_until(work).await;
}

fn server(name: &str) -> Arc<Server> {
    let transport = Transport::Name(name.into(), 80);
    let address = ServerAddress { written: name.into(), scheme: Scheme::Http, transport, base: "".into() };
    Arc::new(Server::new(address))
}

fn member(name: &str) -> Member {
    Member::new(server(name), 1, Origin::File, State::Healthy)
}

fn upstream(names: &[&str]) -> Upstream {
    let roster = Roster::new(names.iter().map(|name| member(name)).collect(), 10);
    let waits = Waits { connect: SOON, answer_head: SOON, answer_body: SOON, idle: SOON, reuse_unsafe: SOON };
    Upstream::new("web", roster, Strategy::RoundRobin, RetryPolicy::default(), waits)
}

fn moment() -> Moment {
    Moment { instant: now(), since_epoch: Duration::from_secs(7) }
}

fn names(servers: &[Arc<Server>]) -> Vec<&str> {
    servers.iter().map(|server| server.name()).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_see_a_change_and_those_that_run_keep_what_they_began_with() {
    let upstream = upstream(&["a", "b"]);
    let local = LocalGroups::default();
    let begun = local.of(&upstream);
    upstream.change(|roster| roster.leave("a").unwrap());
    assert_eq!(names(&begun.servers), ["a", "b"]);
    assert!(begun.servers[0].has_left());
    assert_eq!(names(&local.of(&upstream).servers), ["b"]);
    upstream.change(|roster| assert!(roster.join(member("c"), moment())));
    assert_eq!(names(&local.of(&upstream).servers), ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_publishes_nothing() {
    let upstream = upstream(&["a", "b"]);
    let before = upstream.group();
    upstream.change(|roster| assert_eq!(roster.say("a", Word::InService, moment()), Ok(false)));
    upstream.change(|roster| assert_eq!(roster.say("x", Word::Disable, moment()), Err(NoSuchServer)));
    upstream.change(|roster| assert!(!roster.join(member("a"), moment()), "it is there already"));
    assert!(Arc::ptr_eq(&before, &upstream.group()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_gets_nothing_new_and_goes_when_it_has_nothing_more_to_do() {
    let upstream = upstream(&["a", "b"]);
    let group = upstream.group();
    let busy = InFlight::begin(&group.servers[0]);
    let deadline = now() + SOON;
    upstream.change(|roster| roster.leave_by("a", deadline, moment()).unwrap());
    assert_eq!(names(&upstream.group().servers), ["b"]);
    assert_eq!(upstream.look(|roster| roster.leaving()[0].state()), State::Draining);
    assert!(upstream.change(|roster| roster.let_go(now())).is_empty(), "it has a request");
    drop(busy);
    let gone = upstream.change(|roster| roster.let_go(now()));
    assert_eq!(gone, [Gone { server: "a".into(), lease_ended: false, was_last: false }]);
    assert_eq!(names(&upstream.group().servers), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_goes_at_its_deadline_whatever_it_does() {
    let upstream = upstream(&["a", "b"]);
    let _busy = InFlight::begin(&upstream.group().servers[0]);
    let deadline = now() + SOON;
    upstream.change(|roster| roster.leave_by("a", deadline, moment()).unwrap());
    tokio::time::advance(SOON).await;
    assert_eq!(upstream.change(|roster| roster.let_go(now())).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_joins_again_while_it_leaves_stays() {
    let upstream = upstream(&["a", "b"]);
    upstream.change(|roster| roster.leave_by("a", now(), moment()).unwrap());
    let before = upstream.look(|roster| Arc::clone(&roster.leaving()[0].server));
    upstream.change(|roster| assert!(roster.join(member("a"), moment())));
    assert!(upstream.change(|roster| roster.let_go(now())).is_empty());
    let group = upstream.group();
    assert!(Arc::ptr_eq(&group.servers[1], &before), "its connections are still good");
    assert!(group.takes_requests(1) && !before.has_left());
}

#[tokio::test(start_paused = true)]
async fn the_word_of_people_counts_for_more_than_checks_and_both_are_remembered() {
    let upstream = upstream(&["a", "b"]);
    upstream.change(|roster| roster.say("a", Word::Disable, moment()).unwrap());
    let changed = upstream.change(|roster| roster.checked("a", State::Unreachable, "refused", moment()));
    assert_eq!(changed, Ok(false), "it stays disabled");
    upstream.change(|roster| roster.say("a", Word::InService, moment()).unwrap());
    let changes = upstream.look(|roster| roster.member("a").unwrap().changes.clone());
    let steps: Vec<_> = changes.iter().map(|change| (change.from, change.to)).collect();
    assert_eq!(steps, [(State::Healthy, State::Disabled), (State::Disabled, State::Unreachable)]);
}

#[tokio::test(start_paused = true)]
async fn only_the_last_changes_are_remembered() {
    let upstream = upstream(&["a"]);
    for number in 0..100 {
        let state = if number % 2 == 0 { State::Unreachable } else { State::Healthy };
        upstream.change(|roster| roster.checked("a", state, &number.to_string(), moment()).unwrap());
    }
    let changes = upstream.look(|roster| roster.members()[0].changes.clone());
    assert_eq!(changes.len(), CHANGES_MAX);
    assert_eq!(&*changes.back().unwrap().reason, "99");
}

/// A write that is accepted for a server of which its queue knows nothing would be lost.
#[tokio::test(start_paused = true)]
async fn a_registrar_knows_every_server_before_it_is_published() {
    let upstream = Arc::new(upstream(&["a"]));
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, asked) = (Arc::clone(&told), Arc::downgrade(&upstream));
    upstream.register_with(Registrar::new(move |servers| {
        let published = asked.upgrade().unwrap().group().servers.len();
        seen.lock().unwrap().push((servers.len(), published));
    }));
    upstream.change(|roster| roster.join(member("b"), moment()));
    upstream.change(|roster| roster.weigh("b", 5).unwrap());
    assert_eq!(*told.lock().unwrap(), [(1, 1), (2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_change_misses_none() {
    let upstream = upstream(&["a", "b"]);
    upstream.change(|roster| roster.weigh("a", 2).unwrap());
    tokio::time::timeout(SOON, upstream.changed()).await.unwrap();
    assert!(tokio::time::timeout(SOON, upstream.changed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_renewed_ends_and_one_that_is_goes_on() {
    let upstream = Arc::new(upstream(&["a"]));
    kept(&upstream, async {
        let leased = |seconds| {
            let lease_until = Some(now() + SOON * seconds);
            Member { origin: Origin::Lease, lease_until, ..member("b") }
        };
        let there = || upstream.group().servers.len() == 2;
        upstream.change(|roster| roster.join(leased(10), moment()));
        for _ in 0..5 {
            pause(SOON * 9).await;
            assert!(there());
            upstream.change(|roster| assert!(!roster.join(leased(10), moment())));
        }
        pause(SOON * 9).await;
        assert!(there());
        pause(SOON * 2).await;
        assert!(!there());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_of_the_file_gets_no_lease() {
    let upstream = upstream(&["a"]);
    let lease = Member { origin: Origin::Lease, lease_until: Some(now()), ..member("a") };
    upstream.change(|roster| roster.join(lease, moment()));
    assert!(upstream.change(|roster| roster.let_go(now() + SOON)).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_keeper_lets_leavers_go_soon_after_their_last_request() {
    let upstream = Arc::new(upstream(&["a", "b"]));
    kept(&upstream, async {
        let busy = InFlight::begin(&upstream.group().servers[0]);
        upstream.change(|roster| roster.leave_by("a", now() + SOON * 60, moment()).unwrap());
        pause(SOON * 5).await;
        assert_eq!(upstream.look(|roster| roster.leaving().len()), 1);
        drop(busy);
        pause(SOON).await;
        assert!(upstream.look(|roster| roster.leaving().is_empty()));
    })
    .await;
}

/// After it left and came back, another server acknowledged for the others, and nothing told of it.
#[tokio::test(start_paused = true)]
async fn a_primary_that_comes_back_is_the_primary_again() {
    let primary = Member { is_primary: true, ..member("b") };
    let roster = Roster::new(vec![member("a"), primary, member("c")], 10);
    let waits = Waits { connect: SOON, answer_head: SOON, answer_body: SOON, idle: SOON, reuse_unsafe: SOON };
    let upstream = Upstream::new("web", roster, Strategy::RoundRobin, RetryPolicy::default(), waits);
    assert_eq!(upstream.group().primary, 1);
    upstream.change(|roster| roster.leave("b").unwrap());
    assert_eq!(upstream.group().primary, 0);
    upstream.change(|roster| roster.join(member("b"), moment()));
    let group = upstream.group();
    assert_eq!(group.servers[group.primary].name(), "b");
}

fn written(text: &str) -> ServerAddress {
    ServerAddress { written: text.into(), ..server("a").address.clone() }
}

/// It was a stranger with the weight 1 from then on, and stood among the differences for ever.
#[tokio::test(start_paused = true)]
async fn a_server_of_the_file_that_comes_back_is_one_of_the_file_again() {
    let upstream = upstream(&["a", "b"]);
    for drain in [None, Some(now() + SOON)] {
        upstream.change(|roster| match drain {
            None => roster.leave("a").unwrap(),
            Some(deadline) => roster.leave_by("a", deadline, moment()).unwrap(),
        });
        assert_eq!(&*upstream.look(|roster| roster.written_as("a").cloned()).unwrap().server, "a");
        let until = Some(now() + SOON);
        for (origin, lease_until) in [(Origin::Added, None), (Origin::Lease, until)] {
            let comes = Member { origin, lease_until, ..member("a") };
            upstream.change(|roster| roster.join(comes, moment()));
            let known = upstream.look(|roster| roster.member("a").cloned()).unwrap();
            assert_eq!((known.origin, known.lease_until), (Origin::File, None));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_has_one_name_also_when_its_server_leaves_or_has_left() {
    let upstream = upstream(&["a", "b"]);
    let name = || {
        upstream.look(|roster| roster.address_at(&written("http://A:80/")).map(|known| known.written.clone()))
    };
    assert_eq!(name().as_deref(), Some("a"));
    upstream.change(|roster| roster.leave_by("a", now() + SOON, moment()).unwrap());
    assert_eq!(name().as_deref(), Some("a"));
    upstream.change(|roster| roster.leave("a").unwrap());
    assert_eq!(name().as_deref(), Some("a"), "the configuration names it");
}

#[tokio::test(start_paused = true)]
async fn who_weighs_nothing_or_was_taken_out_is_nobody_to_ask() {
    let upstream = upstream(&["a", "b", "c"]);
    let is_left = || upstream.look(Roster::has_someone_to_ask);
    upstream.change(|roster| roster.weigh("a", 0).unwrap());
    upstream.change(|roster| roster.say("b", Word::Drain, moment()).unwrap());
    assert!(is_left());
    upstream.change(|roster| roster.checked("c", State::Unreachable, "refused", moment()).unwrap());
    assert!(is_left(), "it may be asked when nobody else is left");
    upstream.change(|roster| roster.say("c", Word::Disable, moment()).unwrap());
    assert!(!is_left());
    let deadline = now();
    upstream.change(|roster| roster.leave_by("c", deadline, moment()).unwrap());
    let gone = upstream.change(|roster| roster.let_go(now()));
    assert!(gone[0].was_last, "those who stay get nothing: {gone:?}");
}

/// Servers that drain end one after the other; that nobody is left is told with the first of them, and again when there was
/// somebody meanwhile.
#[tokio::test(start_paused = true)]
async fn that_nobody_is_left_is_told_once() {
    let upstream = upstream(&["a", "b", "c", "d"]);
    let told = |names: &[&str]| {
        let deadline = now();
        names.iter().for_each(|name| {
            upstream.change(|roster| roster.leave_by(name, deadline, moment()).unwrap());
        });
        let gone = upstream.change(|roster| roster.let_go(now()));
        assert_eq!(gone.len(), names.len());
        gone.iter().filter(|gone| gone.was_last).count()
    };
    upstream.change(|roster| roster.weigh("d", 0).unwrap());
    assert_eq!(told(&["a"]), 0);
    assert_eq!(told(&["b", "c"]), 1);
    assert_eq!(told(&["d"]), 0, "it got nothing before either");
    upstream.change(|roster| roster.join(member("a"), moment()));
    assert!(upstream.change(|roster| roster.let_go(now())).is_empty());
    assert_eq!(told(&["a"]), 1);
}

/// A request that began before knows it still, and must not begin anything new with it.
#[tokio::test(start_paused = true)]
async fn who_is_taken_out_says_so_to_those_who_know_it_from_before() {
    let upstream = upstream(&["a", "b", "c"]);
    let begun = upstream.group();
    let taken_out = || begun.servers.iter().map(|server| server.is_taken_out()).collect::<Vec<_>>();
    assert_eq!(taken_out(), [false, false, false]);
    upstream.change(|roster| roster.say("a", Word::Disable, moment()).unwrap());
    upstream.change(|roster| roster.leave_by("b", now() + SOON, moment()).unwrap());
    upstream.change(|roster| roster.leave("c").unwrap());
    assert_eq!(taken_out(), [true, true, true]);
    upstream.change(|roster| roster.say("a", Word::InService, moment()).unwrap());
    upstream.change(|roster| roster.join(member("b"), moment()));
    assert_eq!(taken_out(), [false, false, true]);
}

/// What is kept for each server is found by its number; who has left leaves no number behind.
#[tokio::test(start_paused = true)]
async fn numbers_of_servers_do_not_grow_with_those_who_have_left() {
    let upstream = upstream(&["a", "b"]);
    let local = LocalGroups::default();
    let mut most = 0;
    for number in 0..20_000 {
        let name = format!("x{number}");
        upstream.change(|roster| roster.join(member(&name), moment()));
        most = most.max(local.of(&upstream).servers[2].slot());
        upstream.change(|roster| roster.leave(&name).unwrap());
    }
    // Other tests have servers too, at the same time.
    assert!(most < 5_000, "{most}");
    assert_eq!(upstream.look(|roster| (roster.members().len(), roster.leaving().len())), (2, 0));
}
