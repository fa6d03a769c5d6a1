//! A write that was accepted, and its body, as the driver and the deliverer hold them.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use smallvec::SmallVec;
use weir_core::ports::queue::{AcceptedWrite, LocalFuture, Pieces, QueueEvent, Watch, WriteBody};
use weir_core::queue::{Outcome, Sequence, ServerId, Verdict};

use super::Store;

/// A body and its trailers as they are on the disk.
pub(super) struct Stored(pub Bytes, pub Bytes);

impl WriteBody for Stored {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn trailers(&self) -> Bytes {
        self.1.clone()
    }

    fn open(&self) -> Box<dyn Pieces> {
        Box::new(Once(Some(self.0.clone()).filter(|body| !body.is_empty())))
    }
}

struct Once(Option<Bytes>);

impl Pieces for Once {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Option<Bytes>>> {
        Box::pin(std::future::ready(Ok(self.0.take())))
    }
}

/// A write in the hands of the driver.
pub(super) struct Accepted {
    pub store: Store,
    pub sequence: Sequence,
    pub live: SmallVec<[ServerId; 4]>,
    pub unsettled: SmallVec<[ServerId; 4]>,
}

impl AcceptedWrite for Accepted {
    fn sequence(&self) -> Sequence {
        self.sequence
    }

    fn live(&self) -> &[ServerId] {
        &self.live
    }

    fn supply(&mut self, _: Arc<dyn WriteBody>) {
        unreachable!("it was whole")
    }

    fn settle(&mut self, server: ServerId, outcome: Outcome) {
        let place = self.unsettled.iter().position(|one| *one == server).expect("settled once, and live");
        self.unsettled.swap_remove(place);
        let sequence = self.sequence;
        self.store.change(|state, now, effects| {
            match outcome.verdict() {
                Verdict::Delivered => {
                    state.taken.insert((sequence, server.index()));
                }
                Verdict::Refused => {}
                Verdict::Again => {
                    state.owed.get_mut(&server.index()).unwrap().insert(sequence);
                }
            }
            let random = state.dice.next();
            state.ledger.settle(sequence, server, outcome, random, now, effects);
        });
    }

    fn watch(&mut self) -> Box<dyn Watch> {
        Box::new(Watching { store: self.store.clone(), sequence: self.sequence })
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        let (sequence, unsettled) = (self.sequence, std::mem::take(&mut self.unsettled));
        self.store.change(|state, now, effects| {
            for server in &unsettled {
                state.owed.get_mut(&server.index()).unwrap().insert(sequence);
            }
            state.watches.remove(&sequence);
            if !unsettled.is_empty() {
                state.ledger.release(sequence, now, effects);
            }
        });
    }
}

struct Watching {
    store: Store,
    sequence: Sequence,
}

impl Watch for Watching {
    fn next(&mut self) -> LocalFuture<'_, QueueEvent> {
        Box::pin(poll_fn(|cx| {
            let mut state = self.store.lock();
            let Some(watched) = state.watches.get_mut(&self.sequence) else { return Poll::Pending };
            match watched.events.pop_front() {
                Some(event) => Poll::Ready(event),
                None => {
                    watched.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }))
    }
}
