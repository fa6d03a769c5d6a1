//! What mode `majority` promises, told a second time and in another way: by trying all that may still come.

use std::time::Duration;

use super::super::{Act, Fan, Happened, Majority, MajorityRule, Mode, Otherwise, Why};
use super::dice::Dice;
use super::ledger::{Ledger, State};
use super::race::otherwise;
use super::world::{Watch, World};

struct Watcher<'r> {
    rule: &'r MajorityRule,
    servers: usize,
    /// What each copy has said so far.
    said: Vec<Said>,
    /// Whole answers, in the order in which they came.
    whole: Vec<(u32, u16, u64)>,
    replay_lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Head(u16),
    All(u16, u64),
    /// It will not say anything.
    Dead,
}

impl Watcher<'_> {
    /// How many may say just this in the end.
    fn votes(&self, status: u16, digest: u64) -> usize {
        let may_say = |said: &&Said| match **said {
            Said::Nothing => true,
            Said::Head(head) => head == status,
            Said::All(head, body) => (head, body) == (status, digest),
            Said::Dead => false,
        };
        self.said.iter().filter(may_say).count()
    }

    fn is_majority(&self, votes: usize) -> bool {
        2 * votes > self.servers
    }

    /// Every answer that was given, every body that a head may get, and one that nobody has thought of.
    fn is_possible(&self) -> bool {
        let mut statuses: Vec<u16> = self.whole.iter().map(|(_, status, _)| *status).collect();
        statuses.extend(
            self.said.iter().filter_map(|said| if let Said::Head(head) = said { Some(*head) } else { None }),
        );
        statuses.push(0);
        let mut digests: Vec<u64> = self.whole.iter().map(|(_, _, digest)| *digest).collect();
        digests.push(u64::MAX);
        statuses
            .iter()
            .any(|status| digests.iter().any(|digest| self.is_majority(self.votes(*status, *digest))))
    }

    /// The first of those answers that were given by a majority.
    fn elected(&self) -> Option<u32> {
        let given =
            |status, digest| self.said.iter().filter(|said| **said == Said::All(status, digest)).count();
        let elected = self.whole.iter().find(|(_, status, digest)| self.is_majority(given(*status, *digest)));
        elected.map(|(copy, _, _)| *copy)
    }

    fn rank(&self, status: u16) -> usize {
        let Otherwise::Best(order) = &self.rule.otherwise else { return usize::MAX };
        order.iter().take_while(|set| !set.contains(status)).count()
    }

    fn best(&self) -> Option<(u32, usize)> {
        let mut best: Option<(u32, usize)> = None;
        for (copy, status, _) in &self.whole {
            let rank = self.rank(*status);
            if best.is_none_or(|(_, other)| rank < other) {
                best = Some((*copy, rank));
            }
        }
        best
    }

    /// Whether something better than the best may still come.
    fn is_open(&self) -> bool {
        let best = self.best().map_or(usize::MAX, |(_, rank)| rank);
        self.said.iter().any(|said| match said {
            Said::Nothing => best > 0,
            Said::Head(status) => self.rank(*status) < best,
            Said::All(..) | Said::Dead => false,
        })
    }
}

impl Watch for Watcher<'_> {
    fn told(&mut self, happened: Happened, ledger: &Ledger, _now: Duration) {
        if ledger.decision.is_some() {
            return;
        }
        match happened {
            Happened::Head { copy, status } => self.said[copy as usize] = Said::Head(status),
            Happened::Whole { copy, digest } => {
                let Said::Head(status) = self.said[copy as usize] else { panic!("a body without a head") };
                self.said[copy as usize] = Said::All(status, digest);
                self.whole.push((copy, status, digest));
            }
            Happened::NotSent { copy, .. } | Happened::Failed { copy, .. } | Happened::Broken { copy } => {
                self.said[copy as usize] = Said::Dead;
            }
            Happened::ReplayLost => self.replay_lost = true,
            _ => {}
        }
    }

    fn did(&mut self, act: Act, ledger: &Ledger, _now: Duration) {
        match act {
            Act::Start { copy, .. } => assert!((copy as usize) < self.said.len()),
            Act::Answer { copy } => match self.elected() {
                Some(elected) => assert_eq!(copy, elected, "not what the majority says"),
                None => {
                    assert!(!self.is_possible(), "a majority could still come");
                    assert!(!self.is_open(), "a better answer could still come");
                    assert_eq!(Some(copy), self.best().map(|(copy, _)| copy));
                }
            },
            Act::GiveUp(Why::ReplayLost) => assert!(self.replay_lost),
            Act::GiveUp(Why::NoServer) => assert!(self.said.is_empty()),
            Act::GiveUp(Why::NoMajority { status }) => {
                assert!(!self.is_possible() && self.rule.otherwise == Otherwise::Status(status));
            }
            Act::GiveUp(_) => {
                assert!(!self.is_possible() && self.best().is_none() && ledger.under_way() == 0);
            }
            // Another answer than the first of its kind, or one that can't be passed on any more.
            Act::Cancel { .. } => {}
            other => panic!("{other:?} in a majority"),
        }
    }

    fn check(&mut self, ledger: &Ledger, _now: Duration) {
        if ledger.decision.is_some() {
            return;
        }
        assert!(self.elected().is_none(), "there is a majority, and nothing is passed on");
        assert!(!self.replay_lost);
        match self.rule.otherwise {
            Otherwise::Status(_) => assert!(self.is_possible(), "no majority is possible, and it goes on"),
            Otherwise::Best(_) => {
                assert!(self.is_possible() || self.is_open() || self.best().is_none(), "nothing can change");
            }
        }
        let mut kinds = Vec::new();
        for (copy, held) in ledger.held() {
            if let State::Whole(status, digest) = held.state {
                assert!(!kinds.contains(&(status, digest)), "the same answer is kept twice");
                kinds.push((status, digest));
                let may_win = self.is_majority(self.votes(status, digest));
                let is_best = self.rule.otherwise.rank(status).is_some()
                    && self.best().is_some_and(|(best, _)| best == copy);
                assert!(may_win || is_best, "kept for nothing");
            }
        }
    }
}

pub(super) fn play(mut dice: Dice, loud: bool) {
    let servers = dice.below(7);
    let rule = MajorityRule { otherwise: otherwise(&mut dice) };
    let mut world = World::new(dice, Mode::Majority, servers, loud);
    let up = (0..servers).filter(|server| world.is_up(*server)).count();
    let mut watcher = Watcher {
        rule: &rule,
        servers,
        said: vec![Said::Nothing; up],
        whole: Vec::new(),
        replay_lost: false,
    };
    if world.dice.percent(10) {
        let at = world.dice.delay(20);
        world.plan(at, Happened::ReplayLost);
    }
    let machine = Majority::new(&rule, servers, |server| world.is_up(server));
    world.run(&mut Fan::Majority(machine), &mut watcher);
}
