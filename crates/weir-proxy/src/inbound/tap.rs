//! A bounded copy of the answer that a client gets, for whoever compares it.
//!
//! It is written beside the answer and never waited for. What is too large is given up, and the answer goes on. Where bodies are
//! not compared nothing of them is kept, and an answer is there when its head has left.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use weir_core::compare::{BodyRule, CompareRule, Seen};
use weir_http::field::KnownName as K;
use weir_http::head::Head;
use weir_upstream::body::{Charge, KeptBytes, Room};
use weir_upstream::io::deadline::now;

/// The end that takes the copy: with whoever passes the answer on. Dropping it says that nothing more comes.
#[derive(Debug)]
pub(crate) struct TapWriter(Rc<Tap>);

/// The end that gives it.
#[derive(Debug, Clone)]
pub(crate) struct TapReader(Rc<Tap>);

#[derive(Debug)]
struct Tap {
    rule: Arc<CompareRule>,
    begun: Instant,
    bytes_max: usize,
    room: Room,
    /// How long the server took, if it is an answer of one.
    served: Cell<Option<Duration>>,
    seen: RefCell<Option<(Seen, KeptBytes)>>,
    state: Cell<State>,
    over: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// All that is compared of it is there.
    Whole,
    /// It is too large, or was cut, or nothing came.
    Incomplete,
}

/// A tap for the answer to a request that is handed to servers now. What it keeps takes its place in the room.
pub(crate) fn tap(rule: &Arc<CompareRule>, bytes_max: usize, room: &Room) -> (TapWriter, TapReader) {
    let tap = Rc::new(Tap {
        rule: Arc::clone(rule),
        begun: now(),
        bytes_max,
        room: room.clone(),
        served: Cell::new(None),
        seen: RefCell::new(None),
        state: Cell::new(State::Open),
        over: Notify::new(),
    });
    (TapWriter(Rc::clone(&tap)), TapReader(tap))
}

impl Tap {
    fn end(&self, state: State) {
        if self.state.get() == State::Open {
            self.state.set(state);
            self.over.notify_waiters();
        }
        if state == State::Incomplete {
            self.seen.take();
        }
    }
}

impl TapWriter {
    /// How long the server took whose answer comes next, from the end of the request to the head.
    pub(crate) fn served(&self, after: Duration) {
        self.0.served.set(Some(after));
    }

    /// The head of the answer, as the client gets it.
    pub(crate) fn head(&self, head: &Head) {
        let Self(tap) = self;
        let served = tap.served.take();
        if tap.state.get() == State::Open {
            let (fields, encoding) = fields(&tap.rule, head);
            let latency = served.unwrap_or_else(|| now() - tap.begun);
            let seen = Seen { status: head.status(), fields, encoding, body: Vec::new(), latency };
            tap.seen.replace(Some((seen, KeptBytes::new(&tap.room, tap.bytes_max))));
        }
    }

    /// No byte of that answer has left; another one comes.
    pub(crate) fn take_back(&self) {
        if self.0.state.get() == State::Open {
            self.0.seen.take();
        }
    }

    /// A piece of the body.
    pub(crate) fn data(&self, chunk: &[u8]) {
        let Self(tap) = self;
        if tap.state.get() != State::Open || tap.rule.body == BodyRule::Off {
            return;
        }
        let is_kept = match &mut *tap.seen.borrow_mut() {
            Some((_, body)) => body.push(chunk).is_ok(),
            None => false,
        };
        if !is_kept {
            tap.end(State::Incomplete);
        }
    }

    /// A byte of the answer has left: it is the one that the client gets.
    pub(crate) fn has_left(&self) {
        if self.0.rule.body == BodyRule::Off {
            self.end();
        }
    }

    /// The answer is whole.
    pub(crate) fn end(&self) {
        self.0.end(State::Whole);
    }
}

impl Drop for TapWriter {
    fn drop(&mut self) {
        if self.0.state.get() == State::Open {
            self.0.end(State::Incomplete);
        }
    }
}

impl TapReader {
    /// Waits for the end of the answer; `None` when there is no whole one to compare. Its body is charged for as long as the
    /// second part lives. Cancel safe.
    pub(crate) async fn answer(&self) -> Option<(Seen, Charge)> {
        let Self(tap) = self;
        while tap.state.get() == State::Open {
            // Nothing ends between the look and the wait: both happen on this thread.
            tap.over.notified().await;
        }
        let (seen, body) = tap.seen.take()?;
        let (body, charge) = body.into_parts();
        Some((Seen { body, ..seen }, charge))
    }
}

/// The fields that are compared, and Content-Encoding.
pub(crate) fn fields(rule: &CompareRule, head: &Head) -> (Vec<Option<Vec<u8>>>, Vec<u8>) {
    let joined = |name: &str| {
        let lines: Vec<&[u8]> = head.get_all(name).collect();
        (!lines.is_empty()).then(|| lines.join(&b", "[..]))
    };
    let encoding: Vec<&[u8]> = head.get_all(K::ContentEncoding).collect();
    (rule.fields.iter().map(|name| joined(name)).collect(), encoding.join(&b", "[..]))
}

#[cfg(test)]
mod tests;
