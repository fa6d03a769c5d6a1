//! What mode `duplicate` promises, told a second time and in another way; above all that every acknowledged write reached each
//! server, or is in its queue or among its dead letters, at whatever step Weir stops.

use std::time::Duration;

use super::super::{
    Acknowledge, Act, CatchUp, Duplicate, DuplicateRule, Fan, Full, Happened, Mode, QueueWhy, Targets, Why,
};
use super::dice::Dice;
use super::ledger::{Ledger, State};
use super::world::{Watch, World};

struct Watcher<'w> {
    rule: &'w DuplicateRule,
    targets: Targets<'w>,
    servers: Vec<Server>,
    /// Answers that have met the rule or would have, in their order.
    acknowledged: Option<Source>,
    refused: Option<Source>,
    /// The primary's copy has failed, with this answer if any.
    primary_failed: Option<Option<u32>>,
    whole_at: Option<Duration>,
    late: bool,
    replay_lost: bool,
    /// The client was told that its write is done.
    promised: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Copy(u32),
    CatchUp(usize),
}

/// What we know of a server, and what the machine has said of it.
#[derive(Debug, Clone, Copy, Default)]
struct Server {
    /// What the live copy came to.
    live: Option<Live>,
    /// What the catch-up came to: whether the server has the write.
    caught_up: Option<bool>,
    /// How often each was said: done, queue, dead letter.
    said: [u32; 3],
    /// As the durable queue keeps it: the row is there until the server is done with it.
    row: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Live {
    Success,
    Again(QueueWhy),
    Refused(u16),
}

impl Watcher<'_> {
    fn catches_up(&self) -> bool {
        self.rule.catch_up != CatchUp::Off
    }

    fn has(&self, server: &Server) -> bool {
        server.live == Some(Live::Success) || server.caught_up == Some(true)
    }

    /// Whether the server may still take the write.
    fn is_open(&self, server: &Server) -> bool {
        match server.live {
            None => true,
            Some(Live::Again(_)) => self.catches_up() && server.caught_up.is_none(),
            Some(Live::Success | Live::Refused(_)) => false,
        }
    }

    /// How many have to take it; `None` when it is the primary.
    fn needed(&self) -> Option<usize> {
        match self.rule.acknowledge {
            Acknowledge::First => Some(1),
            Acknowledge::All => Some(self.servers.len()),
            Acknowledge::Quorum => Some((self.servers.len() + 2) / 2),
            Acknowledge::Number(number) => Some((number as usize).max(1)),
            Acknowledge::Primary => None,
        }
    }

    /// Whether somebody needs the rest of the client's body.
    fn needs_body(&self) -> bool {
        self.whole_at.is_none() && self.servers.iter().any(|server| self.is_open(server) || self.has(server))
    }

    fn successes(&self) -> usize {
        self.servers.iter().filter(|server| self.has(server)).count()
    }

    fn is_met(&self) -> bool {
        let primary = self.servers.get(self.targets.primary);
        match self.needed() {
            Some(needed) => self.successes() >= needed,
            None => primary.is_some_and(|server| self.has(server)),
        }
    }

    fn is_possible(&self) -> bool {
        let open = self.servers.iter().filter(|server| self.is_open(server)).count();
        match self.needed() {
            Some(needed) => self.acknowledged.is_some() || (open >= 1 && self.successes() + open >= needed),
            None => {
                let primary = self.servers.get(self.targets.primary);
                self.acknowledged.is_some() || primary.is_some_and(|server| self.is_open(server))
            }
        }
    }

    fn success(&mut self, server: usize, source: Source, undecided: bool) {
        let counts = self.needed().is_some() || server == self.targets.primary;
        if undecided && counts && self.is_met() && self.acknowledged.is_none() {
            self.acknowledged = Some(source);
        }
    }

    fn refusal(&mut self, server: usize, source: Source) {
        if self.needed().is_some() || server == self.targets.primary {
            self.refused.get_or_insert(source);
        }
    }

    fn head(&mut self, copy: u32, status: u16, server: usize, undecided: bool) {
        let again = [408, 421, 425, 429].contains(&status) || status >= 500;
        let live = match status {
            200..=399 => Live::Success,
            _ if again => Live::Again(QueueWhy::Status(status)),
            _ => Live::Refused(status),
        };
        self.servers[server].live = Some(live);
        match live {
            Live::Success => self.success(server, Source::Copy(copy), undecided),
            Live::Refused(_) => self.refusal(server, Source::Copy(copy)),
            Live::Again(_) if self.needed().is_none() && server == self.targets.primary => {
                self.primary_failed = Some(Some(copy));
            }
            Live::Again(_) => {}
        }
    }

    fn failed(&mut self, server: usize, why: QueueWhy) {
        self.servers[server].live = Some(Live::Again(why));
        if self.needed().is_none() && server == self.targets.primary {
            self.primary_failed = Some(None);
        }
    }

    fn caught_up(&mut self, server: usize, taken: bool) {
        self.servers[server].caught_up = Some(taken);
        self.servers[server].row = false;
    }

    fn say(&mut self, server: usize, index: usize) {
        self.servers[server].said[index] += 1;
    }

    /// The answer is a success: it must be the right one at the right time.
    fn answer(&mut self, source: Source) {
        if self.acknowledged == Some(source) {
            assert!(self.whole_at.is_some(), "acknowledged before the body is whole");
            assert!(self.is_met());
            self.promised = true;
            return;
        }
        let failed = self.primary_failed.is_some_and(|copy| copy.map(Source::Copy) == Some(source));
        if !failed {
            assert!(!self.is_possible(), "a refusal while a success could still come");
            assert_eq!(self.refused, Some(source));
        }
    }
}

impl Watch for Watcher<'_> {
    fn told(&mut self, happened: Happened, ledger: &Ledger, now: Duration) {
        let undecided = ledger.decision.is_none();
        let server = |copy: u32| ledger.copies[copy as usize].server.expect("every copy has its server");
        match happened {
            Happened::Head { copy, status } => self.head(copy, status, server(copy), undecided),
            Happened::NotSent { copy, timed_out } => {
                self.failed(server(copy), QueueWhy::Unreachable { timed_out });
            }
            Happened::Failed { copy, cause, .. } => self.failed(server(copy), QueueWhy::Failed(cause)),
            Happened::Delivered { server, .. } => {
                self.caught_up(server, true);
                self.success(server, Source::CatchUp(server), undecided);
            }
            Happened::Refused { server, .. } => {
                self.caught_up(server, false);
                self.refusal(server, Source::CatchUp(server));
            }
            Happened::Dropped { server } => self.caught_up(server, false),
            Happened::Broken { copy } => {
                self.acknowledged.take_if(|source| *source == Source::Copy(copy));
                self.refused.take_if(|source| *source == Source::Copy(copy));
                if self.primary_failed == Some(Some(copy)) {
                    self.primary_failed = Some(None);
                }
            }
            Happened::BodyWhole => self.whole_at = Some(now),
            Happened::ReplayLost => self.replay_lost = true,
            Happened::Timer => {
                self.late |= self.whole_at.is_some_and(|whole| now >= whole + self.rule.answer_timeout);
            }
            _ => {}
        }
    }

    fn did(&mut self, act: Act, ledger: &Ledger, _now: Duration) {
        match act {
            Act::Start { to, .. } => {
                let super::super::To::Server(server) = to else { panic!("every server gets its copy") };
                assert!(!self.targets.gated.contains(&server), "a live copy past the gate");
            }
            Act::Done { server } => {
                assert_eq!(self.servers[server].live, Some(Live::Success));
                self.say(server, 0);
                self.servers[server].row = false;
            }
            Act::Queue { server, why } => {
                assert_eq!(self.servers[server].live, Some(Live::Again(why)));
                self.say(server, 1);
            }
            Act::DeadLetter { server, status } => {
                assert_eq!(self.servers[server].live, Some(Live::Refused(status)));
                self.say(server, 2);
                self.servers[server].row = false;
            }
            Act::Cancel { copy } => {
                let copy = ledger.copies[copy as usize];
                let state = copy.server.and_then(|server| self.servers[server].live);
                let unwanted = matches!(state, Some(Live::Again(_) | Live::Refused(_)));
                assert!(unwanted || self.replay_lost, "a write is cancelled that could arrive");
            }
            _ if is_decision(act) && act != Act::GiveUp(Why::ReplayLost) && self.needs_body() => {
                panic!("{act:?} before the body is whole");
            }
            Act::Answer { copy } => self.answer(Source::Copy(copy)),
            Act::AnswerDelivered { server } => self.answer(Source::CatchUp(server)),
            Act::GiveUp(why) => match why {
                Why::ReplayLost => assert!(self.replay_lost && self.whole_at.is_none()),
                Why::NoServer => assert!(self.servers.iter().all(|server| !self.is_open(server))),
                Why::NotAcknowledged => {
                    let failed = self.primary_failed == Some(None);
                    let hopeless = !self.is_possible() && self.refused.is_none();
                    assert!(self.late || failed || hopeless, "it could still be acknowledged");
                }
                other => panic!("{other:?} for a write"),
            },
            Act::Keep { .. } | Act::WakeAt(_) => {}
        }
    }

    fn check(&mut self, ledger: &Ledger, _now: Duration) {
        for server in &self.servers {
            let expected = match server.live {
                _ if !self.catches_up() => [u32::from(server.live == Some(Live::Success)), 0, 0],
                None => [0, 0, 0],
                Some(Live::Success) => [1, 0, 0],
                Some(Live::Again(_)) => [0, 1, 0],
                Some(Live::Refused(_)) => [0, 0, 1],
            };
            assert_eq!(server.said, expected, "{server:?}");
            // If Weir stopped now: whoever has not got the write has its row, or its dead letter.
            let dead = server.said[2] == 1 || server.caught_up == Some(false);
            assert!(!self.catches_up() || self.has(server) || server.row || dead, "lost: {server:?}");
        }
        if ledger.decision.is_some() {
            return;
        }
        if !self.needs_body() {
            assert!(self.acknowledged.is_none(), "acknowledged and not answered");
            assert!(self.is_possible(), "no success can come any more, and the client waits");
            assert!(self.primary_failed.is_none(), "the primary has failed, and the client waits");
        }
        assert!(!self.late && !self.replay_lost);
        for (copy, held) in ledger.held() {
            assert!(matches!(held.state, State::Head(_)));
            let wanted = [self.acknowledged, self.refused].contains(&Some(Source::Copy(copy)))
                || self.primary_failed == Some(Some(copy));
            assert!(wanted, "held back for nothing");
        }
    }

    fn end(&mut self, _ledger: &Ledger) {
        assert!(self.replay_lost || self.servers.iter().all(|server| server.live.is_some()));
    }
}

fn is_decision(act: Act) -> bool {
    matches!(act, Act::Answer { .. } | Act::AnswerDelivered { .. } | Act::GiveUp(_))
}

pub(super) fn play(mut dice: Dice, loud: bool) {
    let servers = dice.below(7);
    let number = Acknowledge::Number(dice.below(8) as u32);
    let rule = DuplicateRule {
        acknowledge: dice.one_of(&[
            Acknowledge::First,
            Acknowledge::All,
            Acknowledge::Quorum,
            Acknowledge::Primary,
            number,
        ]),
        answer_timeout: dice.delay(50),
        strict_order: false,
        catch_up: dice.one_of(&[CatchUp::Memory, CatchUp::Durable, CatchUp::Off]),
        keep: Duration::MAX,
        backlog_max: u64::MAX,
        backlog_bytes_max: u64::MAX,
        dead_letters_max: u64::MAX,
        dead_letters_bytes_max: u64::MAX,
        full: Full::Reject,
    };
    let gating = dice.one_of(&[0, 0, 30, 100]);
    let gated: Vec<usize> = (0..servers).filter(|_| dice.percent(gating)).collect();
    let body_whole = dice.percent(50);
    let targets = Targets { servers, primary: dice.below(servers.max(1)), gated: &gated, body_whole };
    let mut world = World::new(dice, Mode::Duplicate, servers, loud);
    if !body_whole {
        let at = world.dice.delay(40);
        let end = if world.dice.percent(15) { Happened::ReplayLost } else { Happened::BodyWhole };
        world.plan(at, end);
    }
    world.ledger.body_whole = body_whole;
    let server = |server| Server {
        live: gated.contains(&server).then_some(Live::Again(QueueWhy::Gated)),
        row: true,
        ..Server::default()
    };
    let mut watcher = Watcher {
        rule: &rule,
        targets,
        servers: (0..servers).map(server).collect(),
        acknowledged: None,
        refused: None,
        primary_failed: None,
        whole_at: body_whole.then_some(Duration::ZERO),
        late: false,
        replay_lost: false,
        promised: false,
    };
    let mut fan = Fan::Duplicate(Duplicate::new(&rule, targets));
    world.run(&mut fan, &mut watcher);
    let Fan::Duplicate(machine) = &fan else { panic!("it stays what it is") };
    assert!(machine.is_over());
    assert!(!watcher.promised || machine.successes() >= 1);
}
