//! Where copies for mirrors wait on a worker: a lane for each mirror, with a bound on what it holds.
//!
//! A mirror that does not answer fills its own lane and nothing else, except the room for heads, which all lanes of the worker
//! share. What there is no room for is not taken; whoever brings it counts that.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use weir_core::mirror::{CopyEnd, Width};

use super::tracker::Tracker;

/// Heads of all copies of a worker, of those that wait and of those on their way.
const HEADS_BYTES_MAX: usize = 32 << 20;

/// What a copy does when it is its turn; it is made then, because what is needed for sending is larger than a copy that waits.
/// That must not hold its worker.
pub type Work = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = CopyEnd>>>>;

/// A copy, and what it takes.
pub struct Load {
    /// What is done with it.
    pub work: Work,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// Bytes of memory for its head. Copies of one request share it, and each is charged for it.
    pub head_bytes: usize,
}

/// The lanes of a worker; those that are empty are forgotten.
#[derive(Debug, Default)]
pub struct Lanes(Rc<All>);

#[derive(Debug, Default)]
struct All {
    lanes: RefCell<HashMap<u64, Rc<Lane>>>,
    heads_bytes: Cell<usize>,
}

/// What one lane may hold.
#[derive(Debug, Clone, Copy)]
pub struct LaneLimits {
    /// Copies that wait, at full width.
    pub waiting: usize,
    /// Bytes of bodies, of copies that wait or are on their way. One body alone may be larger.
    pub bytes: u64,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFull;

/// How many copies of one mirror may run, in the lane of each worker. It belongs to the mirror and not to a lane, because a lane
/// is forgotten when it is empty, and who hangs then hangs on.
#[derive(Debug)]
pub struct LaneWidth(AtomicUsize);

impl Default for LaneWidth {
    fn default() -> Self {
        Self(AtomicUsize::new(Width::MAX.copies()))
    }
}

impl LaneWidth {
    fn now(&self) -> Width {
        Width::of(self.0.load(Ordering::Relaxed))
    }

    fn note(&self, end: CopyEnd) {
        let after = |copies| Some(Width::of(copies).after(end).copies());
        // Always some.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after);
    }
}

struct Lane {
    running: Cell<usize>,
    width: Arc<LaneWidth>,
    bytes: Cell<u64>,
    waiting: RefCell<VecDeque<Load>>,
}

impl Lane {
    fn new(width: &Arc<LaneWidth>) -> Self {
        Self {
            running: Cell::default(),
            width: Arc::clone(width),
            bytes: Cell::default(),
            waiting: RefCell::default(),
        }
    }

    fn is_wide(&self) -> bool {
        self.running.get() < self.width.now().copies()
    }

    fn is_full(&self, waiting_max: usize) -> bool {
        !self.is_wide() && self.waiting.borrow().len() >= self.width.now().waiting_max(waiting_max)
    }

    /// What runs next, for one of those that run; `None` when there is nothing, or too many run.
    fn next(&self) -> Option<Load> {
        let may_run = self.running.get() <= self.width.now().copies();
        may_run.then(|| self.waiting.borrow_mut().pop_front()).flatten()
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("running", &self.running)
            .field("width", &self.width)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Lanes {
    /// Whether a copy without a body would be taken where so many may wait, so that none is made for nothing.
    pub fn has_room(&self, number: u64, waiting_max: usize) -> bool {
        self.0.heads_bytes.get() < HEADS_BYTES_MAX
            && self.0.lanes.borrow().get(&number).is_none_or(|lane| !lane.is_full(waiting_max))
    }

    /// Takes a copy: it begins now, or waits for others in its lane.
    ///
    /// # Errors
    /// There is no room.
    pub fn add(
        &self,
        number: u64,
        load: Load,
        limits: LaneLimits,
        width: &Arc<LaneWidth>,
        tracker: &Tracker,
    ) -> Result<(), LaneFull> {
        let heads_bytes = self.0.heads_bytes.get() + load.head_bytes;
        if heads_bytes > HEADS_BYTES_MAX {
            return Err(LaneFull);
        }
        let mut lanes = self.0.lanes.borrow_mut();
        let lane = Rc::clone(lanes.entry(number).or_insert_with(|| Rc::new(Lane::new(width))));
        drop(lanes);
        let held = lane.bytes.get();
        if lane.is_full(limits.waiting) || (held > 0 && held.saturating_add(load.body_bytes) > limits.bytes) {
            return Err(LaneFull);
        }
        lane.bytes.set(held + load.body_bytes);
        self.0.heads_bytes.set(heads_bytes);
        lane.waiting.borrow_mut().push_back(load);
        if !lane.is_wide() {
            return Ok(());
        }
        lane.running.set(lane.running.get() + 1);
        let mut next = lane.next();
        let running = Running { all: Rc::clone(&self.0), number, lane };
        tracker.begin(async move {
            while let Some(Load { work, body_bytes, head_bytes }) = next {
                let held = Held { running: &running, body_bytes, head_bytes };
                let end = work().await;
                running.lane.width.note(end);
                drop(held);
                // Work that waits for nothing, as that of copies which have waited for too long, must not hold up the worker.
                tokio::task::yield_now().await;
                next = running.lane.next();
            }
        });
        Ok(())
    }

    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.0.lanes.borrow().values().map(|lane| lane.waiting.borrow().len()).sum()
    }
}

/// Gives back the room of a copy, also if its work panics.
struct Held<'l> {
    running: &'l Running,
    body_bytes: u64,
    head_bytes: usize,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Running { all, lane, .. } = self.running;
        lane.bytes.set(lane.bytes.get() - self.body_bytes);
        all.heads_bytes.set(all.heads_bytes.get() - self.head_bytes);
    }
}

/// One of those that take copies of a lane, one after the other.
struct Running {
    all: Rc<All>,
    number: u64,
    lane: Rc<Lane>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lane.running.set(self.lane.running.get() - 1);
        if self.lane.running.get() == 0 && self.lane.waiting.borrow().is_empty() {
            self.all.lanes.borrow_mut().remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests;
