//! What mode `race` promises, told a second time and in another way.

use std::time::Duration;

use super::super::{Act, Fan, Happened, Mode, Otherwise, Race, RaceRule, StatusSet, Why};
use super::dice::Dice;
use super::ledger::Ledger;
use super::world::{Watch, World};

struct Watcher<'r> {
    rule: &'r RaceRule,
    servers: usize,
    /// The first usable answer that came.
    usable: Option<u32>,
    /// Unusable answers that are not broken, in the order in which they came.
    unusable: Vec<(u32, u16)>,
    picked: Vec<usize>,
    exhausted: bool,
    replay_lost: bool,
    last_start: Option<Duration>,
    /// Whether the last thing that happened ended a copy.
    ended: bool,
}

impl Watcher<'_> {
    fn width(&self) -> usize {
        self.rule.width.map_or(usize::MAX, |width| width.max(1) as usize)
    }

    /// The one that a person would choose.
    fn best(&self) -> Option<u32> {
        let Otherwise::Best(order) = &self.rule.otherwise else { return None };
        let in_order = order.iter().find_map(|set| {
            self.unusable.iter().find(|(_, status)| set.contains(*status)).map(|(copy, _)| *copy)
        });
        in_order.or(self.unusable.first().map(|(copy, _)| *copy))
    }
}

impl Watch for Watcher<'_> {
    fn told(&mut self, happened: Happened, ledger: &Ledger, _now: Duration) {
        self.ended =
            matches!(happened, Happened::Head { .. } | Happened::NotSent { .. } | Happened::Failed { .. });
        match happened {
            Happened::Picked { server, .. } => {
                assert!(!self.picked.contains(&server), "nobody is asked twice");
                self.picked.push(server);
            }
            Happened::NoServer { .. } => self.exhausted = true,
            Happened::Head { copy, status } if self.rule.usable.contains(status) => {
                self.usable.get_or_insert(copy);
            }
            Happened::Head { copy, status } => self.unusable.push((copy, status)),
            // The one that was held back is gone, and the worse ones were freed before.
            Happened::Broken { .. } => self.unusable.clear(),
            Happened::ReplayLost => self.replay_lost |= ledger.decision.is_none(),
            _ => {}
        }
    }

    fn did(&mut self, act: Act, ledger: &Ledger, now: Duration) {
        match act {
            Act::Start { .. } => {
                assert!(!self.exhausted, "somebody else is started though nobody is left");
                assert!(self.usable.is_none() && !self.replay_lost);
                let early = self.last_start.is_some_and(|last| now < last + self.rule.stagger);
                assert!(!early || self.ended, "out of its turn");
                self.last_start = Some(now);
            }
            Act::Answer { copy } => match self.usable {
                Some(usable) => assert_eq!(copy, usable, "the first usable answer wins"),
                None => {
                    assert_eq!(ledger.under_way(), 0, "a usable answer could still come");
                    assert!(self.exhausted || self.picked.len() == self.servers, "somebody was not asked");
                    assert_eq!(self.best(), Some(copy));
                }
            },
            Act::GiveUp(why) => self.gave_up(why, ledger),
            Act::Cancel { copy } => assert_ne!(self.usable, Some(copy), "the winner is cancelled"),
            Act::WakeAt(_) => {}
            other => panic!("{other:?} in a race"),
        }
    }

    fn check(&mut self, ledger: &Ledger, now: Duration) {
        let live = ledger.under_way();
        assert!(live <= self.width(), "{live} at a time");
        if ledger.decision.is_some() {
            return;
        }
        assert!(self.usable.is_none(), "a usable answer is here and not passed on");
        assert!(!self.replay_lost);
        let held: Vec<u32> = ledger.held().map(|(copy, _)| copy).collect();
        assert!(held.len() <= 1, "more is held back than can be needed");
        assert_eq!(held.first().copied(), self.best(), "the best so far is held back");
        if !self.exhausted && self.picked.len() < self.servers && live < self.width() {
            let turn = self.last_start.expect("one was started") + self.rule.stagger;
            assert!(turn > now || !self.rule.stagger.is_zero(), "somebody waits for nothing");
            assert!(
                ledger.wake.is_some_and(|wake| wake <= turn.max(now)),
                "nobody wakes us for the next one"
            );
        }
    }
}

impl Watcher<'_> {
    fn gave_up(&self, why: Why, ledger: &Ledger) {
        if why == Why::ReplayLost {
            return assert!(self.replay_lost);
        }
        assert!(self.usable.is_none() && ledger.under_way() == 0 && self.best().is_none());
        assert!(self.exhausted || self.picked.len() == self.servers, "somebody was not asked");
        match (why, &self.rule.otherwise) {
            (Why::NothingUsable { status }, Otherwise::Status(expected)) => {
                assert_eq!(status, *expected);
                assert!(!self.picked.is_empty(), "nobody was asked");
            }
            (Why::NoServer, _) => assert!(self.picked.is_empty()),
            (Why::Unreachable { .. } | Why::Failed(_), Otherwise::Best(_)) => {
                assert!(!self.picked.is_empty());
            }
            (why, otherwise) => panic!("{why:?} with {otherwise:?}"),
        }
    }
}

pub(super) fn otherwise(dice: &mut Dice) -> Otherwise {
    if dice.percent(30) {
        return Otherwise::Status(dice.one_of(&[500, 502, 503]));
    }
    Otherwise::Best((0..dice.below(4)).map(|_| statuses(dice)).collect())
}

fn statuses(dice: &mut Dice) -> StatusSet {
    let set = StatusSet::EMPTY.with_class(dice.one_of(&[2, 3, 4, 5]));
    if dice.percent(50) { set.with_code(dice.one_of(&[404, 409, 503])) } else { set }
}

pub(super) fn play(mut dice: Dice, loud: bool) {
    let servers = dice.below(7);
    let rule = RaceRule {
        usable: if dice.percent(50) { StatusSet::USABLE } else { statuses(&mut dice) },
        width: dice.one_of(&[None, None, Some(0), Some(1), Some(2), Some(3), Some(9)]),
        stagger: dice.delay(4),
        otherwise: otherwise(&mut dice),
    };
    let mut watcher = Watcher {
        rule: &rule,
        servers,
        usable: None,
        unusable: Vec::new(),
        picked: Vec::new(),
        exhausted: false,
        replay_lost: false,
        last_start: None,
        ended: false,
    };
    let mut world = World::new(dice, Mode::Race, servers, loud);
    if world.dice.percent(10) {
        let at = world.dice.delay(20);
        world.plan(at, Happened::ReplayLost);
    }
    world.run(&mut Fan::Race(Race::new(&rule, servers)), &mut watcher);
}
