//! What every strategy promises, and what each promises beyond that. Shares are counted with a seeded generator.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;

use proptest::prelude::Strategy as Generator;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

/// Servers of a test: weight, requests in flight, usable.
#[derive(Debug, Clone)]
struct Servers(Vec<(u32, u32, bool)>);

impl Servers {
    fn weighted(weights: &[u32]) -> Self {
        Self(weights.iter().map(|weight| (*weight, 0, true)).collect())
    }

    fn without(mut self, index: usize) -> Self {
        self.0[index].2 = false;
        self
    }

    fn plan(&self, strategy: Strategy) -> Plan {
        const NAMES: [&str; 20] = [
            "a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1", "h:1", "i:1", "j:1", "k:1", "l:1", "m:1", "n:1",
            "o:1", "p:1", "q:1", "r:1", "s:1", "t:1",
        ];
        let names = NAMES.into_iter().cycle();
        Plan::new(
            strategy.needs(),
            BOUND_PERCENT,
            names.zip(self.0.iter().map(|(weight, _, _)| Part::from(*weight))),
        )
    }
}

impl Members for Servers {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn weight(&self, index: usize) -> u32 {
        self.0[index].0
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.0[index].1
    }

    fn usable(&self, index: usize) -> bool {
        self.0[index].2
    }
}

/// SplitMix64: small, seeded, and good enough to count shares with.
fn generator(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn turn(ticket: usize) -> Turn {
    Turn { ticket, ..Turn::default() }
}

/// How often each server is picked in `rounds` requests, one after the other.
fn counts(strategy: Strategy, servers: &Servers, rounds: usize) -> Vec<usize> {
    let (plan, mut random) = (servers.plan(strategy), generator(7));
    let mut counts = vec![0; servers.len()];
    for ticket in 0..rounds {
        counts[pick(strategy, &plan, turn(ticket), &mut random, servers).unwrap()] += 1;
    }
    counts
}

/// Shares within two percent of the rounds.
fn check(strategy: Strategy, servers: &Servers, expected: &[usize]) {
    let total: usize = expected.iter().sum();
    let rounds = 30_000;
    for (index, count) in counts(strategy, servers, rounds).into_iter().enumerate() {
        let exact = rounds * expected[index] / total;
        assert!(count.abs_diff(exact) < rounds / 50, "{strategy:?}: {index} has {count}, not {exact}");
        assert!(expected[index] > 0 || count == 0, "{strategy:?}: {index} has nothing");
    }
}

#[test]
fn names_and_strategies_are_one_to_one() {
    for strategy in Strategy::ALL.iter().copied() {
        assert_eq!(Strategy::parse(strategy.name()), Some(strategy));
    }
    assert_eq!(Strategy::parse("ROUND_ROBIN"), None);
    assert_eq!(Strategy::parse(""), None);
    assert!(Strategy::ALL.iter().filter(|strategy| strategy.needs().ticket).eq(&[Strategy::RoundRobin]));
}

#[test]
fn idle_servers_have_their_shares_in_every_strategy() {
    for strategy in Strategy::ALL.iter().copied() {
        check(strategy, &Servers::weighted(&[1, 1, 1]), &[1, 1, 1]);
        check(strategy, &Servers::weighted(&[5, 1, 2]), &[5, 1, 2]);
        check(strategy, &Servers::weighted(&[2, 0, 2]), &[1, 0, 1]);
        check(strategy, &Servers::weighted(&[9]), &[1]);
    }
}

#[test]
fn the_share_of_a_lost_server_is_spread_over_the_others() {
    for strategy in Strategy::ALL.iter().copied() {
        check(strategy, &Servers::weighted(&[1, 1, 1]).without(0), &[0, 1, 1]);
        check(strategy, &Servers::weighted(&[1, 1, 1, 1]).without(2), &[1, 1, 0, 1]);
        check(strategy, &Servers::weighted(&[1, 1, 1]).without(0).without(2), &[0, 1, 0]);
    }
    // The rotation's stand-ins are the turns of the schedule, hence weighted too, but not to the last digit.
    for strategy in Strategy::ALL.iter().copied().filter(|strategy| *strategy != Strategy::RoundRobin) {
        check(strategy, &Servers::weighted(&[4095, 3, 1]).without(0), &[0, 3, 1]);
    }
}

#[test]
fn the_rotation_without_one_of_three_is_exact_over_two_cycles() {
    let servers = Servers::weighted(&[1, 1, 1]).without(0);
    assert_eq!(counts(Strategy::RoundRobin, &servers, 6), [0, 3, 3]);
    assert_eq!(counts(Strategy::RoundRobin, &servers, 600), [0, 300, 300]);
}

#[test]
fn the_rotation_begins_at_the_ticket_and_survives_its_end() {
    let servers = Servers::weighted(&[1, 1, 1]);
    let at = |servers: &Servers, ticket| {
        pick(
            Strategy::RoundRobin,
            &servers.plan(Strategy::RoundRobin),
            turn(ticket),
            &mut || unreachable!(),
            servers,
        )
    };
    assert_eq!([0, 1, 2, 3].map(|ticket| at(&servers, ticket)), [Some(0), Some(1), Some(2), Some(0)]);
    assert_eq!(at(&servers, usize::MAX), Some(usize::MAX % 3));
    assert!(at(&servers.clone().without(usize::MAX % 3), usize::MAX).is_some());
}

#[test]
fn repeats_with_one_ticket_reach_every_server_once() {
    for strategy in Strategy::ALL.iter().copied() {
        let mut servers = Servers::weighted(&[7, 1, 3, 1]);
        let plan = servers.plan(strategy);
        let mut random = generator(3);
        let mut seen = vec![];
        while let Some(index) =
            pick(strategy, &plan, Turn { key: Some(5), ..turn(11) }, &mut random, &servers)
        {
            servers = servers.without(index);
            seen.push(index);
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3], "{strategy:?}");
    }
}

#[test]
fn least_requests_takes_the_least_load_per_weight() {
    let at = |servers: &[(u32, u32, bool)]| {
        let servers = Servers(servers.to_vec());
        pick(
            Strategy::LeastRequests,
            &servers.plan(Strategy::LeastRequests),
            turn(0),
            &mut generator(1),
            &servers,
        )
    };
    assert_eq!(at(&[(1, 5, true), (1, 4, true), (1, 6, true)]), Some(1));
    assert_eq!(at(&[(1, 2, true), (4, 7, true)]), Some(1), "7 of 4 is less than 2 of 1");
    assert_eq!(at(&[(1, 5, true), (1, 0, false), (1, 6, true)]), Some(0));
    assert_eq!(at(&[(0, 0, true), (1, 9, true)]), Some(1));
    assert_eq!(at(&[(u32::MAX, u32::MAX, true), (1, 2, true)]), Some(0), "no product overflows");
}

#[test]
fn p2c_never_takes_the_most_loaded_and_balances_like_least_requests() {
    let servers = Servers(vec![(1, 9, true), (1, 1, true), (1, 2, true)]);
    let counts = counts(Strategy::P2c, &servers, 3_000);
    assert_eq!(counts[0], 0, "it loses against either");
    assert!(counts[1] > counts[2]);
    let two = Servers(vec![(1, 9, true), (1, 1, true)]);
    assert_eq!(self::counts(Strategy::P2c, &two, 100), [0, 100], "the two are always different servers");
}

#[test]
fn typical_picks_ask_few_questions() {
    /// Counts how many servers are looked at.
    struct Counted(Servers, Cell<usize>);
    impl Members for Counted {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn weight(&self, index: usize) -> u32 {
            self.0.weight(index)
        }
        fn in_flight(&self, index: usize) -> u32 {
            self.0.in_flight(index)
        }
        fn usable(&self, index: usize) -> bool {
            self.1.set(self.1.get() + 1);
            self.0.usable(index)
        }
    }
    let servers = Counted(Servers::weighted(&[1; 1000]), Cell::new(0));
    for (strategy, most) in [
        (Strategy::RoundRobin, 1),
        (Strategy::Random, 1),
        (Strategy::P2c, 5),
        (Strategy::PeakEwma, 5),
        (Strategy::Load, 5),
        (Strategy::Hash, 1),
    ] {
        servers.1.set(0);
        let turn = Turn { key: Some(99), ..turn(12) };
        pick(strategy, &servers.0.plan(strategy), turn, &mut generator(5), &servers).unwrap();
        assert!(servers.1.get() <= most, "{strategy:?}");
    }
}

fn any_servers() -> impl Generator<Value = Servers> {
    prop::collection::vec((0u32..6, 0u32..4, any::<bool>()), 0..12).prop_map(Servers)
}

proptest! {
    #[test]
    fn what_is_picked_can_be_used_and_something_is_if_it_can(
        servers in any_servers(), ticket in any::<usize>(), seed in any::<u64>(), keyed in any::<bool>(),
        pinned in prop::option::of(0usize..14),
    ) {
        let some = servers.0.iter().any(|(weight, _, usable)| *weight > 0 && *usable);
        for strategy in Strategy::ALL.iter().copied() {
            let turn = Turn { ticket, key: keyed.then_some(seed), pinned };
            let picked = pick(strategy, &servers.plan(strategy), turn, &mut generator(seed), &servers);
            prop_assert_eq!(picked.is_some(), some, "{:?}", strategy);
            let fits = |index: usize| servers.0.get(index).is_some_and(|server| server.2 && server.0 > 0);
            prop_assert!(picked.is_none_or(fits));
            prop_assert!(pinned.is_none_or(|pinned| !fits(pinned) || picked == Some(pinned)), "a client stays");
        }
    }

    /// From whatever ticket one counts, equal servers differ by at most one.
    #[test]
    fn the_rotation_of_equals_is_fair_within_one(
        members in 1usize..20, start in 0usize..1_000_000, requests in 0usize..200,
    ) {
        let servers = Servers::weighted(&vec![1; members]);
        let plan = servers.plan(Strategy::RoundRobin);
        let mut counts = vec![0; members];
        for ticket in start..start + requests {
            counts[pick(Strategy::RoundRobin, &plan, turn(ticket), &mut || 0, &servers).unwrap()] += 1;
        }
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
    }

    /// With one of equals lost, the others are exactly equal again over as many cycles as there are others.
    #[test]
    fn the_rotation_spreads_the_turns_of_a_lost_server_exactly(
        members in 2usize..20, lost in any::<prop::sample::Index>(), cycle in 0usize..1_000,
    ) {
        let lost = lost.index(members);
        let servers = Servers::weighted(&vec![1; members]).without(lost);
        let plan = servers.plan(Strategy::RoundRobin);
        let mut counts = vec![0; members];
        for ticket in cycle * members..(cycle + members - 1) * members {
            counts[pick(Strategy::RoundRobin, &plan, turn(ticket), &mut || 0, &servers).unwrap()] += 1;
        }
        let expected: Vec<usize> = (0..members).map(|index| if index == lost { 0 } else { members }).collect();
        prop_assert_eq!(counts, expected);
    }
}
