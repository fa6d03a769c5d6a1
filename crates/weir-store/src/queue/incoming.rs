//! The way of a write into the file: room first, then its body piece by piece, then the rest and the commit.
//!
//! At most one piece is held here, and what waits for the writing thread is bounded, so that a body of any size costs the same
//! memory. Nothing is acknowledged before the commit; whatever ends the way before it leaves nothing behind.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;
use weir_core::ports::queue::{AcceptError, NewWrite, PIECE_BYTES_MAX, WriteBody};
use weir_core::queue::Reservation;

use super::accepted::Accepted;
use super::books::Books;
use crate::file::{BodyNumber, Inbox, StoredWrite};

/// Accepts a write into the file.
///
/// # Errors
/// It is not accepted, and nothing of it stays.
pub(super) async fn accept(
    books: &Arc<Books>,
    inbox: &Arc<Inbox>,
    write: NewWrite,
    body: Arc<dyn WriteBody>,
) -> Result<Accepted, AcceptError> {
    let trailers = body.trailers();
    let bytes = body.bytes() + (write.head.len() + trailers.len()) as u64;
    let mut room = Room::reserve(books, bytes)?;
    // The client may go away and a server leave while this is being written; the number of the server is its own all the same.
    let gates = books.gates(&write.targets);
    let mut staged = Staged::new(inbox, body.bytes());
    let last_piece = send_pieces(inbox, staged.body, &*body).await?;
    let accepted = books.clock.now();
    let stored = StoredWrite {
        accepted,
        head: write.head,
        trailers,
        body: staged.body,
        body_bytes: body.bytes(),
        last_piece,
        targets: write.targets.iter().map(|target| target.server).collect(),
    };
    let (answer, answered) = oneshot::channel();
    let owner = Arc::clone(books);
    let done = Box::new(move |result: Result<_, Arc<str>>| {
        let result = match result {
            Ok(sequence) => {
                let live = owner.accept(room.take(), sequence, &write.targets, accepted);
                Ok(Accepted::new(Arc::clone(&owner), sequence, live, write.targets.len(), true))
            }
            Err(error) => {
                owner.lock().write_errors_total += 1;
                Err(AcceptError::Disk(error))
            }
        };
        // It is entered, or never will be.
        drop(gates);
        // If nobody waits any more, the write is dropped here, and goes to the backlogs.
        let _ = answer.send(result);
    });
    if !inbox.accept(stored, done).await {
        return Err(AcceptError::Closed);
    }
    staged.keep();
    answered.await.unwrap_or(Err(AcceptError::Closed))
}

/// Sends all pieces but the last, which it gives back with its number.
async fn send_pieces(
    inbox: &Inbox,
    number: BodyNumber,
    body: &dyn WriteBody,
) -> Result<Option<(u32, Bytes)>, AcceptError> {
    let mut source = Gathered { left: body.bytes(), pieces: body.open(), gathered: BytesMut::new() };
    let mut last: Option<(u32, Bytes)> = None;
    while let Some(bytes) = source.next().await.map_err(AcceptError::Body)? {
        let next = match last.take() {
            Some((count, bytes)) => {
                if !inbox.piece(number, count, bytes).await {
                    return Err(AcceptError::Closed);
                }
                count + 1
            }
            None => 0,
        };
        last = Some((next, bytes));
    }
    Ok(last)
}

/// Pieces as large as a row may be, however small they come.
struct Gathered {
    pieces: Box<dyn weir_core::ports::queue::Pieces>,
    gathered: BytesMut,
    left: u64,
}

impl Gathered {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.gathered.len() >= PIECE_BYTES_MAX {
                return Ok(Some(self.gathered.split_to(PIECE_BYTES_MAX).freeze()));
            }
            let Some(piece) = self.pieces.next().await? else { break };
            self.left = self.left.checked_sub(piece.len() as u64).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "the body is longer than it said")
            })?;
            let alone = self.gathered.is_empty() && piece.len() <= PIECE_BYTES_MAX;
            if alone && (self.left == 0 || piece.len() == PIECE_BYTES_MAX) {
                return Ok(Some(piece));
            }
            self.gathered.extend_from_slice(&piece);
        }
        if self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the body is shorter than it said"));
        }
        let rest = self.gathered.split().freeze();
        Ok((!rest.is_empty()).then_some(rest))
    }
}

/// Room in the backlog, given back unless it is used.
struct Room {
    books: Arc<Books>,
    reservation: Option<Reservation>,
}

impl Room {
    fn reserve(books: &Arc<Books>, bytes: u64) -> Result<Self, AcceptError> {
        let reservation = books.reserve(bytes).map_err(|_| AcceptError::Full)?;
        Ok(Self { books: Arc::clone(books), reservation: Some(reservation) })
    }

    fn take(&mut self) -> Reservation {
        self.reservation.take().expect("the room of a write is used once: its acceptance is called once")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.books.lock().ledger.give_back(reservation);
        }
    }
}

/// A body of which pieces may be in the file already, thrown away unless its write follows.
struct Staged<'a> {
    inbox: &'a Inbox,
    body: BodyNumber,
    kept: bool,
}

impl<'a> Staged<'a> {
    fn new(inbox: &'a Inbox, bytes: u64) -> Self {
        let body = if bytes == 0 { BodyNumber(0) } else { inbox.number_body() };
        Self { inbox, body, kept: bytes <= PIECE_BYTES_MAX as u64 }
    }

    fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.inbox.discard(self.body);
        }
    }
}
