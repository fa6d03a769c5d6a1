//! Where copies for mirrors wait on a worker: a lane for each mirror, with a bound on what it holds.
//!
//! A mirror that does not answer fills its own lane and nothing else. What a lane has no room for is not taken; whoever
//! brings it counts that.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;

use super::tracker::Tracker;

/// Copies of one mirror that are on their way at the same time, from one worker.
const RUNNING_MAX: usize = 64;

/// What a copy does when it is its turn. While it waits it must not hold its worker.
pub type Work = Pin<Box<dyn Future<Output = ()>>>;

/// The lanes of a worker; those that are empty are forgotten.
#[derive(Debug, Default)]
pub struct Lanes(Rc<RefCell<HashMap<u64, Rc<Lane>>>>);

/// What one lane may hold.
#[derive(Debug, Clone, Copy)]
pub struct LaneLimits {
    /// Copies that wait.
    pub waiting: usize,
    /// Bytes of bodies, of copies that wait or are on their way. One body alone may be larger.
    pub bytes: u64,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFull;

#[derive(Default)]
struct Lane {
    running: Cell<usize>,
    bytes: Cell<u64>,
    waiting: RefCell<VecDeque<(Work, u64)>>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("running", &self.running)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Lanes {
    /// Takes a copy with a body of so many bytes: it begins now, or waits for others in its lane.
    ///
    /// # Errors
    /// There is no room in the lane.
    pub fn add(
        &self,
        number: u64,
        (work, bytes): (Work, u64),
        limits: LaneLimits,
        tracker: &Tracker,
    ) -> Result<(), LaneFull> {
        let lane = Rc::clone(self.0.borrow_mut().entry(number).or_default());
        let held = lane.bytes.get();
        let must_wait = lane.running.get() >= RUNNING_MAX;
        let is_full = must_wait && lane.waiting.borrow().len() >= limits.waiting;
        if is_full || (held > 0 && held.saturating_add(bytes) > limits.bytes) {
            return Err(LaneFull);
        }
        lane.bytes.set(held + bytes);
        if must_wait {
            lane.waiting.borrow_mut().push_back((work, bytes));
            return Ok(());
        }
        lane.running.set(lane.running.get() + 1);
        let running = Running { lanes: Rc::clone(&self.0), number, lane };
        tracker.begin(async move {
            let mut next = Some((work, bytes));
            while let Some((work, bytes)) = next {
                let held = Held { lane: &running.lane, bytes };
                work.await;
                drop(held);
                next = running.lane.waiting.borrow_mut().pop_front();
            }
        });
        Ok(())
    }

    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.0.borrow().values().map(|lane| lane.waiting.borrow().len()).sum()
    }
}

/// Gives back the room of a body, also if its work panics.
struct Held<'l> {
    lane: &'l Lane,
    bytes: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.lane.bytes.set(self.lane.bytes.get() - self.bytes);
    }
}

/// One of those that take copies of a lane, one after the other.
struct Running {
    lanes: Rc<RefCell<HashMap<u64, Rc<Lane>>>>,
    number: u64,
    lane: Rc<Lane>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lane.running.set(self.lane.running.get() - 1);
        if self.lane.running.get() == 0 && self.lane.waiting.borrow().is_empty() {
            self.lanes.borrow_mut().remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests;
