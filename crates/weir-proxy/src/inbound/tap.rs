//! A bounded copy of the answer that a client gets, for whoever compares it.
//!
//! It is written beside the answer and never waited for. What is too large is given up, and the answer goes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;
use weir_core::compare::{CompareRule, Seen};
use weir_http::field::KnownName as K;
use weir_http::head::Head;
use weir_upstream::io::deadline::now;

/// Bytes that all taps of a worker hold together.
const TOTAL_BYTES_MAX: usize = 64 << 20;

/// What the taps of a worker hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct TapTotal(Rc<Cell<usize>>);

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
    total: TapTotal,
    seen: RefCell<Seen>,
    state: Cell<State>,
    over: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Whole,
    /// It is too large, or was cut, or nothing came.
    Incomplete,
}

/// A tap for the answer to a request that began then.
pub(crate) fn tap(
    rule: &Arc<CompareRule>,
    begun: Instant,
    bytes_max: usize,
    total: &TapTotal,
) -> (TapWriter, TapReader) {
    let tap = Rc::new(Tap {
        rule: Arc::clone(rule),
        begun,
        bytes_max,
        total: total.clone(),
        seen: RefCell::default(),
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
            self.forget();
        }
    }

    fn forget(&self) {
        let seen = self.seen.take();
        self.total.0.set(self.total.0.get() - seen.body.len());
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.forget();
    }
}

impl TapWriter {
    /// The head of the answer, as the client gets it.
    pub(crate) fn head(&self, head: &Head) {
        let Self(tap) = self;
        if tap.state.get() == State::Open {
            let mut seen = tap.seen.borrow_mut();
            (seen.status, seen.latency) = (head.status(), now() - tap.begun);
            (seen.fields, seen.encoding) = fields(&tap.rule, head);
        }
    }

    /// No byte of that answer has left; another one comes.
    pub(crate) fn take_back(&self) {
        if self.0.state.get() == State::Open {
            self.0.forget();
        }
    }

    /// A piece of the body.
    pub(crate) fn data(&self, chunk: &[u8]) {
        let Self(tap) = self;
        if tap.state.get() != State::Open {
            return;
        }
        let held = tap.total.0.get() + chunk.len();
        if tap.seen.borrow().body.len() + chunk.len() > tap.bytes_max || held > TOTAL_BYTES_MAX {
            return tap.end(State::Incomplete);
        }
        tap.total.0.set(held);
        tap.seen.borrow_mut().body.extend_from_slice(chunk);
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
    /// Waits for the end of the answer; `None` when there is no whole one to compare. Cancel safe.
    pub(crate) async fn answer(&self) -> Option<Seen> {
        let Self(tap) = self;
        while tap.state.get() == State::Open {
            // Nothing ends between the look and the wait: both happen on this thread.
            tap.over.notified().await;
        }
        if tap.state.get() != State::Whole {
            return None;
        }
        let seen = tap.seen.take();
        tap.total.0.set(tap.total.0.get() - seen.body.len());
        Some(seen)
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use weir_core::compare::BodyRule;

    use super::*;

    fn of(bytes_max: usize) -> (TapWriter, TapReader, TapTotal) {
        let rule = CompareRule {
            status: true,
            fields: ["X-A".into(), "X-B".into()].into(),
            body: BodyRule::Exact,
            ignore: [].into(),
            latency: None,
        };
        let total = TapTotal::default();
        let (writer, reader) = tap(&Arc::new(rule), now(), bytes_max, &total);
        (writer, reader, total)
    }

    fn answer(reader: &TapReader) -> Poll<Option<Seen>> {
        pin!(reader.answer()).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_whole_answer_is_seen_as_the_client_got_it() {
        let (writer, reader, total) = of(10);
        let mut head = Head::answer(502);
        writer.head(&head);
        writer.data(b"gone");
        writer.take_back();
        head = Head::answer(200);
        head.append("x-a", b"1");
        head.append("X-A", b"2");
        writer.head(&head);
        writer.data(b"12345");
        assert_eq!(answer(&reader), Poll::Pending);
        writer.data(b"67890");
        assert_eq!(total.0.get(), 10);
        writer.end();
        drop(writer);
        let Poll::Ready(Some(seen)) = answer(&reader) else { unreachable!("it is whole") };
        assert_eq!((seen.status, &*seen.body), (200, &b"1234567890"[..]));
        assert_eq!(seen.fields, [Some(b"1, 2".to_vec()), None]);
        assert_eq!(total.0.get(), 0);
    }

    #[test]
    fn what_is_too_large_or_cut_is_not_compared_and_takes_no_memory() {
        let (writer, reader, total) = of(10);
        writer.head(&Head::answer(200));
        writer.data(b"1234567890");
        writer.data(b"1");
        assert_eq!(answer(&reader), Poll::Ready(None));
        writer.data(b"1");
        writer.end();
        assert_eq!((answer(&reader), total.0.get()), (Poll::Ready(None), 0));
        let (writer, reader, total) = of(10);
        writer.head(&Head::answer(200));
        writer.data(b"12");
        drop(writer);
        assert_eq!((answer(&reader), total.0.get()), (Poll::Ready(None), 0));
        let (writer, reader, total) = of(10);
        total.0.set(TOTAL_BYTES_MAX);
        writer.data(b"1");
        assert_eq!(answer(&reader), Poll::Ready(None), "others hold all there is");
    }
}
