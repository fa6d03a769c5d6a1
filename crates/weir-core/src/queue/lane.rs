//! One server of a queue: what waits for it, in order, and when the next of it may be delivered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::backoff;
use super::gate::{Gate, ServerId};
use super::outcome::Outcome;
use super::write::Sequence;

/// What has happened to the writes of a server since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneCounts {
    /// Got by the server.
    pub delivered_total: u64,
    /// Refused by it.
    pub refused_total: u64,
    /// Not got within `keep`.
    pub expired_total: u64,
    /// Made a dead letter because the backlog was full.
    pub dropped_total: u64,
    /// Made a dead letter because the body can't be read.
    pub unreadable_total: u64,
    /// Deliveries and live copies that have to be repeated.
    pub failures_total: u64,
    /// Dead letters that were forgotten because there were too many.
    pub forgotten_total: u64,
    /// Taken away by people.
    pub discarded_total: u64,
}

/// One server.
#[derive(Debug)]
pub struct Lane {
    pub(super) name: Box<str>,
    pub(super) configured: bool,
    pub(super) gate: Arc<Gate>,
    /// Waiting ones and the one in flight.
    pub(super) backlog: BTreeSet<Sequence>,
    pub(super) flying: Option<Sequence>,
    /// Live copies in progress.
    pub(super) live: usize,
    /// Dead letters.
    pub(super) dead: usize,
    /// Deliveries in a row that have to be repeated.
    failures: u32,
    /// The next delivery does not begin before.
    due: Duration,
    /// The server itself said when.
    server_says_when: bool,
    last: Option<Outcome>,
    pub(super) counts: LaneCounts,
}

impl Lane {
    pub(super) fn new(name: &str, id: ServerId) -> Self {
        Self {
            name: name.into(),
            configured: false,
            gate: Arc::new(Gate::new(id)),
            backlog: BTreeSet::new(),
            flying: None,
            live: 0,
            dead: 0,
            failures: 0,
            due: Duration::ZERO,
            server_says_when: false,
            last: None,
            counts: LaneCounts::default(),
        }
    }

    /// As the configuration writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number and whether it takes live copies.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// False for one that the configuration has no more: what waits for it is kept and not delivered.
    pub fn is_configured(&self) -> bool {
        self.configured
    }

    /// Writes that wait for it, the one in flight included.
    pub fn backlog(&self) -> usize {
        self.backlog.len()
    }

    /// The oldest of them.
    pub fn oldest(&self) -> Option<Sequence> {
        self.backlog.first().copied()
    }

    /// The one that is being delivered from the backlog.
    pub fn in_flight(&self) -> Option<Sequence> {
        self.flying
    }

    /// Live copies in progress.
    pub fn live(&self) -> usize {
        self.live
    }

    /// Its dead letters.
    pub fn dead(&self) -> usize {
        self.dead
    }

    /// Deliveries in a row that have to be repeated.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The next delivery does not begin before this moment.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// What came of the last copy that was not delivered.
    pub fn last_failure(&self) -> Option<Outcome> {
        self.last
    }

    /// What has happened since the start.
    pub fn counts(&self) -> LaneCounts {
        self.counts
    }

    /// Whether there is anything to tell of it.
    pub fn is_empty(&self) -> bool {
        self.backlog.is_empty() && self.dead == 0 && self.live == 0
    }

    /// Whether nothing is kept for it and nobody knows its number: it can be somebody else's.
    pub(super) fn is_forgotten(&self) -> bool {
        self.is_empty() && self.flying.is_none() && Arc::strong_count(&self.gate) == 1
    }

    /// No live copy while something waits or is in flight (`semantics.md` §3.2); with strict order, not beside a live copy
    /// either.
    pub(super) fn is_closed(&self, strict: bool) -> bool {
        !self.backlog.is_empty() || (strict && self.live > 0)
    }

    /// Whether the next one can't be delivered, whenever it is due.
    pub(super) fn is_blocked(&self, strict: bool) -> bool {
        !self.configured || self.flying.is_some() || (strict && self.live > 0)
    }

    /// A live copy failed and joins the backlog. Copies that fail beside each other are one failure, not many.
    pub(super) fn note_live_failure(&mut self, outcome: Outcome, random: u64, now: Duration) {
        if !outcome.is_of_server() {
            if self.backlog.is_empty() {
                self.note_failure_here(outcome, random, now);
            }
            return;
        }
        if self.backlog.is_empty() || (self.failures == 0 && self.flying.is_none()) {
            self.failures = 1;
            self.due = now + backoff::delay(1, outcome.retry_after(), random);
            self.server_says_when = outcome.retry_after().is_some();
        } else if let Some(asked) = outcome.retry_after() {
            self.due = self.due.max(now + asked.min(backoff::RETRY_AFTER_MAX));
            self.server_says_when = true;
        }
        self.last = Some(outcome);
        self.counts.failures_total += 1;
    }

    pub(super) fn note_failure(&mut self, outcome: Outcome, random: u64, now: Duration) {
        if !outcome.is_of_server() {
            return self.note_failure_here(outcome, random, now);
        }
        self.failures = self.failures.saturating_add(1);
        self.due = now + backoff::delay(self.failures, outcome.retry_after(), random);
        self.server_says_when = outcome.retry_after().is_some();
        self.last = Some(outcome);
        self.counts.failures_total += 1;
    }

    /// It was not for the server that it failed: nothing is counted against it, and it is tried again soon. What was known of the
    /// server stays.
    fn note_failure_here(&mut self, outcome: Outcome, random: u64, now: Duration) {
        self.due = self.due.max(now + backoff::delay(1, None, random));
        self.last = Some(outcome);
    }

    /// The server has answered a delivery with something final: the next one may begin.
    pub(super) fn note_answer(&mut self, now: Duration) {
        self.failures = 0;
        self.server_says_when = false;
        self.due = now;
    }

    /// A live copy that was under way got through: the server is back, unless it has said when it wants to be asked.
    pub(super) fn note_life(&mut self, now: Duration) {
        if !self.server_says_when {
            self.due = self.due.min(now);
        }
    }

    /// It shall be tried at once.
    pub(super) fn wake(&mut self, now: Duration) {
        self.server_says_when = false;
        self.due = now;
    }
}
