//! Seeded simulations: requests come by chance, servers take their time and fail, and what is promised of an algorithm under
//! load is checked after each step or counted at the end. A failure names the seed.

#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::*;

const DECAY: Decay = Decay::over(super::DECAY);

/// A server of the simulation.
#[derive(Clone)]
struct Server {
    weight: u32,
    /// Microseconds that it takes, on average.
    micros: f64,
    /// The share of its exchanges that fail, and how long those take.
    failing: f64,
    failing_micros: f64,
    /// Requests at the same time that make it report a load of 1; 0 for one that does not report.
    capacity: u32,
    in_flight: u32,
    observed: Observed,
    reports: Reports,
    picked: u64,
}

impl Server {
    fn taking(millis: f64) -> Self {
        Self {
            weight: 1,
            micros: millis * 1000.0,
            failing: 0.0,
            failing_micros: 100.0,
            capacity: 0,
            in_flight: 0,
            observed: Observed::default(),
            reports: Reports::default(),
            picked: 0,
        }
    }

    fn weighted(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    fn failing(self, failing: f64) -> Self {
        Self { failing, ..self }
    }

    fn reporting(self, capacity: u32) -> Self {
        Self { capacity, ..self }
    }
}

struct World {
    strategy: Strategy,
    seed: u64,
    servers: Vec<Server>,
    plan: Plan,
    micros: u64,
    state: u64,
    /// What is in flight: its end, its server, when it began, whether it fails.
    running: BinaryHeap<Reverse<(u64, usize, u64, bool)>>,
}

impl Members for World {
    fn len(&self) -> usize {
        self.servers.len()
    }

    fn weight(&self, index: usize) -> u32 {
        self.servers[index].weight
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.servers[index].in_flight
    }

    fn usable(&self, _: usize) -> bool {
        true
    }

    fn standing(&self, index: usize) -> Standing {
        self.servers[index].observed.at(self.now(), DECAY)
    }

    fn reported(&self, index: usize) -> Option<Reported> {
        self.servers[index].reports.at(self.now(), FORGET)
    }
}

impl World {
    fn new(strategy: Strategy, seed: u64, servers: Vec<Server>) -> Self {
        let names: Vec<String> = (0..servers.len()).map(|number| format!("server-{number}:80")).collect();
        let weights = servers.iter().map(|server| Part::from(server.weight));
        let plan = Plan::new(strategy.needs(), BOUND_PERCENT, names.iter().map(String::as_str).zip(weights));
        Self { strategy, seed, servers, plan, micros: 0, state: seed, running: BinaryHeap::new() }
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        key::mixed(self.state)
    }

    /// From 0 to 1, never 0.
    fn uniform(&mut self) -> f64 {
        ((self.random() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// As long as this on average, as waiting times are.
    fn waiting(&mut self, average: f64) -> u64 {
        (-self.uniform().ln() * average) as u64
    }

    /// So many requests per second for so long. `key` makes the key of a request from a random number.
    fn run(&mut self, per_second: f64, seconds: f64, key: impl Fn(u64) -> Option<u64>) {
        let end = self.micros + (seconds * 1e6) as u64;
        loop {
            let next = self.micros + self.waiting(1e6 / per_second);
            while let Some(Reverse((at, ..))) = self.running.peek()
                && *at <= next.min(end)
            {
                self.end_one();
            }
            if next >= end {
                self.micros = end;
                return;
            }
            self.micros = next;
            let key = key(self.random());
            self.begin(key);
        }
    }

    fn begin(&mut self, key: Option<u64>) {
        let number = self.random();
        let mut state = number;
        let mut random = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            key::mixed(state)
        };
        let turn = Turn { ticket: number as usize, key, pinned: None };
        let index = pick(self.strategy, &self.plan, turn, &mut random, self).unwrap();
        self.check_bound(index);
        let fails = self.uniform() <= self.servers[index].failing;
        let average = if fails { self.servers[index].failing_micros } else { self.servers[index].micros };
        // Half of it always, the rest by chance.
        let took = (average / 2.0) as u64 + self.waiting(average / 2.0);
        let server = &mut self.servers[index];
        server.in_flight += 1;
        server.picked += 1;
        self.running.push(Reverse((self.micros + took, index, self.micros, fails)));
    }

    fn end_one(&mut self) {
        let Some(Reverse((at, index, begun, fails))) = self.running.pop() else { return };
        self.micros = at;
        let (now, took) = (self.now(), Duration::from_micros(at - begun));
        let server = &mut self.servers[index];
        let observed = &mut server.observed;
        *observed = match fails {
            true => observed.failed(now, took, DECAY),
            false => observed.succeeded(now, took, DECAY).unwrap_or(*observed),
        };
        if server.capacity > 0 {
            let load = (server.in_flight as f32 / server.capacity as f32).min(1.0);
            server.reports = server.reports.noted(now, load, FORGET).unwrap_or(server.reports);
        }
        server.in_flight -= 1;
    }

    /// What `hash` promises: no server has more than its bound when a request is placed.
    fn check_bound(&self, index: usize) {
        if self.strategy != Strategy::Hash {
            return;
        }
        let all: u64 = self.servers.iter().map(|server| u64::from(server.in_flight)).sum();
        let weights: u32 = self.servers.iter().map(|server| server.weight).sum();
        let server = &self.servers[index];
        let part = (all + 1) as f64 * f64::from(server.weight) / f64::from(weights);
        let most = (part * f64::from(BOUND_PERCENT) / 100.0 - 1e-9).ceil();
        assert!(f64::from(server.in_flight + 1) <= most, "seed {}: {index} is over its bound", self.seed);
    }

    /// Forgets who was picked.
    fn restart(&mut self) {
        self.servers.iter_mut().for_each(|server| server.picked = 0);
    }

    fn share(&self, index: usize) -> f64 {
        let all: u64 = self.servers.iter().map(|server| server.picked).sum();
        self.servers[index].picked as f64 / all as f64
    }

    fn shares(&self) -> Vec<f64> {
        (0..self.servers.len()).map(|index| (self.share(index) * 10_000.0).round() / 100.0).collect()
    }
}

/// Shares in percent after some seconds to get to know each other.
fn check(strategy: Strategy, servers: &[Server], per_second: f64, good: impl Fn(&[f64]) -> bool) {
    for seed in [1, 7, 4711] {
        let mut world = World::new(strategy, seed, servers.to_vec());
        world.run(per_second, 10.0, |_| None);
        world.restart();
        world.run(per_second, 20.0, |_| None);
        let shares = world.shares();
        assert!(good(&shares), "{strategy:?}, seed {seed}: {shares:?}");
    }
}

fn near(shares: &[f64], expected: &[f64], within: f64) -> bool {
    shares.iter().zip(expected).all(|(share, expected)| (share - expected).abs() <= within)
}

fn quick() -> Server {
    Server::taking(5.0)
}

/// What each of `of` gets when `failing` is among them, in percent, from the first request on.
fn share_of_failing(strategy: Strategy, of: &[Server], failing: Server, per_second: f64) -> f64 {
    let servers = [of, &[failing]].concat();
    let mut world = World::new(strategy, 3, servers);
    world.run(per_second, 30.0, |_| None);
    world.shares()[of.len()]
}

#[test]
fn equal_servers_get_equal_shares_whatever_the_load() {
    for strategy in [Strategy::PeakEwma, Strategy::Load, Strategy::P2c] {
        check(strategy, &vec![quick().reporting(10); 4], 2000.0, |shares| near(shares, &[25.0; 4], 2.0));
        check(strategy, &vec![quick(); 4], 40.0, |shares| near(shares, &[25.0; 4], 6.0));
    }
}

#[test]
fn weights_are_honoured_busy_and_idle() {
    for strategy in [Strategy::PeakEwma, Strategy::Load, Strategy::P2c] {
        let servers = [quick().weighted(3), quick()];
        check(strategy, &servers, 2000.0, |shares| near(shares, &[75.0, 25.0], 5.0));
        check(strategy, &servers, 40.0, |shares| near(shares, &[75.0, 25.0], 11.0));
    }
}

#[test]
fn peak_ewma_leaves_slow_servers_alone() {
    let servers = [quick(), quick(), Server::taking(50.0)];
    check(Strategy::PeakEwma, &servers, 1000.0, |shares| shares[2] < 2.0 && shares[2] > 0.0);
    let servers = [quick(), quick(), Server::taking(15.0)];
    check(Strategy::PeakEwma, &servers, 1000.0, |shares| shares[2] < 20.0);
    // Nothing is held against a server for ever.
    let mut world = World::new(Strategy::PeakEwma, 7, servers.to_vec());
    world.run(1000.0, 20.0, |_| None);
    world.servers[2].micros = 5000.0;
    world.run(1000.0, 40.0, |_| None);
    world.restart();
    world.run(1000.0, 10.0, |_| None);
    assert!(near(&world.shares(), &[33.3; 3], 5.0), "{:?}", world.shares());
}

/// The fast, failing server: where answers take milliseconds, where they take seconds, among two, among many.
#[test]
fn a_server_that_fails_fast_does_not_attract_traffic() {
    let peak_ewma =
        |of: &[Server], failing, per_second| share_of_failing(Strategy::PeakEwma, of, failing, per_second);
    let fair = |of: &[Server]| 100.0 / (of.len() as f64 + 1.0);
    let always = quick().failing(1.0);
    for (of, per_second) in [
        (vec![quick()], 200.0),
        (vec![quick(); 2], 1000.0),
        (vec![quick(); 4], 50.0),
        (vec![quick(); 9], 5000.0),
    ] {
        let share = peak_ewma(&of, always.clone(), per_second);
        assert!(share < fair(&of) / 20.0, "{} others: {share}", of.len());
        // That is no matter of course.
        let share = share_of_failing(Strategy::P2c, &of, always.clone(), per_second);
        assert!(share > fair(&of) * 0.8, "{} others by p2c: {share}", of.len());
    }
    // With answers of five seconds it takes some requests to find out.
    let slow = [Server::taking(5000.0), Server::taking(5000.0)];
    let share = peak_ewma(&slow, Server::taking(5000.0).failing(1.0), 20.0);
    assert!(share < fair(&slow) / 3.0, "{share}");
    for (failing, most) in [(0.5, 0.3), (0.1, 1.0)] {
        let of = [quick(), quick()];
        let share = peak_ewma(&of, quick().failing(failing), 1000.0);
        assert!(share < fair(&of) * most, "{failing}: {share}");
    }
    // Where everybody fails equally often, nobody is punished.
    let servers = vec![quick().failing(0.02); 3];
    check(Strategy::PeakEwma, &servers, 1000.0, |shares| near(shares, &[33.3; 3], 4.0));
}

#[test]
fn a_server_that_has_recovered_gets_its_share_again() {
    let mut world = World::new(Strategy::PeakEwma, 7, vec![quick(), quick(), quick().failing(1.0)]);
    world.run(1000.0, 10.0, |_| None);
    world.servers[2].failing = 0.0;
    world.run(1000.0, 15.0, |_| None);
    world.restart();
    world.run(1000.0, 5.0, |_| None);
    assert!(near(&world.shares(), &[33.3; 3], 4.0), "{:?}", world.shares());
}

#[test]
fn a_new_server_is_not_overrun() {
    let mut world = World::new(Strategy::PeakEwma, 7, vec![quick(), quick(), quick()]);
    world.run(1000.0, 5.0, |_| None);
    world.servers[1].observed = Observed::default();
    world.restart();
    world.run(1000.0, 0.2, |_| None);
    assert!(world.share(1) < 0.45, "{:?}", world.shares());
}

#[test]
fn a_busy_server_gets_less_and_a_stale_report_is_forgotten() {
    let roomy = || quick().reporting(20);
    // Half the room: as full with half of the requests.
    let servers = [roomy(), roomy(), quick().reporting(4)];
    check(Strategy::Load, &servers, 1000.0, |shares| shares[2] < 29.0 && shares[2] > 10.0);
    // One that is full says so, and still gets some, so that it can say something else.
    let servers = [roomy(), quick().reporting(1)];
    check(Strategy::Load, &servers, 1000.0, |shares| shares[1] < 20.0 && shares[1] > 1.0);
    // It stops reporting: after ten seconds it is like the others.
    let mut world = World::new(Strategy::Load, 7, servers.to_vec());
    world.run(1000.0, 5.0, |_| None);
    world.servers[1].capacity = 0;
    world.restart();
    world.run(1000.0, 4.0, |_| None);
    assert!(world.shares()[1] < 25.0, "{:?}", world.shares());
    world.run(1000.0, 8.0, |_| None);
    world.restart();
    world.run(1000.0, 5.0, |_| None);
    assert!(near(&world.shares(), &[50.0, 50.0], 3.0), "{:?}", world.shares());
}

/// Checked at each step: see [`World::check_bound`].
#[test]
fn hash_never_exceeds_its_bound_and_keeps_keys_together_below_it() {
    let popular = |random: u64| Some(key::key([&(random % 3).to_le_bytes()[..]]));
    let spread = |random: u64| Some(key::key([&random.to_le_bytes()[..]]));
    for seed in [1, 2, 3] {
        for servers in [vec![quick(); 5], vec![quick().weighted(5), quick(), quick().weighted(2)]] {
            let mut world = World::new(Strategy::Hash, seed, servers.clone());
            world.run(4000.0, 3.0, spread);
            world.run(4000.0, 3.0, popular);
            assert!(world.shares().iter().all(|share| *share > 5.0), "{:?}", world.shares());
        }
        // With little to do every request of a key goes to its server.
        let mut world = World::new(Strategy::Hash, seed, vec![quick(); 5]);
        world.run(1.0, 300.0, |_| Some(99));
        let mut shares = world.shares();
        shares.sort_unstable_by(f64::total_cmp);
        assert!(shares[4] > 98.0, "{shares:?}");
    }
}
