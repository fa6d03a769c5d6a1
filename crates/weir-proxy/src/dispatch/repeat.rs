//! What a decision about a repeat depends on, and waiting for it.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;
use weir_core::dispatch::Balance;
use weir_core::retry::Moment;
use weir_upstream::group::Group;
use weir_upstream::io::deadline::{Wait, now};

use crate::exchange::Exchange;
use crate::stages::failure::Failure;

/// How long a request may take, and the clock of budgets. It lives as long as an exchange, so it is small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    since: Instant,
    ends: Option<Instant>,
}

impl Clock {
    /// That of the request of `x`.
    pub(super) fn of(x: &Exchange) -> Self {
        let ends = x.snapshot.timeouts.request.and_then(|max| x.begun.checked_add(max));
        Self { since: x.snapshot.since, ends }
    }

    /// What is asked when a repeat is wanted: a look at the clock, and at the servers that are left.
    pub(super) fn moment(self, group: &Group, machine: &Balance<'_>) -> Moment {
        let now = now();
        let has_room = |server: usize| group.servers[server].has_room(group.panic);
        let is_left = |server: &usize| {
            let may_be_asked = group.takes_requests(*server) && group.still_has(*server);
            may_be_asked && machine.allows(*server) && has_room(*server)
        };
        Moment {
            now: now.saturating_duration_since(self.since),
            left: self.ends.map_or(Duration::MAX, |ends| ends.saturating_duration_since(now)),
            others: (0..group.servers.len()).find(is_left).is_some(),
            random: fastrand::u64(..),
        }
    }
}

/// Waits before a repeat. A client that resets its connection ends that (`semantics.md` §1.7).
///
/// # Errors
/// The client is gone, or the whole request took too long.
pub(super) async fn rest(x: &mut Exchange, wait: Duration) -> Result<(), Failure> {
    let client = Rc::clone(&x.client);
    let deadlines = &client.deadlines;
    // Servers that were passed over have begun it; who is asked next has all of it.
    deadlines.clear(Wait::Connect);
    deadlines.set(Wait::Dispatch, wait);
    let rested = poll_fn(|cx| {
        if client.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Failure::ClientGone));
        }
        deadlines.poll_passed(cx).map(|wait| match wait {
            Wait::Dispatch => Ok(()),
            Wait::Request => Err(Failure::RequestTimeout),
            _ => Err(Failure::ClientGone),
        })
    });
    let outcome = rested.await;
    x.look();
    outcome
}
