//! A connection in memory, and the loop that moves a future over it.
//!
//! Nothing sleeps and nothing wakes: a future that makes no progress while it is polled again and again has not got
//! the bytes that it waits for, and will not get them.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::rt::{Read, ReadBufCursor, Write};

/// How often everything is polled without a byte moving before it counts as stuck. hyper hands bodies over between
/// two tasks, so a few idle rounds are normal.
const IDLE_ROUNDS: usize = 12;

#[derive(Debug, Default)]
struct State {
    /// What comes, in pieces: each waits until so many heads have been written.
    pieces: Vec<(usize, Vec<u8>)>,
    /// Whether the connection ends behind them.
    ends: bool,
    read_bytes: usize,
    written: Vec<u8>,
}

impl State {
    fn heads_written(&self) -> usize {
        self.written.windows(4).filter(|four| four == b"\r\n\r\n").count()
    }
}

/// Our end of nothing: reads what was put in, swallows what is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire {
    state: Rc<RefCell<State>>,
}

impl Wire {
    /// A connection on which `bytes` come and that ends behind them.
    pub(crate) fn ending(bytes: &[u8]) -> Self {
        let wire = Self::default();
        wire.offer(0, bytes);
        wire.end();
        wire
    }

    /// Puts bytes in that can be read when so many heads have been written.
    pub(crate) fn offer(&self, heads: usize, bytes: &[u8]) {
        self.state.borrow_mut().pieces.push((heads, bytes.to_vec()));
    }

    /// Ends the connection behind what was offered.
    pub(crate) fn end(&self) {
        self.state.borrow_mut().ends = true;
    }

    /// Moves `goal`, and `beside` for as long as it lasts; `None` when the goal is not reached.
    pub(crate) fn run<T>(
        &self,
        goal: impl Future<Output = T>,
        beside: impl Future<Output = ()>,
    ) -> Option<T> {
        let (mut goal, mut beside) = (pin!(goal), pin!(beside));
        let mut cx = Context::from_waker(Waker::noop());
        let (mut idle, mut beside_lasts, mut moved) = (0, true, 0);
        while idle < IDLE_ROUNDS {
            if let Poll::Ready(output) = goal.as_mut().poll(&mut cx) {
                return Some(output);
            }
            beside_lasts = beside_lasts && beside.as_mut().poll(&mut cx).is_pending();
            let state = self.state.borrow();
            idle = if state.read_bytes + state.written.len() == moved { idle + 1 } else { 0 };
            moved = state.read_bytes + state.written.len();
        }
        None
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        let heads = state.heads_written();
        state.pieces.retain(|(_, bytes)| !bytes.is_empty());
        let ends = state.ends;
        let count = match state.pieces.first_mut() {
            None if ends => return Poll::Ready(Ok(())),
            None => return Poll::Pending,
            Some((needed, _)) if *needed > heads => return Poll::Pending,
            Some((_, bytes)) => {
                let count = bytes.len().min(into.remaining());
                into.put_slice(&bytes[..count]);
                bytes.drain(..count);
                count
            }
        };
        state.read_bytes += count;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.state.borrow_mut().written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
