//! A pool under load for hours of made-up time, with servers that fail and recover, and all promises held against it after
//! each step. A failure prints the seed that repeats it.

use super::super::breaker::{Round, Trial};
use super::super::fault::Fault;
use super::super::window::ShareRule;
use super::*;

const STEPS: usize = 4000;

/// Numbers that a seed repeats (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[derive(Default)]
struct Server {
    breaker: Breaker,
    /// Of a hundred requests so many fail.
    failing: u64,
    on_trial: Vec<Trial>,
    /// Requests that take long: the round in which they began, and whether they will fail.
    late: Vec<(Round, bool)>,
    row: u32,
    out_since: Option<Duration>,
    out_for: Duration,
    /// How it fails: so that checks may see it or not.
    fault: Option<Fault>,
    fails_checks: bool,
    /// Of the checks that were heard since it went out: whether one failed, or the last one before; and those in a row that
    /// were begun since and passed.
    has_failed_checks: bool,
    passed: u32,
    ejected_for: Option<Fault>,
    times: u32,
}

struct World {
    rule: EjectionRule,
    dice: Dice,
    now: Duration,
    servers: Vec<Server>,
    ejections: Vec<Ejection>,
    ejected: usize,
    returned: usize,
    healthy_after: u32,
    /// Servers that were tried because checks said so: of those that checks had seen failing, and of others.
    tried_sooner: [usize; 2],
    /// Outcomes that came when the server was tried or back since, or well again.
    too_late: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let servers = 1 + dice.below(8) as usize;
        let window = Duration::from_secs(1 + dice.below(30));
        let share =
            ShareRule { per_mille: 1 + dice.below(1000) as u32, window, least: 1 + dice.below(40) as u32 };
        let consecutive = 1 + dice.below(10) as u32;
        let breaker = BreakerRule {
            consecutive: Some(consecutive).filter(|_| dice.below(4) > 0),
            share: Some(share).filter(|_| dice.below(2) > 0),
            trials: 1 + dice.below(4) as u32,
        };
        let time = Duration::from_millis(100 + dice.below(20_000));
        let healthy_after = 1 + dice.below(3) as u32;
        let rule = EjectionRule {
            breaker,
            on: Faults::default(),
            time,
            time_max: time * (1 + dice.below(5) as u32),
            at_most_per_mille: 1 + dice.below(1000) as u32,
        };
        Self {
            rule,
            now: Duration::ZERO,
            servers: (0..servers).map(|_| Server::default()).collect(),
            ejections: vec![Ejection::new(Duration::ZERO); servers],
            dice,
            ejected: 0,
            returned: 0,
            healthy_after,
            tried_sooner: [0, 0],
            too_late: 0,
        }
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0 => {
                let failing = [0, 0, 5, 50, 100][self.dice.below(5) as usize];
                let faults = [Fault::Unreachable, Fault::Reset, Fault::Timeout, Fault::Status(503)];
                let fault = faults[self.dice.below(4) as usize];
                let place = self.place();
                let server = &mut self.servers[place];
                (server.failing, server.fault) = (failing, Some(fault));
            }
            1 => self.now += Duration::from_millis(self.dice.below(15_000)),
            // The machine sleeps.
            2 if self.dice.below(50) == 0 => self.now += Duration::from_secs(self.dice.below(1 << 30)),
            3..=5 => self.review(),
            6 => {
                let place = self.place();
                self.end_trial(place);
            }
            7..=8 => self.check(),
            9..=10 => self.late(),
            11 if self.dice.below(20) == 0 => self.renew(),
            _ => self.request(),
        }
        self.sweep();
    }

    fn place(&mut self) -> usize {
        let servers = self.servers.len() as u64;
        self.dice.below(servers) as usize
    }

    fn end_trial(&mut self, place: usize) {
        let server = &mut self.servers[place];
        if let Some(trial) = server.on_trial.pop() {
            server.breaker.give_back(trial);
        }
    }

    /// A request goes to a server that gets any, and sometimes nothing is heard of it.
    fn request(&mut self) {
        let place = self.place();
        let rule = self.rule.breaker;
        if self.ejections[place].is_out() {
            return;
        }
        let server = &mut self.servers[place];
        let mut round = server.breaker.round();
        if server.breaker.is_half_open() {
            let admits = server.breaker.admits(&rule);
            let trial = server.breaker.try_it(&rule);
            assert_eq!(trial.is_some(), admits);
            let Some(trial) = trial else { return };
            server.on_trial.push(trial);
            round = trial.round;
        }
        if self.dice.below(10) == 0 {
            return;
        }
        let fails = self.dice.below(100) < server.failing;
        match self.dice.below(5) {
            0 => server.late.push((round, fails)),
            _ => self.end(place, round, fails),
        }
    }

    /// A request ends that has taken its time, whatever the server is now.
    fn late(&mut self) {
        let place = self.place();
        if self.servers[place].late.is_empty() {
            return;
        }
        let late = self.dice.below(self.servers[place].late.len() as u64) as usize;
        let (round, fails) = self.servers[place].late.swap_remove(late);
        let server = &self.servers[place];
        let (was, is_late) = (server.breaker.state(), round != server.breaker.round());
        self.end(place, round, fails);
        if is_late {
            self.too_late += 1;
            assert_eq!(self.servers[place].breaker.state(), was, "what began before says nothing");
        }
    }

    /// The server is known to be well again.
    fn renew(&mut self) {
        let place = self.place();
        let server = &mut self.servers[place];
        server.breaker.renew();
        if server.breaker.state() == BreakerState::Closed {
            server.row = 0;
        }
    }

    fn end(&mut self, place: usize, round: Round, fails: bool) {
        let (rule, now) = (self.rule.breaker, self.now);
        let server = &mut self.servers[place];
        let (was, is_news) = (server.breaker.state(), round == server.breaker.round());
        let fault = server.fault.unwrap_or(Fault::Timeout);
        let told = match fails {
            true => server.breaker.failed(&rule, round, fault, || now),
            false => server.breaker.succeeded(&rule, round, || now),
        };
        if is_news {
            server.row = if fails { server.row + 1 } else { 0 };
        }
        let is = server.breaker.state();
        let is_tried = matches!(was, BreakerState::HalfOpen { .. });
        assert!(!(is_tried && is_news && fails) || told, "one that fails while it is tried opens it");
        let opened = !matches!(was, BreakerState::Open(_)) && matches!(is, BreakerState::Open(_));
        let closed = was != BreakerState::Closed && is == BreakerState::Closed;
        assert_eq!(told, opened || closed, "whoever changes it is told so: {was:?} {is:?}");
        assert!(!opened || fails, "a success opens nothing");
        if let (BreakerState::Closed, Some(consecutive), true) = (is, rule.consecutive, fails) {
            assert!(server.row < consecutive, "{} failures in a row", server.row);
        }
    }

    /// A check ends, which was begun now or a while ago. It sees some of what requests see.
    fn check(&mut self) {
        let place = self.place();
        let begun = self.now.saturating_sub(Duration::from_millis([0, 0, 3000][self.dice.below(3) as usize]));
        let has_passed = self.dice.below(100) >= self.servers[place].failing / 2;
        let is_well = has_passed && self.dice.below(3) > 0;
        let (ejection, server) = (&mut self.ejections[place], &mut self.servers[place]);
        let was_out = ejection.is_out();
        server.fails_checks = !has_passed || server.fails_checks && !is_well;
        if !has_passed {
            (server.has_failed_checks, server.passed) = (true, 0);
        } else if server.out_since.is_some_and(|since| begun >= since) {
            server.passed += 1;
        }
        let heard = ejection.hear(&server.breaker, Heard { begun, has_passed, is_well }, self.healthy_after);
        if heard.is_none() {
            return;
        }
        assert_eq!(heard, Some(EjectionChange::Tried));
        assert!(was_out && has_passed && begun >= server.out_since.unwrap_or_default());
        assert!(server.passed >= self.healthy_after, "{} checks have passed", server.passed);
        let is_of_connection = matches!(server.ejected_for, Some(Fault::Unreachable | Fault::Reset));
        assert!(
            server.has_failed_checks || (is_of_connection && server.times == 1),
            "checks that passed all along undo what requests have found out: {:?}",
            server.ejected_for
        );
        self.tried_sooner[usize::from(!server.has_failed_checks)] += 1;
        server.out_since = None;
        server.on_trial.clear();
    }

    fn review(&mut self) {
        for place in 0..self.servers.len() {
            let doubted = self.ejections.iter().filter(|ejection| ejection.is_doubted()).count();
            let has_room = self.rule.has_room(doubted, self.servers.len());
            let (now, server) = (self.now, &mut self.servers[place]);
            let was = server.breaker.state();
            let times_before = self.ejections[place].times(&self.rule, now);
            match self.ejections[place].review(&self.rule, &server.breaker, has_room, now) {
                Some(EjectionChange::Ejected { trip, time, times }) => {
                    self.ejected += 1;
                    (server.ejected_for, server.times) = (Some(trip.fault), times);
                    (server.has_failed_checks, server.passed) = (server.fails_checks, 0);
                    assert_eq!(times, times_before + 1);
                    assert_eq!(time, (self.rule.time * times).min(self.rule.time_max));
                    (server.out_since, server.out_for) = (Some(now), time);
                }
                Some(EjectionChange::Tried) => {
                    let out = now - server.out_since.take().unwrap_or_default();
                    assert!(out >= server.out_for, "out for {out:?} instead of {:?}", server.out_for);
                    server.on_trial.clear();
                }
                Some(EjectionChange::Returned) => {
                    self.returned += 1;
                    server.row = 0;
                }
                Some(EjectionChange::Spared { .. }) => assert!(!has_room),
                None => {}
            }
            if was != BreakerState::Closed && self.servers[place].breaker.state() == BreakerState::Closed {
                self.servers[place].row = 0;
            }
        }
    }

    fn sweep(&mut self) {
        let doubted = self.ejections.iter().filter(|ejection| ejection.is_doubted()).count();
        let allowed = (self.servers.len() * self.rule.at_most_per_mille as usize / 1000).max(1);
        assert!(doubted <= allowed && doubted <= self.servers.len(), "{doubted} of {}", self.servers.len());
        assert!(self.servers.len() > 1 || doubted == 0, "a server that is alone is never out");
        for (server, ejection) in self.servers.iter().zip(&self.ejections) {
            if let BreakerState::HalfOpen { on_trial, .. } = server.breaker.state() {
                assert!(on_trial <= self.rule.breaker.trials);
                assert_eq!(on_trial as usize, server.on_trial.len());
            }
            assert!(ejection.due().is_none_or(|due| due <= self.now + self.rule.time_max));
        }
    }
}

#[test]
fn a_pool_keeps_its_promises_whatever_its_servers_do() {
    let (mut ejected, mut returned, mut sooner, mut too_late) = (0, 0, [0, 0], 0);
    for seed in 0..300 {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..STEPS).for_each(|_| world.step());
            (world.ejected, world.returned, world.tried_sooner, world.too_late)
        });
        let Ok((out, back, tried, late)) = outcome else { panic!("seed {seed} fails, as is said above") };
        ejected += out;
        returned += back;
        too_late += late;
        sooner = [sooner[0] + tried[0], sooner[1] + tried[1]];
    }
    // What never happens is not tested.
    assert!(ejected > 3000 && returned > 1000, "{ejected} {returned}");
    assert!(too_late > 1000, "{too_late}");
    assert!(sooner[0] > 100 && sooner[1] > 100, "{sooner:?}");
}
