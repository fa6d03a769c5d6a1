//! Members from one configuration to the next.

#![allow(clippy::unwrap_used)]

use weir_core::balance::Strategy;
use weir_core::health::{EjectionRule, HealthCheck, Probe, Word};
use weir_core::retry::RetryPolicy;
use weir_core::server::{ServerAddress, Transport};
use weir_http::target::Scheme;

use super::*;
use crate::breakers::Breakers;
use crate::recruit::Recruit;
use crate::upstream::{Upstream, Waits};

const WAITS: Waits = Waits {
    connect: Duration::from_secs(1),
    answer_head: Duration::from_secs(1),
    answer_body: Duration::from_secs(1),
    idle: Duration::from_secs(1),
    reuse_unsafe: Duration::from_secs(1),
};

fn moment() -> Moment {
    Moment { instant: now(), since_epoch: Duration::from_secs(7) }
}

fn address(name: &str) -> ServerAddress {
    let transport = Transport::Name(name.into(), 80);
    ServerAddress { written: name.into(), scheme: Scheme::Http, transport, base: "".into() }
}

fn recruit() -> Recruit {
    Recruit { breakers: Some(Arc::new(Breakers::new(EjectionRule::default()))), ..Recruit::default() }
}

/// What a file says: names and weights. Servers that are there already are taken from `before`.
fn upstream(file: &[(&str, u32)], recruit: &Recruit, health: bool, before: Option<&Upstream>) -> Upstream {
    let newcomer = if health { State::NotInitiated } else { State::Healthy };
    let member = |(name, weight): &(&str, u32)| {
        let known = before.and_then(|before| {
            before.look(|roster| roster.member(name).map(|known| Arc::clone(&known.server)))
        });
        let server = known.unwrap_or_else(|| Arc::new(recruit.with_target(address(name), None)));
        Member::new(server, *weight, Origin::File, newcomer)
    };
    let roster = Roster::new(file.iter().map(member).collect(), 0);
    Upstream::new("web", roster, Strategy::RoundRobin, RetryPolicy::default(), WAITS)
        .with_recruit(recruit.clone())
        .with_health(health.then(|| HealthCheck::new(Probe::Tcp)))
}

/// Name, weight and state of each.
fn members(upstream: &Upstream) -> Vec<(String, u32, State)> {
    upstream.look(|roster| {
        let one = |member: &Member| (member.server.name().to_owned(), member.weight, member.state());
        roster.members().iter().map(one).collect()
    })
}

fn check(upstream: &Upstream, expected: &[(&str, u32, State)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, weight, state)| ((*name).to_owned(), *weight, *state)).collect();
    assert_eq!(members(upstream), expected);
}

#[test]
fn what_people_did_holds_where_the_file_says_nothing_new() {
    let recruit = recruit();
    let before = upstream(&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)], &recruit, false, None);
    let added =
        Member::new(Arc::new(recruit.with_target(address("x"), None)), 4, Origin::Added, State::Healthy);
    before.change(|roster| {
        roster.say("a", Word::Drain, moment()).unwrap();
        roster.weigh("b", 7).unwrap();
        roster.weigh("c", 7).unwrap();
        roster.leave("d").unwrap();
        roster.join(added, moment());
    });
    // The weight of `c` is new in the file, `e` is gone from it, and `f` is new.
    let after = upstream(&[("a", 1), ("b", 1), ("c", 3), ("d", 1), ("f", 1)], &recruit, false, Some(&before));
    let group = before.group();
    after.take_over(&before, true);
    check(
        &after,
        &[
            ("a", 1, State::Draining),
            ("b", 7, State::Healthy),
            ("c", 3, State::Healthy),
            ("f", 1, State::Healthy),
            ("x", 4, State::Healthy),
        ],
    );
    assert_eq!(after.group().servers.len(), 5);
    assert!(!after.group().takes_requests(0), "it is drained");
    // Requests that began before go on with whom they know, `e` included.
    assert!(Arc::ptr_eq(&group, &before.group()));
    assert!(group.servers.iter().filter(|server| server.name() == "e").all(|server| !server.is_taken_out()));
    // What is found out late about the old one is noted nowhere.
    before.change(|roster| assert!(roster.members().is_empty() && roster.leave("a").is_err()));
    assert!(Arc::ptr_eq(&group, &before.group()));
    // A third one: the file takes `x` in, with another weight than somebody gave it.
    let third = upstream(&[("a", 1), ("x", 2)], &recruit, false, Some(&after));
    third.take_over(&after, true);
    check(&third, &[("a", 1, State::Draining), ("x", 2, State::Healthy)]);
    assert_eq!(third.look(|roster| roster.members()[1].origin), Origin::File);
}

#[test]
fn what_checks_know_goes_on_while_there_are_checks() {
    let recruit = recruit();
    let before = upstream(&[("a", 1), ("b", 1)], &recruit, true, None);
    before.change(|roster| roster.checked("a", State::Unreachable, "it is off", moment()).unwrap());
    let after = upstream(&[("a", 2), ("b", 1)], &recruit, true, Some(&before));
    after.take_over(&before, true);
    check(&after, &[("a", 2, State::Unreachable), ("b", 1, State::NotInitiated)]);
    let history = after.look(|roster| roster.members()[0].changes.len());
    assert_eq!(history, 1, "what happened is remembered");
    let without = upstream(&[("a", 2), ("b", 1)], &recruit, false, Some(&after));
    without.take_over(&after, true);
    check(&without, &[("a", 2, State::Healthy), ("b", 1, State::Healthy)]);
    let again = upstream(&[("a", 2)], &recruit, true, Some(&without));
    again.take_over(&without, true);
    check(&again, &[("a", 2, State::NotInitiated)]);
}

/// Under other terms servers are made anew; what was counted, and who is taken out, is the same.
#[test]
fn under_other_terms_the_counters_and_words_go_on() {
    let (one, other) = (recruit(), recruit());
    let before = upstream(&[("a", 1)], &one, false, None);
    let added = Member::new(Arc::new(one.with_target(address("x"), None)), 1, Origin::Added, State::Healthy);
    before.change(|roster| {
        roster.join(added, moment());
        roster.say("x", Word::Disable, moment()).unwrap();
        roster.say("a", Word::Drain, moment()).unwrap();
    });
    let servers = before.group().servers.clone();
    for server in &servers {
        server.counters.requests.store(5, std::sync::atomic::Ordering::Relaxed);
    }
    let after = {
        let made =
            Server::new(address("a")).with_breaker(other.breakers.clone()).following(Some(&servers[0]));
        let member = Member::new(Arc::new(made), 1, Origin::File, State::Healthy);
        Upstream::new(
            "web",
            Roster::new(vec![member], 0),
            Strategy::RoundRobin,
            RetryPolicy::default(),
            WAITS,
        )
        .with_recruit(other)
    };
    after.take_over(&before, false);
    check(&after, &[("a", 1, State::Draining), ("x", 1, State::Disabled)]);
    for (new, old) in after.group().servers.iter().zip(&servers) {
        assert!(!Arc::ptr_eq(new, old) && new.is_taken_out());
        assert_eq!(new.counters.requests.load(std::sync::atomic::Ordering::Relaxed), 5);
    }
}
