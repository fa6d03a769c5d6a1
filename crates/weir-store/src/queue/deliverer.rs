//! Delivery from the backlogs: asks the ledger what is due, lets it be sent, and says what came of it.
//!
//! One future, so that whoever drops it stops everything: what is in flight then is the server's next one again. Servers do not wait for
//! each other; each gets one write at a time.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use weir_core::ports::queue::{Deliver, Delivery, LocalFuture};
use weir_core::queue::{Failure, Next, Outcome, Sequence, ServerId};

use super::books::Books;

/// Delivers for as long as it is polled, or until the books are closed.
pub(super) async fn run(books: Arc<Books>, deliver: Rc<dyn Deliver>) {
    let mut flights: Vec<LocalFuture<'static, ()>> = Vec::new();
    loop {
        // Registered before the look, so that no change between the look and the wait is missed.
        let changed = books.changed.notified();
        if books.is_closed() {
            return;
        }
        let until = loop {
            match books.next() {
                Next::Deliver { server, sequence, failures } => {
                    let flight = Flight { books: Arc::clone(&books), sequence, server, landed: false };
                    flights.push(Box::pin(fly(flight, failures, Rc::clone(&deliver))));
                }
                Next::Wait(until) => break Some(until),
                Next::Nothing => break None,
            }
        };
        let (mut changed, mut due) = (pin!(changed), pin!(books.clock.wait(until)));
        poll_fn(|context| {
            let before = flights.len();
            flights.retain_mut(|flight| flight.as_mut().poll(context).is_pending());
            let landed = flights.len() < before;
            let changed = changed.as_mut().poll(context).is_ready();
            if landed || changed || due.as_mut().poll(context).is_ready() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// A delivery in flight. Dropped before it has landed, it is interrupted.
struct Flight {
    books: Arc<Books>,
    sequence: Sequence,
    server: ServerId,
    landed: bool,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            self.books.change(|ledger, _, _| ledger.interrupt(self.sequence, self.server));
        }
    }
}

/// One delivery.
async fn fly(mut flight: Flight, failures: u32, deliver: Rc<dyn Deliver>) {
    let (sequence, server) = (flight.sequence, flight.server);
    let books = Arc::clone(&flight.books);
    let result = match books.place.content(sequence).await {
        Ok(Some((head, Some(body)))) => {
            let name = books.lock().names.get(server.index()).cloned().unwrap_or_default();
            let watched = books.is_watched(sequence);
            let delivery =
                Delivery { server: name, server_id: server, sequence, failures, head, body, watched };
            deliver.deliver(delivery).await
        }
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the queue does not have it")),
        Err(error) => Err(error),
    };
    flight.landed = true;
    match result {
        Ok(delivered) => books.finish(sequence, server, delivered.outcome, delivered.answer),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::error!(queue = %books.name, %sequence, %error, "a write can't be read back and is a dead letter now");
            books.change(|ledger, now, effects| ledger.unreadable(sequence, server, now, effects));
        }
        Err(error) => {
            tracing::warn!(queue = %books.name, %sequence, %error, "a write can't be read back now");
            books.finish(sequence, server, Outcome::Failed(Failure::Here), None);
        }
    }
}
