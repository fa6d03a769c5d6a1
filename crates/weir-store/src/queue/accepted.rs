//! A write in the hands of the driver of its live copies.

use std::future::pending;
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::sync::mpsc;
use weir_core::ports::queue::{AcceptedWrite, LocalFuture, QueueEvent, Watch, WriteBody};
use weir_core::queue::{Outcome, Sequence, ServerId, Verdict};

use super::books::Books;

/// The write. What is not settled when it is dropped is delivered from the backlogs.
pub(super) struct Accepted {
    books: Arc<Books>,
    sequence: Sequence,
    live: SmallVec<[ServerId; 4]>,
    unsettled: SmallVec<[ServerId; 4]>,
    whole: bool,
    /// Events may be kept for somebody who asks.
    events: bool,
}

impl Accepted {
    /// A write that so many servers shall get, those in `live` from the driver.
    pub(super) fn new(
        books: Arc<Books>,
        sequence: Sequence,
        live: SmallVec<[ServerId; 4]>,
        servers: usize,
        whole: bool,
    ) -> Self {
        let events = live.len() < servers;
        Self { books, sequence, unsettled: live.clone(), live, whole, events }
    }
}

impl AcceptedWrite for Accepted {
    fn sequence(&self) -> Sequence {
        self.sequence
    }

    fn live(&self) -> &[ServerId] {
        &self.live
    }

    fn supply(&mut self, body: Arc<dyn WriteBody>) {
        if !std::mem::replace(&mut self.whole, true) {
            self.books.supply(self.sequence, body);
        }
    }

    fn settle(&mut self, server: ServerId, outcome: Outcome) {
        let Some(place) = self.unsettled.iter().position(|unsettled| *unsettled == server) else { return };
        self.unsettled.swap_remove(place);
        self.events |= outcome.verdict() == Verdict::Again;
        self.books.settle(self.sequence, server, outcome);
    }

    fn watch(&mut self) -> Box<dyn Watch> {
        self.events = true;
        let events = self.books.take_watch(self.sequence);
        Box::new(Watching { books: Arc::clone(&self.books), sequence: self.sequence, events })
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        if !self.unsettled.is_empty() || !self.whole {
            self.books.change(|ledger, now, effects| ledger.release(self.sequence, now, effects));
        }
        if self.events {
            self.books.end_unwatched(self.sequence);
        }
    }
}

/// Waits for the events of one write.
struct Watching {
    books: Arc<Books>,
    sequence: Sequence,
    /// None for a second one.
    events: Option<mpsc::Receiver<QueueEvent>>,
}

impl Watch for Watching {
    fn next(&mut self) -> LocalFuture<'_, QueueEvent> {
        Box::pin(async {
            match &mut self.events {
                Some(events) => match events.recv().await {
                    Some(event) => event,
                    None => pending().await,
                },
                None => pending().await,
            }
        })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if self.events.is_some() {
            self.books.end_watch(self.sequence);
        }
    }
}
