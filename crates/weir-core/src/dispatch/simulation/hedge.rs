//! What mode `hedge` promises, told a second time and in another way; also over many requests that share a budget.

use std::time::Duration;

use super::super::{
    Act, After, Budget, Fan, Happened, Hedge, HedgeFacts, HedgeRule, Mode, RequestFacts, Why,
};
use super::dice::Dice;
use super::ledger::{Ledger, State};
use super::world::{Watch, World};
use crate::retry::{BudgetRule, RetryBudget, RetryOn, RetryPolicy};

/// Millionths of a token.
const TOKEN: u64 = 1_000_000;

/// What repeats are paid from, by our own account: so much per second, and at most that of ten seconds.
struct Purse {
    least: u64,
    parts: u64,
    at: Duration,
}

impl Purse {
    fn now(&mut self, now: Duration) -> u64 {
        let more = (now - self.at).as_micros() as u64 * self.least;
        self.parts = (self.parts + more).min((self.least * 10 * TOKEN).max(TOKEN));
        self.at = now;
        self.parts
    }
}

struct Watcher<'w> {
    policy: &'w RetryPolicy,
    safe: bool,
    delay: Duration,
    up: Vec<bool>,
    /// What is left of the budget, by our own account.
    tokens: &'w mut u64,
    purse: &'w mut Purse,
    /// When the exchange began.
    began: Duration,
    /// A repeat is paid and not sent yet.
    granted: bool,
    /// It waits until then.
    rest: Option<Duration>,
    /// A server has asked for a longer rest than anybody waits for.
    too_long: bool,
    /// Which server has asked to be left alone, and until when.
    rests: Vec<(usize, Duration)>,
    /// Something was started in this step.
    started: bool,
    /// What happened last.
    event: Option<Happened>,
    asked: Vec<usize>,
    unreachable: Vec<usize>,
    sent: u32,
    last_sent: Option<usize>,
    hedge: Option<u32>,
    hedged: bool,
    /// The hedge was due since the last start.
    fired: bool,
    /// The hedge is to be launched in this step.
    due: bool,
    last_start: Duration,
    /// When the client's body came to its end.
    whole_at: Option<Duration>,
    replay_lost: bool,
    /// Whether the policy wants what ended last to be repeated.
    wanted: bool,
    /// The last answer that is not wanted, unless it broke.
    unwanted: Option<u32>,
    /// The answer that must be passed on in this step.
    winner: Option<u32>,
}

impl Watcher<'_> {
    /// When the last copy has taken too long: its client's own slowness does not count.
    fn due_at(&self) -> Option<Duration> {
        self.whole_at.map(|whole| whole.max(self.last_start) + self.delay)
    }

    fn may_repeat(&self) -> bool {
        self.safe && !self.replay_lost && self.wanted && self.sent < self.policy.attempts
    }

    /// A repeat was granted in this step, unless that was said before.
    fn grant(&mut self, now: Duration) {
        assert!(self.may_repeat(), "a repeat that is not safe, not wanted, or one too many");
        if !self.granted {
            self.granted = true;
            let left = self.purse.now(self.began + now).checked_sub(TOKEN);
            self.purse.parts = left.expect("more repeats than the budget pays");
        }
    }

    fn refund(&mut self) {
        self.hedge = None;
        *self.tokens = (*self.tokens + TOKEN).min(10 * TOKEN);
    }

    fn picked(&mut self, copy: u32, server: usize, ledger: &Ledger) {
        let is_there =
            |other: &super::ledger::Copy| other.state == State::UnderWay && other.server == Some(server);
        let others = (0..).zip(&ledger.copies).filter(|(number, _)| *number != copy);
        assert!(!others.map(|(_, other)| other).any(is_there), "two copies at one server");
        assert!(!self.unreachable.contains(&server), "passed over once and for all");
        let is_left = |server: &usize| {
            self.up[*server] && !self.asked.contains(server) && !self.unreachable.contains(server)
        };
        let again = self.asked.contains(&server);
        assert!(!again || !(0..self.up.len()).any(|server| is_left(&server)), "twice while another is left");
        let other = |other: usize| other != server && self.up[other] && !self.unreachable.contains(&other);
        let is_last = self.last_sent == Some(server);
        assert!(!is_last || !(0..self.up.len()).any(other), "the last one at once again");
        self.asked.push(server);
    }

    /// Nothing more can be done: nothing is under way, and a repeat is impossible or finds nobody.
    fn is_at_its_end(&mut self, ledger: &Ledger, now: Duration) -> bool {
        let nobody = matches!(self.event, Some(Happened::NoServer { .. }));
        let unpaid = !self.granted && self.purse.now(self.began + now) < TOKEN;
        ledger.under_way() == 0 && (nobody || unpaid || self.too_long || !self.may_repeat())
    }
}

impl Watch for Watcher<'_> {
    fn told(&mut self, happened: Happened, ledger: &Ledger, now: Duration) {
        self.event = Some(happened);
        self.started = false;
        if ledger.decision.is_some() {
            return;
        }
        match happened {
            Happened::Picked { copy, server } => {
                let rested = |(of, until): &(usize, Duration)| *of != server || now >= *until;
                // A hedge is launched because somebody is slow, not because somebody wants to be left alone.
                assert!(self.hedge == Some(copy) || self.rests.iter().all(rested), "asked for rest");
                self.picked(copy, server, ledger);
            }
            Happened::RetryAfter { copy, wait } => {
                self.too_long |= wait > self.policy.backoff.retry_after;
                let server = ledger.copies[copy as usize].server.expect("it was sent");
                self.rests.push((server, now + wait));
            }
            Happened::NoServer { copy } if self.hedge == Some(copy) => self.refund(),
            Happened::NotSent { copy, .. } | Happened::Failed { copy, bytes_sent: 0, .. } => {
                self.unreachable.extend(ledger.copies[copy as usize].server);
                if self.replay_lost && self.hedge == Some(copy) {
                    self.refund();
                }
            }
            Happened::Failed { copy, cause, .. } => {
                self.sent += 1;
                self.granted = false;
                self.last_sent = ledger.copies[copy as usize].server;
                self.wanted = self.policy.wants(cause);
            }
            Happened::Head { copy, status } => {
                self.sent += 1;
                self.granted = false;
                self.last_sent = ledger.copies[copy as usize].server;
                match self.policy.wants_status(status) {
                    true => (self.unwanted, self.wanted) = (Some(copy), true),
                    false => self.winner = Some(copy),
                }
            }
            Happened::Broken { copy } => {
                self.unwanted.take_if(|unwanted| *unwanted == copy);
            }
            Happened::ReplayLost => self.replay_lost = true,
            Happened::BodyWhole => self.whole_at = Some(now),
            Happened::Timer => {
                let others = (0..self.up.len())
                    .any(|server| !self.asked.contains(&server) && !self.unreachable.contains(&server));
                let may = self.safe && !self.replay_lost && !self.hedged && ledger.under_way() == 1;
                let in_time = self.due_at().is_some_and(|due| now >= due);
                self.fired |= in_time;
                self.due = may && others && in_time && *self.tokens >= TOKEN;
            }
            _ => {}
        }
    }

    fn did(&mut self, act: Act, ledger: &Ledger, now: Duration) {
        match act {
            Act::Start { copy, .. } => {
                assert!(!self.replay_lost, "it can't be sent again");
                let live = ledger.under_way();
                self.started = true;
                match self.event {
                    None => {}
                    Some(Happened::Timer) if self.rest.is_some() => {
                        assert!(live == 0 && self.granted && self.rest.is_some_and(|until| now >= until));
                        self.rest = None;
                    }
                    Some(Happened::Timer) => {
                        assert!(self.safe && live == 1 && !self.hedged, "no hedge is allowed");
                        assert!(self.due_at().is_some_and(|due| now >= due), "a hedge too early");
                        *self.tokens = self.tokens.checked_sub(TOKEN).expect("the budget is exceeded");
                        (self.hedge, self.hedged, self.due) = (Some(copy), true, false);
                    }
                    Some(
                        Happened::NotSent { copy: over, .. }
                        | Happened::Failed { copy: over, bytes_sent: 0, .. },
                    ) => {
                        if self.hedge == Some(over) {
                            self.hedge = Some(copy);
                        }
                    }
                    Some(Happened::Failed { .. } | Happened::Head { .. } | Happened::NoServer { .. }) => {
                        assert!(live == 0, "the copy that is under way is the repeat");
                        self.grant(now);
                    }
                    other => panic!("a start after {other:?}"),
                }
                (self.last_start, self.fired) = (now, false);
            }
            Act::Answer { copy } if self.winner.is_some() => assert_eq!(self.winner, Some(copy)),
            Act::Answer { copy } => {
                assert!(self.is_at_its_end(ledger, now), "something better could still come");
                assert_eq!(self.unwanted, Some(copy));
            }
            Act::GiveUp(why) => {
                assert!(self.winner.is_none() && self.unwanted.is_none() && self.is_at_its_end(ledger, now));
                assert_eq!(why == Why::NoServer, self.asked.is_empty());
            }
            Act::Cancel { copy } => assert_ne!(self.winner, Some(copy), "the winner is cancelled"),
            Act::WakeAt(moment) if ledger.under_way() == 0 && !self.started => {
                assert!(self.rest.is_none_or(|until| until == moment), "it rests once");
                if self.rest.is_none() {
                    self.grant(now);
                }
                self.rest = Some(moment);
            }
            Act::WakeAt(moment) => assert!(self.safe && Some(moment) == self.due_at()),
            other => panic!("{other:?} in a hedge"),
        }
    }

    fn check(&mut self, ledger: &Ledger, _now: Duration) {
        assert!(self.sent <= self.policy.attempts + 1, "only the hedge comes on top");
        if ledger.decision.is_some() {
            return;
        }
        assert!(self.winner.is_none(), "the first answer is not passed on");
        let live = ledger.under_way();
        assert!(live == 0 || self.rest.is_none());
        assert!(self.rest.is_none() || ledger.wake == self.rest, "nobody wakes us for the repeat");
        assert!((live >= 1 || self.rest.is_some()) && live <= if self.safe { 2 } else { 1 });
        assert_eq!(ledger.held().next().map(|(copy, _)| copy), self.unwanted);
        assert!(ledger.held().count() <= 1);
        assert!(!self.due, "the hedge is due");
        if self.safe && !self.hedged && !self.replay_lost && live == 1 && !self.fired && self.up.len() > 1 {
            assert_eq!(ledger.wake, self.due_at(), "nobody wakes us for the hedge");
        }
    }
}

fn policy(dice: &mut Dice) -> RetryPolicy {
    let words = [
        RetryOn::Reset,
        RetryOn::Timeout,
        RetryOn::Status(503),
        RetryOn::Status(500),
        RetryOn::Status(404),
        RetryOn::ConnectFailure,
    ];
    let on = words.into_iter().filter(|_| dice.percent(60)).collect();
    RetryPolicy { attempts: 1 + dice.below(4) as u32, on, ..RetryPolicy::default() }
}

pub(super) fn play(mut dice: Dice, loud: bool) {
    let share = dice.one_of(&[0.0, 0.05, 0.5, 1.0]);
    let budget = Budget::new(share);
    // Sometimes nearly nothing is left.
    let spent = dice.below(11) as u64;
    (0..spent).for_each(|_| assert!(budget.take()));
    let mut tokens = (10 - spent) * TOKEN;
    let policy = policy(&mut dice);
    let least = dice.one_of(&[0, 1, 1, 100]);
    let repeats = RetryBudget::new(BudgetRule { share_millionths: 0, least }, Duration::ZERO);
    let mut purse = Purse { least: least.into(), parts: u64::from(least) * 10 * TOKEN, at: Duration::ZERO };
    let mut began = Duration::ZERO;
    let after = dice.one_of(&[After::Percentile, After::Fixed(Duration::from_millis(5))]);
    let rule = HedgeRule { after, at_most: dice.delay(6), budget_share: share };
    for _ in 0..1 + dice.below(30) {
        began += dice.delay(100);
        tokens = (tokens + (share * TOKEN as f64) as u64).min(10 * TOKEN);
        let servers = dice.below(6);
        let request = RequestFacts { safe: dice.percent(80), body_survives: dice.percent(80) };
        let percentile = dice.one_of(&[None, Some(Duration::from_millis(10)), Some(Duration::from_secs(9))]);
        let mut world = World::new(Dice::new(dice.next()), Mode::Hedge, servers, loud);
        if !request.body_survives && world.dice.percent(30) {
            let at = world.dice.delay(20);
            world.plan(at, Happened::ReplayLost);
        }
        let body_whole = world.dice.percent(60);
        world.ledger.body_whole = body_whole;
        if !body_whole && world.dice.percent(90) {
            let at = world.dice.delay(30);
            world.plan(at, Happened::BodyWhole);
        }
        let mut watcher = Watcher {
            policy: &policy,
            safe: request.safe,
            delay: rule.delay(percentile),
            up: (0..servers).map(|server| world.is_up(server)).collect(),
            tokens: &mut tokens,
            purse: &mut purse,
            began,
            granted: false,
            rest: None,
            too_long: false,
            rests: Vec::new(),
            started: false,
            event: None,
            asked: Vec::new(),
            unreachable: Vec::new(),
            sent: 0,
            last_sent: None,
            hedge: None,
            hedged: false,
            fired: false,
            due: false,
            last_start: Duration::ZERO,
            whole_at: body_whole.then_some(Duration::ZERO),
            replay_lost: false,
            wanted: false,
            unwanted: None,
            winner: None,
        };
        let random = world.dice.next();
        let facts =
            HedgeFacts { request, servers, percentile, body_whole, began, time_max: Duration::MAX, random };
        let machine = Hedge::new(&rule, &policy, &budget, Some(&repeats), facts);
        world.run(&mut Fan::Hedge(machine), &mut watcher);
        began += world.now;
    }
    assert_eq!((0..).take_while(|_| budget.take()).count() as u64, tokens / TOKEN, "the budget");
}
