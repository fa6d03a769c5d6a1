//! What becomes of a copy whose answer nobody wants (`semantics.md` §2.4).
//!
//! HTTP/1 has no way to take a request back but to close the connection, and a connection costs more than the rest of a
//! small answer. So where all of the request was sent, the answer is read for a moment and forgotten, and the connection
//! is kept if that was all of it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use weir_upstream::io::deadline::{Deadlines, Wait};

use super::copy::{Held, Lost, Stage};
use super::hearing::Hearing;
use crate::runtime::worker::Worker;

/// How long the rest of an answer is read.
const TIME_MAX: Duration = Duration::from_millis(20);

/// How much of it.
pub(super) const BYTES_MAX: usize = 64 * 1024;

/// A copy that is on its way.
pub(super) type Sending = Pin<Box<dyn Future<Output = Result<Held, Lost>>>>;

/// Lets go of a copy whose answer has not begun.
pub(super) fn let_sending_go(worker: &Rc<Worker>, sending: Sending, stage: &Stage) {
    if !stage.written.get() {
        return;
    }
    let keeper = Rc::clone(worker);
    stage.cancelled.set(true);
    stage.deadlines.move_to_task();
    worker.tracker.begin(async move {
        let deadlines = Deadlines::new();
        deadlines.set(Wait::Request, TIME_MAX);
        let rest = async {
            match sending.await {
                Ok(mut held) => Rest::of(&mut held, &keeper).is_read(&mut held).await.then_some(held),
                Err(_) => None,
            }
        };
        if let Ok(Some(held)) = deadlines.guard(pin!(rest)).await {
            held.finish(&keeper);
        }
    });
}

/// Lets go of a copy whose answer has begun.
pub(super) fn let_held_go(worker: &Rc<Worker>, mut held: Held) {
    if !held.is_sent() {
        return;
    }
    // Mostly all of it is here already.
    let mut rest = Rest::of(&mut held, worker);
    let at_once = rest.poll_read(&mut held, &mut Context::from_waker(Waker::noop()));
    match at_once {
        Poll::Ready(true) => held.finish(worker),
        Poll::Ready(false) => {}
        Poll::Pending => {
            let keeper = Rc::clone(worker);
            worker.tracker.begin(async move {
                let deadlines = Deadlines::new();
                deadlines.set(Wait::Request, TIME_MAX);
                let is_end = deadlines.guard(pin!(rest.is_read(&mut held))).await;
                if is_end == Ok(true) {
                    held.finish(&keeper);
                }
            });
        }
    }
}

/// Lets go of a copy of a write whose answer has begun: it is sent to its end all the same, within so long.
pub(super) fn let_write_go(worker: &Rc<Worker>, held: Held, patience: Duration) {
    held.deadlines.move_to_task();
    // Nobody else ends a copy that goes on alone.
    held.deadlines.set(Wait::Request, patience);
    let keeper = Rc::clone(worker);
    worker.tracker.begin(async move { see_out(held, &keeper).await });
}

/// Sends a request to its end whose answer nobody waits for any more, and reads that answer if it is small.
pub(super) async fn see_out(mut held: Held, worker: &Worker) {
    let mut rest = Rest::of(&mut held, worker);
    let deadlines = Rc::clone(&held.deadlines);
    let is_end = poll_fn(|cx| {
        held.poll_upload(cx);
        if held.upload.is_none()
            && let Poll::Ready(is_end) = rest.poll_read(&mut held, cx)
        {
            return Poll::Ready(is_end);
        }
        deadlines.poll_passed(cx).map(|_| false)
    });
    if is_end.await {
        held.finish(worker);
    }
}

/// The rest of an answer, which is read and forgotten, but for what it says of the servers of a write.
struct Rest {
    left_bytes: usize,
    hearing: Option<Hearing>,
}

impl Rest {
    fn of(held: &mut Held, worker: &Worker) -> Self {
        Self { left_bytes: BYTES_MAX, hearing: Hearing::of(held, worker, BYTES_MAX) }
    }

    /// Reads it. Says whether its end was reached.
    async fn is_read(&mut self, held: &mut Held) -> bool {
        poll_fn(|cx| self.poll_read(held, cx)).await
    }

    fn poll_read(&mut self, held: &mut Held, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(hearing) = &mut self.hearing else {
            return held.body.poll_discard(cx, &mut self.left_bytes);
        };
        let is_end =
            ready!(held.body.poll_discard_each(cx, &mut self.left_bytes, |piece| hearing.add(piece)));
        if let Some(hearing) = self.hearing.take()
            && is_end
        {
            hearing.end();
        }
        Poll::Ready(is_end)
    }
}
