//! How many servers get a request of a route, as it runs: the rule of each method's mode, and what all workers share of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_config::model;
use weir_core::dispatch::{
    Budget, CatchUp, DuplicateRule, HedgeRule, MajorityRule, Mode, RaceRule, of_method,
};
use weir_core::ports::queue::WriteQueue;
use weir_upstream::member::Server;
use weir_upstream::upstream::{Registrar, Upstream};

use super::queues::Queues;

/// The modes of a route. Where one server gets every request there is nothing behind it, so that thousands of such routes are
/// small.
#[derive(Debug)]
pub struct Dispatches(Option<Box<Modes>>);

#[derive(Debug)]
struct Modes {
    by_method: Vec<(Box<str>, Dispatch)>,
    others: Dispatch,
}

/// A mode with its rule.
#[derive(Debug)]
pub enum Dispatch {
    /// One server.
    Balance,
    /// Several servers.
    Fan(FanRule),
}

/// The rule of a mode that asks several servers.
#[derive(Debug)]
pub enum FanRule {
    /// All, and enough of them must acknowledge.
    Duplicate(Duplicating),
    /// All, and the first usable answer wins.
    Race(RaceRule),
    /// A second one when the first is slow.
    Hedge(Hedging),
    /// All, and the answer of most.
    Majority(MajorityRule),
}

/// Mode `duplicate` of a route.
pub struct Duplicating {
    /// Its rule.
    pub rule: DuplicateRule,
    /// Where writes wait for servers that could not take them; `None` where they wait nowhere.
    pub queue: Option<Arc<dyn WriteQueue>>,
}

impl fmt::Debug for Duplicating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplicating").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// Mode `hedge` of a route.
#[derive(Debug, Clone)]
pub struct Hedging {
    /// Its rule.
    pub rule: HedgeRule,
    /// What may be spent on it, by all workers together.
    pub budget: Arc<Budget>,
    /// When 95 % of the answers have begun; 0 as long as nothing is known.
    percentile_us: Arc<AtomicU64>,
}

impl Hedging {
    /// One that shares what was saved up and measured with those known of the route that have the same share: the budget is that of
    /// the route, however many of its methods hedge (`semantics.md` §3.5).
    fn new(rule: &HedgeRule, known: &mut Vec<Self>) -> Self {
        let same = known.iter().find(|known| known.rule.budget_share == rule.budget_share);
        let (budget, percentile_us) = match same {
            Some(known) => (Arc::clone(&known.budget), Arc::clone(&known.percentile_us)),
            None => (Arc::new(Budget::new(rule.budget_share)), Arc::default()),
        };
        let hedging = Self { rule: rule.clone(), budget, percentile_us };
        known.push(hedging.clone());
        hedging
    }

    /// When 95 % of the answers have begun, if that is known.
    pub fn percentile(&self) -> Option<Duration> {
        match self.percentile_us.load(Ordering::Relaxed) {
            0 => None,
            known => Some(Duration::from_micros(known)),
        }
    }

    /// Says when 95 % of the answers have begun.
    pub(super) fn publish(&self, percentile: Option<Duration>) {
        let micros = percentile.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
        self.percentile_us.store(micros, Ordering::Relaxed);
    }
}

impl Dispatch {
    fn new(model: &model::Dispatch, upstream: &Upstream, queues: &Queues, known: &mut Vec<Hedging>) -> Self {
        Self::Fan(match model {
            model::Dispatch::Balance => return Self::Balance,
            model::Dispatch::Duplicate(rule) => FanRule::Duplicate(duplicating(rule, upstream, queues)),
            model::Dispatch::Race(rule) => FanRule::Race(rule.clone()),
            model::Dispatch::Majority(rule) => FanRule::Majority(rule.clone()),
            model::Dispatch::Hedge(rule) => FanRule::Hedge(Hedging::new(rule, known)),
        })
    }

    /// Which mode it is.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Balance => Mode::Balance,
            Self::Fan(FanRule::Duplicate(_)) => Mode::Duplicate,
            Self::Fan(FanRule::Race(_)) => Mode::Race,
            Self::Fan(FanRule::Hedge(_)) => Mode::Hedge,
            Self::Fan(FanRule::Majority(_)) => Mode::Majority,
        }
    }
}

fn duplicating(rule: &DuplicateRule, upstream: &Upstream, queues: &Queues) -> Duplicating {
    let queue = match rule.catch_up {
        CatchUp::Off => None,
        CatchUp::Memory | CatchUp::Durable => queues.of(&upstream.name),
    };
    if let Some(queue) = &queue {
        let queue = Arc::clone(queue);
        upstream.register_with(Registrar::new(move |servers| register(&*queue, servers)));
    }
    Duplicating { rule: *rule, queue }
}

/// Lets a queue know the servers of its upstream, and each server its gate.
fn register(queue: &dyn WriteQueue, servers: &[Arc<Server>]) {
    let names: Vec<&str> = servers.iter().map(|server| server.name()).collect();
    for (server, gate) in servers.iter().zip(queue.configure(&names)) {
        server.set_gate(gate);
    }
}

impl Dispatches {
    /// One server gets every request.
    pub(super) fn balance() -> Self {
        Self(None)
    }

    /// The modes of a route; what was in force before goes on where it is the same.
    pub fn new(
        model: &model::Dispatches,
        upstream: &Upstream,
        queues: &Queues,
        before: Option<&Self>,
    ) -> Self {
        if model.by_method.is_empty() && matches!(model.others, model::Dispatch::Balance) {
            return Self(None);
        }
        let mut known = before.map_or_else(Vec::new, |before| before.hedging().cloned().collect());
        let mut new = |dispatch| Dispatch::new(dispatch, upstream, queues, &mut known);
        let by_method =
            model.by_method.iter().map(|(method, dispatch)| (method.clone(), new(dispatch))).collect();
        Self(Some(Box::new(Modes { by_method, others: new(&model.others) })))
    }

    /// The mode of a method; HEAD follows GET where it has none of its own (`semantics.md` §3).
    pub fn of(&self, method: &[u8]) -> &Dispatch {
        match &self.0 {
            None => &Dispatch::Balance,
            Some(modes) => of_method(&modes.by_method, method).unwrap_or(&modes.others),
        }
    }

    /// The modes by method; the one without a method is that of all others.
    pub fn modes(&self) -> impl Iterator<Item = (Option<&str>, Mode)> {
        let by_method = self.0.iter().flat_map(|modes| &modes.by_method);
        let named = by_method.map(|(method, dispatch)| (Some(&**method), dispatch.mode()));
        let others = self.0.as_ref().map_or(Mode::Balance, |modes| modes.others.mode());
        named.chain([(None, others)])
    }

    /// Those that hedge.
    pub fn hedging(&self) -> impl Iterator<Item = &Hedging> {
        let modes = self.0.as_deref().into_iter();
        let all = modes.flat_map(|modes| modes.by_method.iter().map(|(_, it)| it).chain([&modes.others]));
        all.filter_map(|dispatch| match dispatch {
            Dispatch::Fan(FanRule::Hedge(hedging)) => Some(hedging),
            Dispatch::Fan(_) | Dispatch::Balance => None,
        })
    }
}
