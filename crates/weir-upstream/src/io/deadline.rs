//! The deadlines of a connection, on one timer.
//!
//! A proxied exchange waits for many things, one after the other and two at a time. A timer object for each wait costs
//! more than the waits; so each wait only notes its deadline in a slot, and one timer per connection is moved when it
//! would come too late. When it comes too early, because the wait is long over, it is moved then.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, Sleep};

/// What a connection may be waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The client's next request, or its next byte in an upgraded connection.
    ClientIdle,
    /// The rest of the client's head.
    ClientHead,
    /// The next byte of the client's body.
    ClientBody,
    /// The client taking a byte.
    ClientWrite,
    /// A connection to a server.
    Connect,
    /// A connection to this one of several servers.
    ConnectTry,
    /// The server taking a byte.
    ServerWrite,
    /// The head of a server's answer.
    ServerHead,
    /// The next byte of a server's body.
    ServerBody,
    /// The end of the whole request.
    Request,
    /// The next step of a mode that asks several servers, or a repeat.
    Dispatch,
    /// A request's turn among others.
    Turn,
}

impl Wait {
    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Every wait, in the order of its slot.
const WAITS: [Wait; 12] = [
    Wait::ClientIdle,
    Wait::ClientHead,
    Wait::ClientBody,
    Wait::ClientWrite,
    Wait::Connect,
    Wait::ConnectTry,
    Wait::ServerWrite,
    Wait::ServerHead,
    Wait::ServerBody,
    Wait::Request,
    Wait::Dispatch,
    Wait::Turn,
];

/// The deadlines of one connection.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// One bit for each slot that is set; mostly there is one or none.
    set: Cell<u16>,
    slots: [Cell<Option<Instant>>; WAITS.len()],
    timer: RefCell<Option<Pin<Box<Sleep>>>>,
    /// When the timer fires; `None` when it has fired or has never been set.
    fires_at: Cell<Option<Instant>>,
}

impl Deadlines {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what this wait may take from now on.
    pub fn set(&self, wait: Wait, after: Duration) {
        self.set_from(wait, now(), after);
    }

    /// Sets what this wait may take from a moment on that is known already.
    #[inline]
    pub fn set_from(&self, wait: Wait, from: Instant, after: Duration) {
        // A deadline that no clock reaches is none.
        let at = from.checked_add(after);
        self.slots[wait as usize].set(at);
        self.set.set(if at.is_some() { self.set.get() | wait.bit() } else { self.set.get() & !wait.bit() });
    }

    /// Sets what this wait may take, unless it has begun already.
    pub fn begin(&self, wait: Wait, after: Duration) {
        if self.set.get() & wait.bit() == 0 {
            self.set(wait, after);
        }
    }

    /// How long this wait may still take; `None` when it has no deadline.
    pub fn left(&self, wait: Wait) -> Option<Duration> {
        let at = self.slots[wait as usize].get().filter(|_| self.set.get() & wait.bit() != 0);
        at.map(|at| at.saturating_duration_since(now()))
    }

    /// Says that this wait is over.
    #[inline]
    pub fn clear(&self, wait: Wait) {
        self.set.set(self.set.get() & !wait.bit());
    }

    /// Says that every wait is over.
    pub fn clear_all(&self) {
        self.set.set(0);
    }

    /// Waits until a deadline has passed and says which. The slot is cleared.
    ///
    /// Must be polled from the same task, or [`move_to_task`](Self::move_to_task) be called between.
    pub fn poll_passed(&self, cx: &mut Context<'_>) -> Poll<Wait> {
        loop {
            let Some((wait, at)) = self.earliest() else { return Poll::Pending };
            let mut timer = self.timer.borrow_mut();
            match self.fires_at.get() {
                Some(fires_at) if fires_at <= at => {
                    if !timer.as_ref().is_some_and(|timer| timer.is_elapsed()) {
                        return Poll::Pending;
                    }
                    self.fires_at.set(None);
                    if now() >= at {
                        self.clear(wait);
                        return Poll::Ready(wait);
                    }
                }
                _ => {
                    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
                    timer.as_mut().reset(at);
                    self.fires_at.set(Some(at));
                    // Registers the task with the timer; a deadline in the past fires at once.
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Says that another task polls this from now on: it is the one that the timer must wake.
    pub fn move_to_task(&self) {
        self.fires_at.set(None);
    }

    /// Does `work` unless a deadline passes before it is done.
    ///
    /// The work is pinned by the caller, because handing a large future over by value copies all of it.
    ///
    /// # Errors
    /// The wait whose deadline passed; `work` should be dropped then.
    pub async fn guard<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, Wait> {
        std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll_passed(cx).map(Err),
        })
        .await
    }

    fn earliest(&self) -> Option<(Wait, Instant)> {
        let mut left = self.set.get();
        let mut earliest = None;
        while left != 0 {
            let slot = left.trailing_zeros() as usize;
            left &= left - 1;
            if let Some(at) = self.slots[slot].get()
                && earliest.is_none_or(|(_, earliest)| at < earliest)
            {
                earliest = Some((WAITS[slot], at));
            }
        }
        earliest
    }
}

/// The clock of everything that waits on a connection; tests pause it.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day as the time since 1970, for people; spans are measured by [`now`].
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn since_epoch() -> Duration {
    // A clock before 1970 is one that was never set.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Waits; for the rare pause that is no deadline of a connection.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
fn sleep_until(at: Instant) -> Sleep {
    tokio::time::sleep_until(at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]

    use std::pin::pin;

    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_deadline_passes_first() {
        let deadlines = Deadlines::new();
        let begun = now();
        deadlines.set(Wait::ServerHead, seconds(60));
        deadlines.set(Wait::ClientWrite, seconds(10));
        assert_eq!(deadlines.guard(pin!(std::future::pending::<()>())).await, Err(Wait::ClientWrite));
        assert_eq!(now() - begun, seconds(10));
        assert_eq!(deadlines.guard(pin!(std::future::pending::<()>())).await, Err(Wait::ServerHead));
        assert_eq!(now() - begun, seconds(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_over_does_not_fire_and_a_nearer_one_moves_the_timer() {
        let deadlines = Deadlines::new();
        let begun = now();
        let work = async {
            deadlines.set(Wait::ServerHead, seconds(5));
            tokio::task::yield_now().await;
            deadlines.clear(Wait::ServerHead);
            deadlines.set(Wait::ServerBody, seconds(50));
            tokio::time::sleep(seconds(20)).await;
            deadlines.set(Wait::ClientWrite, seconds(1));
            std::future::pending::<()>().await;
        };
        assert_eq!(deadlines.guard(pin!(work)).await, Err(Wait::ClientWrite));
        assert_eq!(now() - begun, seconds(21));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_done_in_time_wins_also_at_the_last_moment() {
        let deadlines = Deadlines::new();
        deadlines.set(Wait::Request, seconds(1));
        assert_eq!(deadlines.guard(pin!(tokio::time::sleep(seconds(1)))).await, Ok(()));
        deadlines.clear_all();
        assert_eq!(deadlines.guard(pin!(tokio::time::sleep(seconds(100)))).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_of_a_wait_is_known_until_it_is_over() {
        let deadlines = Deadlines::new();
        assert_eq!(deadlines.left(Wait::Connect), None);
        deadlines.set(Wait::Connect, seconds(5));
        tokio::time::sleep(seconds(2)).await;
        assert_eq!(deadlines.left(Wait::Connect), Some(seconds(3)));
        assert_eq!(deadlines.left(Wait::ConnectTry), None);
        tokio::time::sleep(seconds(9)).await;
        assert_eq!(deadlines.left(Wait::Connect), Some(seconds(0)));
        deadlines.clear(Wait::Connect);
        assert_eq!(deadlines.left(Wait::Connect), None);
    }

    #[test]
    fn every_wait_has_its_slot() {
        for (slot, wait) in WAITS.into_iter().enumerate() {
            assert_eq!(wait as usize, slot);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn begin_does_not_move_a_wait_that_has_begun() {
        let deadlines = Deadlines::new();
        let begun = now();
        deadlines.begin(Wait::ClientBody, seconds(3));
        tokio::time::sleep(seconds(2)).await;
        deadlines.begin(Wait::ClientBody, seconds(3));
        assert_eq!(deadlines.guard(pin!(std::future::pending::<()>())).await, Err(Wait::ClientBody));
        assert_eq!(now() - begun, seconds(3));
    }
}
