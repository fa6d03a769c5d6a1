//! A driver without sockets: it performs what a machine says on servers that are slow, fail, hang, talk nonsense and come
//! back, tells it what comes of that in every order, and has each step watched.

use std::time::Duration;

use super::super::{Act, Acts, Fan, Happened, Mode, To, Why};
use super::dice::Dice;
use super::ledger::{Copy, Ledger, State};
use crate::retry::Cause;

/// Looks at the promises of one mode.
pub(super) trait Watch {
    /// The machine is going to be told this of something that has not ended.
    fn told(&mut self, happened: Happened, ledger: &Ledger, now: Duration);
    /// The machine has said this.
    fn did(&mut self, act: Act, ledger: &Ledger, now: Duration);
    /// The machine has nothing more to say for now.
    fn check(&mut self, ledger: &Ledger, now: Duration);
    /// Nothing more will happen.
    fn end(&mut self, _ledger: &Ledger) {}
}

/// Statuses that servers answer with, some of which do not exist.
const STATUSES: [u16; 20] =
    [200, 201, 204, 226, 301, 304, 399, 400, 404, 408, 409, 421, 425, 429, 500, 502, 503, 599, 600, 999];

/// How a server is.
#[derive(Debug, Clone, Copy)]
struct Character {
    /// Of a hundred copies so many can't be sent, fail, or get one of few statuses.
    refuses: usize,
    fails: usize,
    agrees: usize,
    /// How slow it is at most.
    slowness: usize,
    /// Whether it may be asked at all.
    up: bool,
}

pub(super) struct World {
    pub dice: Dice,
    pub now: Duration,
    mode: Mode,
    servers: Vec<Character>,
    pending: Vec<(Duration, Happened)>,
    pub ledger: Ledger,
    /// Prints all that happens.
    pub loud: bool,
}

impl World {
    pub(super) fn new(mut dice: Dice, mode: Mode, servers: usize, loud: bool) -> Self {
        // Sometimes all are well, sometimes all are ill.
        let (refusing, failing) = (dice.one_of(&[0, 10, 50, 100]), dice.one_of(&[0, 10, 50, 100]));
        let agreeing = dice.one_of(&[0, 50, 90, 100]);
        let character = |dice: &mut Dice| Character {
            refuses: dice.below(refusing + 1),
            fails: dice.below(failing + 1),
            agrees: agreeing,
            slowness: dice.one_of(&[1, 2, 4, 40]),
            up: !dice.percent(10),
        };
        let servers = (0..servers).map(|_| character(&mut dice)).collect();
        let (pending, ledger) = (Vec::new(), Ledger::default());
        Self { dice, now: Duration::ZERO, mode, servers, pending, ledger, loud }
    }

    pub(super) fn is_up(&self, server: usize) -> bool {
        self.servers[server].up
    }

    /// Something that will happen without being asked for.
    pub(super) fn plan(&mut self, at: Duration, happened: Happened) {
        self.pending.push((at, happened));
    }

    /// Runs one request to its end: until nothing more can happen.
    pub(super) fn run(&mut self, fan: &mut Fan<'_>, watch: &mut dyn Watch) {
        let acts = fan.begin(self.now);
        self.perform(&acts, fan, watch);
        let mut steps = 0;
        while let Some(happened) = self.next() {
            self.tell(happened, fan, watch);
            if self.mode == Mode::Duplicate && happened == Happened::ReplayLost {
                // There is no write: the driver drops everything.
                break;
            }
            steps += 1;
            assert!(steps < 10_000, "it does not end");
        }
        assert!(self.ledger.decision.is_some(), "there is an answer in the end");
        watch.end(&self.ledger);
    }

    fn tell(&mut self, happened: Happened, fan: &mut Fan<'_>, watch: &mut dyn Watch) {
        if let Happened::Head { copy, status: 429 | 503 } = happened
            && self.mode == Mode::Hedge
            && self.dice.percent(40)
        {
            let wait = self.dice.one_of(&[0, 1, 3, 7]);
            self.tell(Happened::RetryAfter { copy, wait: Duration::from_secs(wait) }, fan, watch);
        }
        if self.loud {
            super::say(&format!("{:?} told {happened:?}", self.now));
        }
        let is_news = self.is_news(happened);
        let once = matches!(
            happened,
            Happened::Picked { .. } | Happened::RetryAfter { .. } | Happened::ReplayLost | Happened::Timer
        );
        if !once && self.dice.percent(3) {
            // Told twice.
            let later = self.now + self.dice.delay(3);
            self.pending.push((later, happened));
        }
        if is_news {
            watch.told(happened, &self.ledger, self.now);
            self.ledger.told(happened);
        }
        let acts = fan.on(happened, self.now);
        assert!(is_news || acts.is_empty(), "what comes late changes nothing: {acts:?}");
        self.perform(&acts, fan, watch);
    }

    /// Whether it is about something that has not ended.
    fn is_news(&self, happened: Happened) -> bool {
        match happened {
            Happened::Failed { copy, .. }
            | Happened::NotSent { copy, .. }
            | Happened::NoServer { copy }
            | Happened::RetryAfter { copy, .. }
            | Happened::Head { copy, .. } => self.ledger.state(copy) == State::UnderWay,
            Happened::Whole { copy, .. } | Happened::Broken { copy } => {
                let is_it = |(held, of): (u32, &Copy)| held == copy && matches!(of.state, State::Head(_));
                self.ledger.held().any(is_it)
            }
            Happened::Delivered { server, .. }
            | Happened::Refused { server, .. }
            | Happened::Dropped { server } => !self.ledger.caught_up.contains(&server),
            Happened::BodyWhole => !self.ledger.body_whole,
            Happened::Picked { .. } | Happened::ReplayLost | Happened::Timer => true,
        }
    }

    fn perform(&mut self, acts: &Acts, fan: &mut Fan<'_>, watch: &mut dyn Watch) {
        let hopeless = acts.last() == Some(&Act::GiveUp(Why::NotAcknowledged));
        assert!(!acts.spilled() || self.servers.len() > 4 || hopeless, "allocates for few servers: {acts:?}");
        if self.loud {
            super::say(&format!("{:?} acts {acts:?}", self.now));
        }
        for act in acts {
            watch.did(*act, &self.ledger, self.now);
        }
        self.ledger.did(acts, self.mode);
        let mut picked = None;
        for act in acts {
            match *act {
                Act::Start { copy, to: To::Balanced, .. } => {
                    let able = |server: &usize| fan.allows(*server) && self.servers[*server].up;
                    let able: Vec<usize> = (0..self.servers.len()).filter(able).collect();
                    picked = Some(match able.is_empty() {
                        true => Happened::NoServer { copy },
                        false => Happened::Picked { copy, server: self.dice.one_of(&able) },
                    });
                    if let Some(Happened::Picked { server, .. }) = picked {
                        self.send(copy, server);
                    }
                }
                Act::Start { copy, to: To::Server(server), .. } => self.send(copy, server),
                Act::Cancel { copy } => self.forget(copy),
                Act::Queue { server, .. } => self.catch_up(server),
                _ => {}
            }
        }
        if let Some(picked) = picked {
            return self.tell(picked, fan, watch);
        }
        self.ledger.check(self.mode);
        watch.check(&self.ledger, self.now);
    }

    /// Decides what will come of a copy.
    fn send(&mut self, copy: u32, server: usize) {
        let Character { refuses, fails, agrees, slowness, .. } = self.servers[server];
        let dice = &mut self.dice;
        let at = self.now + dice.delay(slowness);
        let cause = dice.one_of(&[Cause::Reset, Cause::Timeout, Cause::Garbage]);
        let event = match (dice.percent(refuses), dice.percent(fails)) {
            (true, _) if dice.percent(20) => Happened::Failed { copy, cause, bytes_sent: 0 },
            (true, _) => Happened::NotSent { copy, timed_out: dice.percent(50) },
            (_, true) => Happened::Failed { copy, cause, bytes_sent: dice.one_of(&[1, 100, 1 << 40]) },
            _ => {
                let status = if dice.percent(agrees) { 200 } else { dice.one_of(&STATUSES) };
                Happened::Head { copy, status }
            }
        };
        self.pending.push((at, event));
        if let Happened::Head { .. } = event {
            let dice = &mut self.dice;
            let later = at + dice.delay(4);
            let digest = if dice.percent(agrees) { 7 } else { dice.below(3) as u64 };
            match self.mode {
                Mode::Majority if !dice.percent(fails.min(50)) => {
                    self.pending.push((later, Happened::Whole { copy, digest }));
                }
                Mode::Majority => self.pending.push((later, Happened::Broken { copy })),
                // Only if it is still held back by then.
                _ if dice.percent(10) => self.pending.push((later, Happened::Broken { copy })),
                _ => {}
            }
        }
        // It may be well again, or worse, when it is asked next.
        if self.dice.percent(30) {
            let (refuses, fails) = (self.dice.below(101), self.dice.below(101));
            let slowness = self.dice.one_of(&[1, 4, 40]);
            self.servers[server] = Character { refuses, fails, slowness, ..self.servers[server] };
        }
    }

    /// Of a cancelled copy mostly nothing is told any more; what was already on its way comes late.
    fn forget(&mut self, copy: u32) {
        if self.dice.percent(80) {
            self.pending.retain(|(_, happened)| of(*happened) != Some(copy));
        }
    }

    /// What the queue will say of a server, if anything, as long as the client may wait. It has the write when it is whole.
    fn catch_up(&mut self, server: usize) {
        let body = self.pending.iter().find(|(_, happened)| *happened == Happened::BodyWhole);
        let at = body.map_or(self.now, |(at, _)| self.now.max(*at)) + self.dice.delay(60);
        let status = self.dice.one_of(&[200, 204, 301]);
        let event = match self.dice.below(6) {
            0 | 1 => Happened::Delivered { server, status },
            2 => Happened::Refused { server, status: 409 },
            3 => Happened::Dropped { server },
            _ => return,
        };
        self.pending.push((at, event));
    }

    /// The next thing that happens: of those at the same time any one may be the first.
    fn next(&mut self) -> Option<Happened> {
        if self.dice.percent(3) && self.ledger.decision.is_none() {
            // A timer that is early.
            return Some(Happened::Timer);
        }
        let earliest = self.pending.iter().map(|(at, _)| *at).chain(self.wake()).min()?;
        self.now = self.now.max(earliest);
        let due: Vec<usize> =
            (0..self.pending.len()).filter(|index| self.pending[*index].0 <= self.now).collect();
        let is_timer_due = self.wake().is_some_and(|wake| wake <= self.now);
        Some(match self.dice.below(due.len() + usize::from(is_timer_due)) {
            index if index < due.len() => {
                let happened = self.pending.swap_remove(due[index]).1;
                self.in_order(happened)
            }
            _ => Happened::Timer,
        })
    }

    fn wake(&self) -> Option<Duration> {
        self.ledger.wake.filter(|_| self.ledger.decision.is_none())
    }

    /// A body never comes before its head; both may be due.
    fn in_order(&mut self, happened: Happened) -> Happened {
        let (Happened::Whole { copy, .. } | Happened::Broken { copy }) = happened else { return happened };
        let is_head = |other: Happened| matches!(other, Happened::Head { copy: of, .. } if of == copy);
        match self.pending.iter().position(|(_, other)| is_head(*other)) {
            Some(index) => {
                let head = self.pending.swap_remove(index).1;
                self.pending.push((self.now, happened));
                head
            }
            None => happened,
        }
    }
}

/// Which copy it is about.
fn of(happened: Happened) -> Option<u32> {
    match happened {
        Happened::Failed { copy, .. }
        | Happened::NotSent { copy, .. }
        | Happened::NoServer { copy }
        | Happened::RetryAfter { copy, .. }
        | Happened::Head { copy, .. }
        | Happened::Whole { copy, .. }
        | Happened::Broken { copy }
        | Happened::Picked { copy, .. } => Some(copy),
        _ => None,
    }
}
