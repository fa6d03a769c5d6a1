//! A copy of a request as its driver has it, from its start until it is let go.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use weir_core::ports::CopyOutcome;
use weir_upstream::io::deadline::Wait;

use super::tally::Tally;
use crate::dispatch::copy::{Held, Stage};
use crate::dispatch::linger::{self, Sending};
use crate::dispatch::whole::Unread;
use crate::dispatch::write::{self, Left};
use crate::runtime::worker::Worker;

/// A copy, by the number that the machine gave it.
pub(super) struct Copy {
    pub number: u32,
    pub server: usize,
    pub started: Instant,
    pub stage: Rc<Stage>,
    pub state: State,
    /// Its answer is not for the client, but its write shall arrive.
    pub kept: bool,
    pub tally: Tally,
}

/// How far it has come.
pub(super) enum State {
    Sending(Sending),
    /// Its answer is read to its end.
    Reading(Reading),
    Held(Box<Held>),
}

pub(super) type Reading = Pin<Box<dyn Future<Output = Result<(Box<Held>, u64), Unread>>>>;

impl Copy {
    /// Goes on without its exchange, as one of a write whose body is whole, for so long. Says whether it was cancelled instead,
    /// because it has nothing more to do.
    pub(super) fn go_on(self, left: &Rc<RefCell<Left>>, patience: Duration, worker: &Rc<Worker>) -> bool {
        let Self { server, stage, state, mut tally, .. } = self;
        match state {
            State::Sending(sending) => {
                stage.deadlines.move_to_task();
                // Nobody else ends a copy that goes on alone.
                stage.deadlines.set(Wait::Request, patience);
                tally.becomes(CopyOutcome::Kept);
                let task = write::see_through(Rc::clone(left), server, sending, Rc::clone(worker));
                worker.tracker.begin(task);
            }
            State::Held(held) if held.is_sent() => linger::let_held_go(worker, *held),
            State::Held(held) => {
                tally.becomes(CopyOutcome::Kept);
                linger::let_write_go(worker, *held, patience);
            }
            State::Reading(_) => {}
        }
        tally.is_cancelled()
    }
}
