//! Who else gets copies of a route's requests, and what has been counted of that.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_config::model;
use weir_core::compare::{CompareOutcome, CompareRule, Difference, DifferenceKind};
use weir_core::mirror::MirrorOutcome;
use weir_core::ports::{ComparisonExample, ComparisonReport, ComparisonStatus, MirrorStatus};
use weir_upstream::upstream::Upstream;

use super::lanes::LaneWidth;

/// Numbers of mirrors, so that workers can tell those of two configurations apart.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// Who gets copies beside the servers of a route.
#[derive(Debug)]
pub struct Beside {
    /// Those whose answers go nowhere.
    pub mirrors: Vec<Arc<Mirroring>>,
    /// The one whose answers are compared.
    pub compare: Option<Arc<Comparing>>,
}

/// Copies of requests for an upstream.
#[derive(Debug)]
pub struct Mirroring {
    /// It.
    pub upstream: Arc<Upstream>,
    /// How many copies wait at the same time, of each worker.
    pub queue_max: usize,
    /// How long a copy may wait and take together.
    pub timeout: Duration,
    /// No other one has it.
    pub number: u64,
    /// How many copies it gets at the same time, from each worker.
    pub width: Arc<LaneWidth>,
    share: f64,
    counts: Arc<MirrorCounts>,
}

/// What became of copies, summed over all routes that send some to one upstream.
#[derive(Debug, Default)]
pub struct MirrorCounts([AtomicU64; MirrorOutcome::ALL.len()]);

impl Mirroring {
    /// Whether a request gets a copy.
    pub fn draw(&self) -> bool {
        self.share >= 1.0 || fastrand::f64() < self.share
    }

    /// Counts what became of a copy.
    pub fn count(&self, outcome: MirrorOutcome) {
        self.counts.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// Comparing the answers of a route with those of another upstream.
#[derive(Debug)]
pub struct Comparing {
    /// The copies.
    pub mirroring: Arc<Mirroring>,
    /// What is compared.
    pub rule: Arc<CompareRule>,
    /// The longest body that is compared.
    pub body_bytes_max: usize,
    methods: Vec<Box<str>>,
    keep: usize,
    found: Arc<Found>,
}

/// What comparing has found at a route.
#[derive(Debug, Default)]
struct Found {
    outcomes: [AtomicU64; CompareOutcome::ALL.len()],
    differences: [AtomicU64; DifferenceKind::ALL.len()],
    client_micros: AtomicU64,
    copy_micros: AtomicU64,
    /// The oldest first. Only whoever has found a difference, or asks for them, takes the lock.
    examples: Mutex<VecDeque<ComparisonExample>>,
}

impl Comparing {
    /// Whether requests of this method are compared.
    pub fn takes(&self, method: &[u8]) -> bool {
        self.methods.iter().any(|taken| taken.as_bytes() == method)
    }

    /// Counts a request whose answers were not compared.
    pub fn count(&self, outcome: CompareOutcome) {
        self.found.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts how long it took until the answers began.
    pub fn count_latencies(&self, client: Duration, copy: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.found.client_micros.fetch_add(micros(client), Ordering::Relaxed);
        self.found.copy_micros.fetch_add(micros(copy), Ordering::Relaxed);
    }

    /// Counts what differs, each kind once, and keeps it as an example.
    pub fn keep(&self, example: ComparisonExample) {
        let has = |kind| example.differences.iter().any(|difference: &Difference| difference.kind == kind);
        for kind in DifferenceKind::ALL.into_iter().filter(|kind| has(*kind)) {
            self.found.differences[kind as usize].fetch_add(1, Ordering::Relaxed);
        }
        if self.keep > 0 {
            let mut examples = self.found.examples();
            while examples.len() >= self.keep {
                examples.pop_front();
            }
            examples.push_back(example);
        }
    }

    /// The numbers.
    pub fn status(&self, service: &str, route: &str) -> ComparisonStatus {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ComparisonStatus {
            service: service.to_owned(),
            route: route.to_owned(),
            upstream: self.mirroring.upstream.name.to_string(),
            outcomes: std::array::from_fn(|place| value(&self.found.outcomes[place])),
            differences: std::array::from_fn(|place| value(&self.found.differences[place])),
            client_seconds: value(&self.found.client_micros) as f64 / 1e6,
            copy_seconds: value(&self.found.copy_micros) as f64 / 1e6,
        }
    }

    /// The numbers, and the examples, the newest first.
    pub fn report(&self, service: &str, route: &str) -> ComparisonReport {
        let examples = self.found.examples().iter().rev().cloned().collect();
        ComparisonReport { status: self.status(service, route), examples }
    }
}

impl Found {
    fn examples(&self) -> MutexGuard<'_, VecDeque<ComparisonExample>> {
        self.examples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is counted of mirrors, by the names of upstreams, while a snapshot is built.
#[derive(Debug, Default)]
pub struct Counted(HashMap<Box<str>, Arc<MirrorCounts>>);

impl Counted {
    /// Goes on with what was counted of these.
    pub fn following<'b>(before: impl Iterator<Item = &'b Beside>) -> Self {
        let all = before.flat_map(Beside::all);
        Self(all.map(|mirror| (mirror.upstream.name.clone(), Arc::clone(&mirror.counts))).collect())
    }

    fn of(&mut self, upstream: &str) -> Arc<MirrorCounts> {
        Arc::clone(self.0.entry(upstream.into()).or_default())
    }
}

impl Beside {
    /// Who gets copies at a route; `None` where nobody does, so that such a route pays nothing. What was found before goes on.
    pub fn new(
        forward: &model::Forward,
        upstreams: &[Arc<Upstream>],
        counted: &mut Counted,
        before: Option<&Self>,
    ) -> Option<Self> {
        let mut mirroring = |mirror: &model::Mirror| {
            let upstream = Arc::clone(&upstreams[mirror.upstream.0]);
            Arc::new(Mirroring {
                counts: counted.of(&upstream.name),
                upstream,
                queue_max: mirror.queue,
                timeout: mirror.timeout,
                number: NUMBERS.fetch_add(1, Ordering::Relaxed),
                width: Arc::default(),
                share: mirror.share,
            })
        };
        let mirrors: Vec<_> = forward.mirrors.iter().map(&mut mirroring).collect();
        let found_before = before.and_then(|before| before.compare.as_ref()).map(|known| &known.found);
        let compare = forward.compare.as_ref().map(|compare| {
            Arc::new(Comparing {
                mirroring: mirroring(&compare.mirror),
                rule: Arc::new(compare.rule.clone()),
                body_bytes_max: compare.body_bytes_max,
                methods: compare.methods.clone(),
                keep: compare.keep,
                found: found_before.map(Arc::clone).unwrap_or_default(),
            })
        });
        (!mirrors.is_empty() || compare.is_some()).then_some(Self { mirrors, compare })
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Mirroring>> {
        self.mirrors.iter().chain(self.compare.as_ref().map(|compare| &compare.mirroring))
    }
}

/// What mirrors got, each upstream once.
pub fn status<'b>(all: impl Iterator<Item = &'b Beside>) -> Vec<MirrorStatus> {
    let mut seen: Vec<MirrorStatus> = Vec::new();
    for mirror in all.flat_map(Beside::all) {
        if seen.iter().all(|known| *known.upstream != *mirror.upstream.name) {
            let copies = std::array::from_fn(|place| mirror.counts.0[place].load(Ordering::Relaxed));
            seen.push(MirrorStatus { upstream: mirror.upstream.name.to_string(), copies });
        }
    }
    seen
}
