//! The checks of all servers of an upstream, each in its time.
//!
//! A heap knows who is next, so that an upstream of ten thousand servers needs one timer and a check costs no look at the
//! others. Who is due a little later is asked along with who is due now, so that a thousand servers wake the thread fifty times in a second
//! and not a thousand times. A check that is over at once, as connecting within this host is, needs nothing more; what there is to wait for
//! are tasks of their own, because one slow server must not hold up the next; never two for one
//! server, and never more than [`AT_ONCE_MAX`] together. Only what is news comes out: of the many checks that find what was
//! known, whoever waits here hears nothing, unless the server is out because it failed its requests.
//!
//! It decides nothing: what outcomes mean is the machine's business (`weir_core::health::Checks`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use weir_core::health::{CheckOutcome, Checks, HealthCheck, Turn, first_check_after};

use crate::io::deadline::{Deadlines, Wait, now, since_epoch};
use crate::member::Server;

use super::probe::{Begun, Failure, Prober};

/// Checks of one upstream that are under way at the same time. With this many servers that do not answer, the checks of
/// all are late: that many, divided by the timeout, are begun in a second.
pub const AT_ONCE_MAX: usize = 256;

/// Checks that are over at once are made one after the other; after so many, about a millisecond, others of the thread have their turn.
const IN_A_ROW_MAX: usize = 32;

/// Who is due within this part of an interval is asked along with who is due now: so little earlier than others that nobody notices, and
/// far less than the jitter.
const ALONG_PART: u32 = 50;

/// However long the interval is, nobody is asked earlier by more.
const ALONG_MAX: Duration = Duration::from_millis(20);

/// Entries of the heap that nobody is checked for any more, beside as many as there are servers; with more it is cleared
/// up. Servers that come and go within an interval would fill it.
const STALE_MAX: usize = 64;

/// The checks of an upstream.
#[derive(Debug)]
pub struct Checker {
    check: Arc<HealthCheck>,
    /// Who is due so soon is asked along with who is due now.
    along: Duration,
    /// The moment from which the machines count.
    began: Instant,
    watched: HashMap<usize, Watched>,
    /// Who is to be checked when, by its slot. What is not so any more is passed over when it comes up.
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    running: JoinSet<Result<(), Failure>>,
    /// Whom those are asking that somebody still wants to hear.
    asked: HashMap<Id, usize>,
    /// Those that are out because they failed their requests.
    doubted: HashSet<usize>,
    deadlines: Deadlines,
}

/// A server that is checked.
#[derive(Debug)]
struct Watched {
    /// Held, so that its slot is nobody else's.
    server: Arc<Server>,
    prober: Prober,
    checks: Checks,
    running: Option<AbortHandle>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

/// A check that has found out something new.
#[derive(Debug)]
pub struct Found {
    /// Of whom.
    pub server: Arc<Server>,
    /// When it was begun.
    pub begun: Instant,
    /// Whether the server was as it should be.
    pub has_passed: bool,
    /// The state that this has changed, if it has.
    pub turn: Option<Turn>,
}

type Ended = Result<(Id, Result<(), Failure>), JoinError>;

impl Checker {
    /// Checks nobody yet.
    pub fn new(check: Arc<HealthCheck>) -> Self {
        let along = check.interval.min(check.unhealthy_interval) / ALONG_PART;
        Self {
            check,
            along: along.min(ALONG_MAX),
            began: now(),
            watched: HashMap::new(),
            due: BinaryHeap::new(),
            running: JoinSet::new(),
            asked: HashMap::new(),
            doubted: HashSet::new(),
            deadlines: Deadlines::new(),
        }
    }

    /// Checks these servers and no others. Of those that were checked before nothing is forgotten; checks of others end
    /// where they are. Returns the servers that it did not know: they are NOT_INITIATED, and their first checks begin at once.
    pub fn follow(&mut self, servers: &[Arc<Server>]) -> Vec<Arc<Server>> {
        let wanted: HashSet<usize> = servers.iter().map(|server| server.slot()).collect();
        let asked = &mut self.asked;
        self.watched.retain(|slot, watched| {
            let stays = wanted.contains(slot);
            if let Some(running) = watched.running.as_ref().filter(|_| !stays) {
                asked.remove(&running.id());
            }
            stays
        });
        let new: Vec<_> =
            servers.iter().filter(|server| !self.watched.contains_key(&server.slot())).cloned().collect();
        let now = now() - self.began;
        for (index, server) in new.iter().enumerate() {
            let first = now + first_check_after(&self.check, index, new.len());
            let prober = Prober::new(&self.check, server);
            let checks = Checks::new(first);
            let watched = Watched { server: Arc::clone(server), prober, checks, running: None };
            self.watched.insert(server.slot(), watched);
            self.due.push(Reverse((first, server.slot())));
        }
        self.clear_up();
        new
    }

    /// Checks those that are out because they failed their requests at once and at the faster pace; these are all of them.
    pub fn doubt(&mut self, doubted: &[Arc<Server>]) {
        if doubted.is_empty() && self.doubted.is_empty() {
            return;
        }
        let now = now() - self.began;
        let doubted: HashSet<usize> = doubted.iter().map(|server| server.slot()).collect();
        for slot in self.doubted.union(&doubted) {
            let Some(watched) = self.watched.get_mut(slot) else { continue };
            if watched.checks.doubt(doubted.contains(slot), now) {
                self.due.push(Reverse((now, *slot)));
            }
        }
        self.doubted = doubted;
    }

    /// Forgets what is due of servers that have left, when there is much of it.
    fn clear_up(&mut self) {
        if self.due.len() <= 2 * self.watched.len() + STALE_MAX {
            return;
        }
        let (watched, mut kept) = (&self.watched, HashSet::new());
        self.due.retain(|Reverse((due, slot))| {
            let is_due = watched.get(slot).is_some_and(|watched| watched.checks.due() == Some(*due));
            is_due && kept.insert(*slot)
        });
    }

    /// Whether this server is checked.
    pub fn follows(&self, server: &Server) -> bool {
        self.watched.contains_key(&server.slot())
    }

    /// Waits until checks have changed the state of servers, or have said something of one that is out because it failed its
    /// requests, and says what. Checks are made only while somebody waits here,
    /// always in one task, on a runtime that takes tasks of its own thread alone.
    ///
    /// Cancel safe: nothing is lost, and checks that are under way go on.
    pub async fn found(&mut self) -> Vec<Found> {
        poll_fn(|cx| self.poll_found(cx)).await
    }

    fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Found>> {
        let mut found = Vec::new();
        loop {
            let now = now();
            let is_more = self.begin_due(now - self.began, &mut found);
            let mut is_idle = true;
            while let Poll::Ready(Some(ended)) = self.running.poll_join_next_with_id(cx) {
                is_idle = false;
                found.extend(self.end(ended, now - self.began));
            }
            if !found.is_empty() {
                return Poll::Ready(found);
            }
            if is_more {
                // At once, but behind everything else that this thread has to do.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if is_idle && self.deadlines.poll_passed(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Begins what is due, as far as there is room, and sets the clock for the next one. What is over at once and must be heard of comes into
    /// `found`. Says whether more is due, for which it is not the turn yet.
    fn begin_due(&mut self, now: Duration, found: &mut Vec<Found>) -> bool {
        self.deadlines.clear(Wait::Turn);
        let (mut until, mut in_a_row) = (now, 0);
        while let Some(&Reverse((due, slot))) = self.due.peek() {
            // Where there is no room the end of a check wakes us.
            if self.running.len() >= AT_ONCE_MAX {
                return false;
            }
            if due > until {
                self.deadlines.set_from(Wait::Turn, self.began, due);
                return false;
            }
            if in_a_row == IN_A_ROW_MAX {
                return true;
            }
            self.due.pop();
            let Some(watched) = self.watched.get_mut(&slot) else { continue };
            // The entry of a server that has left, and has come back since, comes too early.
            if watched.checks.due().is_none_or(|due| due > until) || !watched.checks.begin(now) {
                continue;
            }
            until = now + self.along;
            match watched.prober.begin() {
                Begun::Over(outcome) => {
                    in_a_row += 1;
                    found.extend(self.settle(slot, &outcome, now));
                }
                Begun::UnderWay(under_way) => {
                    let running = self.running.spawn_local(under_way.end());
                    self.asked.insert(running.id(), slot);
                    watched.running = Some(running);
                }
            }
        }
        false
    }

    /// Takes note of a check that was waited for. Says what somebody must hear of it.
    fn end(&mut self, ended: Ended, now: Duration) -> Option<Found> {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            // One that was stopped is asked by nobody any more. One that panicked has been told of by the panic itself, and
            // must not end the checks of its server.
            Err(error) => {
                let reason = "the check itself broke down".into();
                (error.id(), Err(Failure { outcome: CheckOutcome::Answer, reason }))
            }
        };
        let slot = self.asked.remove(&id)?;
        self.watched.get_mut(&slot)?.running = None;
        self.settle(slot, &outcome, now)
    }

    /// Takes note of what a check has found out.
    fn settle(&mut self, slot: usize, outcome: &Result<(), Failure>, now: Duration) -> Option<Found> {
        let watched = self.watched.get_mut(&slot)?;
        let (word, outcome) = match outcome {
            Ok(()) => (CheckOutcome::Passed, Ok(())),
            Err(failure) => (failure.outcome, Err(&*failure.reason)),
        };
        let (begun, had_failed) = (watched.checks.begun()?, watched.checks.failures_in_a_row() > 0);
        let turn = watched.checks.end(&self.check, outcome, fastrand::u64(..), now);
        watched.server.checks.note(word, watched.checks.failures_in_a_row(), since_epoch());
        if let Some(due) = watched.checks.due() {
            self.due.push(Reverse((due, slot)));
        }
        let has_passed = word == CheckOutcome::Passed;
        // Where failures are held against servers, it is known of each whether its checks fail.
        let is_wanted =
            watched.server.breaker().is_some_and(|held| held.breaker.is_open() || has_passed == had_failed);
        let server = || Arc::clone(&watched.server);
        (turn.is_some() || is_wanted).then(|| Found {
            server: server(),
            begun: self.began + begun,
            has_passed,
            turn,
        })
    }
}

#[cfg(test)]
mod tests;
