//! The machine by tables, and against a simple account of the same rules over random outcomes.

use super::super::check::Probe;
use super::super::shares::{Standing, WHOLE_PERMILLE, shares};
use super::super::state::Word;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn check_of(unhealthy_after: u32, healthy_after: u32) -> HealthCheck {
    HealthCheck { unhealthy_after, healthy_after, jitter: 0.0, ..HealthCheck::new(Probe::Tcp) }
}

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// One letter an outcome: `+` and `-`; one letter the state after it: N, H, U.
fn check(unhealthy_after: u32, healthy_after: u32, outcomes: &str, expected: &str) {
    let rule = check_of(unhealthy_after, healthy_after);
    let mut checks = Checks::new(Duration::ZERO);
    let mut states = String::new();
    for outcome in outcomes.chars() {
        let now = checks.due().unwrap_or_default();
        assert!(checks.begin(now));
        let before = checks.state();
        let outcome = if outcome == '+' { Ok(()) } else { Err("connection refused") };
        let turn = checks.end(&rule, outcome, 0, now);
        let turned = (before != checks.state()).then(|| checks.state());
        assert_eq!(turn.map(|turn| turn.to), turned, "{outcomes}");
        states.push(checks.state().name().chars().next().unwrap_or_default());
    }
    assert_eq!(states, expected, "{outcomes} with {unhealthy_after} and {healthy_after}");
}

#[test]
fn so_many_in_a_row_change_the_state() {
    check(1, 1, "+-+-", "HUHU");
    check(3, 1, "+--+---+", "HHHHHHUH");
    check(3, 2, "+-++", "NNNH");
    check(3, 2, "++---+-++", "NHHHUUUUH");
    check(3, 3, "---+++---", "NNUUUHHHU");
    check(2, 1, "-+", "NH");
    check(2, 1, "--", "NU");
    check(2, 2, "-+-+-+-+", "NNNNNNNN");
}

#[test]
fn a_change_says_why() {
    let told = |rule: &HealthCheck, outcomes: &[Result<(), &str>]| {
        let mut checks = Checks::new(Duration::ZERO);
        let mut last = None;
        for outcome in outcomes {
            assert!(checks.begin(Duration::ZERO));
            last = checks.end(rule, *outcome, 0, Duration::ZERO).or(last);
        }
        last.map(|turn: Turn| turn.reason).unwrap_or_default()
    };
    assert_eq!(&*told(&check_of(1, 1), &[Err("connection refused")]), "a check failed: connection refused");
    let last = &[Err("connection refused"), Err("status 503, expected 2xx")];
    assert_eq!(&*told(&check_of(2, 1), last), "2 checks in a row failed: status 503, expected 2xx");
    assert_eq!(&*told(&check_of(2, 1), &[Ok(())]), "a check passed");
    assert_eq!(&*told(&check_of(2, 3), &[Err("x"), Ok(()), Ok(()), Ok(())]), "3 checks in a row passed");
}

#[test]
fn failures_in_a_row_are_counted() {
    let rule = check_of(3, 1);
    let mut checks = Checks::new(SECOND);
    assert_eq!((checks.due(), checks.failures_in_a_row()), (Some(SECOND), 0));
    for (outcome, expected) in
        [(true, 0), (false, 1), (false, 2), (false, 3), (false, 4), (true, 0), (true, 0)]
    {
        checks.begin(SECOND);
        checks.end(&rule, if outcome { Ok(()) } else { Err("x") }, 0, SECOND);
        assert_eq!(checks.failures_in_a_row(), expected);
    }
}

#[test]
fn a_server_is_asked_one_thing_at_a_time() {
    let rule = check_of(1, 1);
    let mut checks = Checks::new(Duration::ZERO);
    assert!(checks.end(&rule, Ok(()), 0, Duration::ZERO).is_none(), "nothing was asked");
    assert_eq!(checks.state(), State::NotInitiated);
    assert!(checks.begin(Duration::ZERO));
    assert_eq!(checks.due(), None);
    assert!(!checks.begin(SECOND), "one is under way");
    assert!(checks.end(&rule, Ok(()), 0, SECOND).is_some());
    assert!(checks.end(&rule, Err("late"), 0, SECOND).is_none(), "the second answer to one question");
    assert_eq!(checks.state(), State::Healthy);
}

#[test]
fn who_begins_anew_is_known_no_more_and_hears_no_old_outcome() {
    let rule = check_of(1, 1);
    let mut checks = Checks::new(Duration::ZERO);
    checks.begin(Duration::ZERO);
    checks.end(&rule, Ok(()), 0, SECOND);
    checks.begin(2 * SECOND);
    checks.restart(9 * SECOND);
    assert!(checks.end(&rule, Err("old"), 0, 3 * SECOND).is_none());
    assert_eq!((checks.state(), checks.due()), (State::NotInitiated, Some(9 * SECOND)));
}

/// The pause from the beginning of a check to the next one, for a check that took so long.
fn pause_after(rule: &HealthCheck, outcome: Result<(), &str>, random: u64, took: Duration) -> Duration {
    let mut checks = Checks::new(Duration::ZERO);
    // Not the first one, which is followed by any part of an interval.
    for (began, outcome, random) in [(Duration::ZERO, Ok(()), 0), (SECOND, outcome, random)] {
        checks.begin(began);
        checks.end(rule, outcome, random, began + if began.is_zero() { Duration::ZERO } else { took });
    }
    checks.due().unwrap_or_default() - SECOND
}

/// One that was killed and is back at once is seen by nobody who asks only once in a while.
#[test]
fn a_server_that_requests_find_failing_is_checked_at_once_and_faster() {
    let rule = check_of(3, 1);
    let mut checks = Checks::new(Duration::ZERO);
    checks.begin(Duration::ZERO);
    checks.end(&rule, Ok(()), 0, Duration::ZERO);
    assert_eq!((checks.state(), checks.due()), (State::Healthy, Some(SECOND)));
    assert!(checks.doubt(true, at(100)));
    assert_eq!(checks.due(), Some(at(100)));
    assert!(!checks.doubt(true, at(150)), "it is the same doubt");
    assert!(checks.begin(at(150)));
    assert_eq!(checks.begun(), Some(at(150)));
    assert!(!checks.doubt(true, at(160)));
    checks.end(&rule, Err("refused"), 0, at(200));
    assert_eq!((checks.state(), checks.due(), checks.begun()), (State::Healthy, Some(at(400)), None));
    assert!(!checks.doubt(false, at(300)), "what is due stays due");
    checks.begin(at(400));
    assert!(!checks.doubt(true, at(450)), "one is under way");
    assert!(!checks.doubt(false, at(460)));
    checks.end(&rule, Ok(()), 0, at(500));
    assert_eq!(checks.due(), Some(at(1400)), "the usual pace again");
    assert!(!checks.doubt(true, at(1400)), "it is due already");
}

#[test]
fn the_pace_is_that_of_beginnings_and_faster_while_unhealthy() {
    let rule = HealthCheck { jitter: 0.2, ..check_of(1, 1) };
    let failed = || Err("x");
    assert_eq!(pause_after(&rule, Ok(()), 0, at(0)), SECOND);
    assert_eq!(pause_after(&rule, Ok(()), 0, at(700)), SECOND, "however long it took");
    assert_eq!(pause_after(&rule, Ok(()), 0, at(1700)), at(1700), "but not before its end");
    assert_eq!(pause_after(&rule, Ok(()), u64::MAX, at(0)), at(800), "jitter makes it earlier");
    assert_eq!(pause_after(&rule, Ok(()), u64::MAX / 2, at(0)).as_millis(), 900);
    assert_eq!(pause_after(&rule, failed(), 0, at(0)), at(250));
    let doubtful = HealthCheck { unhealthy_after: 2, ..rule };
    assert_eq!(pause_after(&doubtful, failed(), 0, at(0)), SECOND, "one failure shortens no pause");
}

#[test]
fn after_the_first_check_many_servers_are_spread() {
    let second_check = |jitter, random| {
        let rule = HealthCheck { jitter, ..check_of(1, 1) };
        let mut checks = Checks::new(Duration::ZERO);
        checks.begin(Duration::ZERO);
        checks.end(&rule, Ok(()), random, Duration::ZERO);
        checks.due().unwrap_or_default()
    };
    assert_eq!(second_check(0.1, 0), SECOND);
    assert_eq!(second_check(0.1, u64::MAX / 2).as_millis(), 500);
    assert_eq!(second_check(0.1, u64::MAX), Duration::ZERO);
    assert_eq!(second_check(0.0, u64::MAX), SECOND, "without jitter nothing is left to chance");
}

#[test]
fn first_checks_begin_at_once_and_within_an_interval() {
    let rule = check_of(1, 1);
    assert_eq!(first_check_after(&rule, 0, 1), Duration::ZERO);
    assert_eq!(first_check_after(&rule, 4, 5), at(4));
    assert_eq!(first_check_after(&rule, 9_999, 10_000), Duration::from_nanos(25_000) * 9_999);
    assert_eq!(first_check_after(&rule, 0, 0), Duration::ZERO);
    assert!(first_check_after(&rule, usize::MAX, 10) <= rule.unhealthy_interval);
    for count in [1, 3, 250, 251, 100_000] {
        assert!(first_check_after(&rule, count - 1, count) <= rule.unhealthy_interval, "{count}");
    }
}

/// Random numbers that a seed repeats (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A server that is up and down for random times, checks that take random times. After each step: the state is what the
/// outcomes so far say by a simple account; pauses are within their bounds; a server that is up for good is HEALTHY within
/// `healthy_after` intervals (or timeouts, where those are longer) and one timeout, and one that is down for good UNREACHABLE within `unhealthy_after` of them.
fn simulate(seed: u64) {
    let mut random = Random(seed);
    let mut rule = check_of(1 + random.below(4) as u32, 1 + random.below(4) as u32);
    rule.interval = at(10 + random.below(2000));
    rule.unhealthy_interval = rule.interval.min(at(10 + random.below(2000)));
    rule.timeout = at(10 + random.below(1000));
    rule.jitter = random.below(101) as f64 / 100.0;
    let mut checks = Checks::new(at(random.below(100)));
    let mut outcomes: Vec<bool> = Vec::new();
    let (mut up, mut up_since) = (random.below(2) == 0, Duration::ZERO);
    let mut now = Duration::ZERO;
    for _ in 0..200 {
        let begun = checks.due().unwrap_or_else(|| panic!("seed {seed}: never due again"));
        assert!(begun >= now, "seed {seed}: due in the past");
        if random.below(8) == 0 {
            up_since = now + (begun - now).mul_f64(random.below(100) as f64 / 100.0);
            up = !up;
        }
        assert!(checks.begin(begun), "seed {seed}");
        now = begun + rule.timeout.mul_f64(random.below(101) as f64 / 100.0);
        outcomes.push(up);
        let outcome = if up { Ok(()) } else { Err("down") };
        let before = checks.state();
        let turn = checks.end(&rule, outcome, random.next(), now);
        let expected = account(&rule, &outcomes);
        assert_eq!(checks.state(), expected, "seed {seed} after {outcomes:?}");
        assert_eq!(turn.is_some(), before != expected, "seed {seed}");
        let for_long = |checks: u32| {
            now - up_since > rule.interval.max(rule.timeout) * checks + rule.timeout
                && outcomes.len() > checks as usize
        };
        let late = match checks.state() {
            State::Healthy => !up && for_long(rule.unhealthy_after),
            _ => up && for_long(rule.healthy_after),
        };
        assert!(!late, "seed {seed}: {:?} since {up_since:?}, now {now:?}", checks.state());
        let pace = if expected == State::Healthy { rule.interval } else { rule.unhealthy_interval };
        let next = checks.due().unwrap_or_default();
        assert!(next <= (begun + pace).max(now) && next >= now, "seed {seed}");
        let jitter = if outcomes.len() == 1 { 1.0 } else { rule.jitter };
        let earliest = (begun + pace.mul_f64(1.0 - jitter)).saturating_sub(Duration::from_nanos(100));
        assert!(next >= earliest, "seed {seed}: {next:?} < {earliest:?}");
    }
}

/// An upstream whose servers go up and down, with checks and an operator. After each step nobody gets anything who is
/// UNREACHABLE, DRAINING or DISABLED, nor who is NOT_INITIATED while somebody is HEALTHY, unless in a panic; then all do but
/// those whom the operator has taken out; and there is a panic exactly when less than the threshold is left.
fn simulate_upstream(seed: u64) {
    let mut random = Random(seed);
    let rule = check_of(1 + random.below(3) as u32, 1 + random.below(3) as u32);
    let panic_percent = [0, 10, 50, 100][random.below(4) as usize];
    let mut servers: Vec<(Checks, Word, bool, u32)> = (0..1 + random.below(6))
        .map(|_| {
            (Checks::new(Duration::ZERO), Word::InService, random.below(3) > 0, 1 + random.below(5) as u32)
        })
        .collect();
    for _ in 0..300 {
        let one = random.below(servers.len() as u64) as usize;
        let (checks, word, is_up, _) = &mut servers[one];
        match random.below(10) {
            0 => *is_up = !*is_up,
            1 => *word = [Word::InService, Word::Drain, Word::Disable][random.below(3) as usize],
            2 => checks.restart(Duration::ZERO),
            _ => {
                checks.begin(Duration::ZERO);
                checks.end(&rule, if *is_up { Ok(()) } else { Err("down") }, random.next(), Duration::ZERO);
            }
        }
        let standing = |(checks, word, _, weight): &(Checks, Word, bool, u32)| Standing {
            weight: *weight,
            state: word.state(checks.state()),
            is_ejected: false,
            is_tried: false,
            warmth_permille: WHOLE_PERMILLE,
        };
        let standings: Vec<Standing> = servers.iter().map(standing).collect();
        let found = shares(&standings, panic_percent);
        let any_healthy = standings.iter().any(|it| it.state == State::Healthy);
        for (standing, share) in standings.iter().zip(&found.of) {
            let gets = match standing.state {
                State::Healthy => true,
                State::NotInitiated => found.panic || !any_healthy,
                State::Unreachable => found.panic,
                State::Draining | State::Disabled => false,
            };
            assert_eq!(*share > 0, gets, "seed {seed}: {standings:?} {found:?}");
        }
        assert!(!found.panic || panic_percent > 0, "seed {seed}: it was forbidden");
        let is_alone_left = standings.iter().all(|it| matches!(it.state, State::Healthy | State::Draining));
        assert!(!(found.panic && is_alone_left), "seed {seed}: all are well");
    }
}

#[test]
fn simulation_of_an_upstream() {
    for seed in 0..1000 {
        simulate_upstream(seed);
    }
}

/// The state that these outcomes mean, from the beginning.
fn account(rule: &HealthCheck, outcomes: &[bool]) -> State {
    let mut state = State::NotInitiated;
    for end in 1..=outcomes.len() {
        let all = |last: u32, wanted| {
            let last = last as usize;
            last <= end && outcomes[end - last..end].iter().all(|outcome| *outcome == wanted)
        };
        if all(rule.healthy_after, true) {
            state = State::Healthy;
        } else if all(rule.unhealthy_after, false) {
            state = State::Unreachable;
        }
    }
    state
}

#[test]
fn simulation() {
    for seed in 0..2000 {
        simulate(seed);
    }
}
