//! The part of a body that is in memory: pieces that are lent without being copied again.
//!
//! Content is copied once, out of the buffer it was read into. Large chunks become pieces as they come; small ones are
//! gathered first, so that a client that sends one byte at a time can't make the list of pieces larger than what they hold.
//! Every piece but the last one of a body has at least [`GATHERED_BYTES`].

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::memory::{MemoryTotal, Reservation, SMALL_BYTES};

/// The largest piece.
pub(super) const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Chunks below this are gathered, and what is gathered is copied to a reader that wants it sooner.
const GATHERED_BYTES: usize = 4 * 1024;

/// Gathered bytes at which they become a piece, wanted or not.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// Content from `start` to `end`, counted from the first byte of the body.
#[derive(Default)]
pub(super) struct Kept {
    pieces: VecDeque<Piece>,
    /// Small chunks behind the pieces; never empty.
    open: Option<Open>,
    start: u64,
    end: u64,
}

/// Content beginning at an offset.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) bytes: Bytes,
}

impl Piece {
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

struct Open {
    bytes: Vec<u8>,
    reservation: Reservation,
}

impl Open {
    /// Makes room for `count` bytes more, and for some that may follow: at most `room_bytes`, and [`GATHERED_BYTES_MAX`] in
    /// all. Says whether there was memory.
    fn make_room(&mut self, count: usize, room_bytes: usize, held_bytes: usize) -> bool {
        let needed = self.bytes.len() + count;
        let capacity = self.bytes.capacity();
        if needed <= capacity {
            return true;
        }
        let doubled = (capacity * 2).min(self.bytes.len() + room_bytes).clamp(needed, GATHERED_BYTES_MAX);
        let Some(more) = [doubled, needed]
            .map(|size| size - capacity)
            .into_iter()
            .find(|more| self.reservation.grow(*more, held_bytes))
        else {
            return false;
        };
        self.bytes.reserve_exact(capacity + more - self.bytes.len());
        true
    }
}

impl Kept {
    /// Bytes that were there already, and cost no memory more.
    pub(super) fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::default() } else { Self::of(&[Piece { start: 0, bytes }], 0) }
    }

    /// Pieces that lie together, and end a body that begins `start` bytes before the first of them.
    pub(super) fn of(pieces: &[Piece], start: u64) -> Self {
        let end = pieces.last().map_or(start, Piece::end);
        Self { pieces: pieces.iter().cloned().collect(), open: None, start, end }
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of content that are here.
    pub(super) fn bytes(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Copies some of `chunk`, at most `room_bytes`, and says how much; nothing when there is no memory for it.
    pub(super) fn append(&mut self, chunk: &[u8], room_bytes: usize, total: &Arc<MemoryTotal>) -> usize {
        let chunk = &chunk[..chunk.len().min(room_bytes)];
        let held_bytes = self.bytes();
        let count = match &mut self.open {
            Some(open) => {
                let count = chunk.len().min(GATHERED_BYTES_MAX - open.bytes.len());
                if !open.make_room(count, room_bytes, held_bytes) {
                    return 0;
                }
                open.bytes.extend_from_slice(&chunk[..count]);
                count
            }
            None if chunk.is_empty() => return 0,
            None => {
                let count = chunk.len().min(PIECE_BYTES_MAX);
                let sizes = [count, count.min(SMALL_BYTES)];
                let Some((count, reservation)) =
                    sizes.into_iter().find_map(|size| Some((size, total.reserve(size, held_bytes)?)))
                else {
                    return 0;
                };
                let bytes = chunk[..count].to_vec();
                if count < GATHERED_BYTES {
                    self.open = Some(Open { bytes, reservation });
                } else {
                    self.pieces.push_back(Piece { start: self.end, bytes: reservation.hold(bytes) });
                }
                count
            }
        };
        self.end += count as u64;
        if self.open.as_ref().is_some_and(|open| open.bytes.len() == GATHERED_BYTES_MAX) {
            self.close();
        }
        count
    }

    /// Makes a piece of what is gathered.
    pub(super) fn close(&mut self) {
        if let Some(Open { bytes, reservation }) = self.open.take() {
            let start = self.end - bytes.len() as u64;
            self.pieces.push_back(Piece { start, bytes: reservation.hold(bytes) });
        }
    }

    /// The bytes from an offset on, as far as they lie together; empty where there are none.
    pub(super) fn lend(&mut self, position: u64) -> Bytes {
        if let Some(open) = &self.open {
            let open_start = self.end - open.bytes.len() as u64;
            if position >= open_start && open.bytes.len() < GATHERED_BYTES {
                let skip = (position - open_start).min(open.bytes.len() as u64);
                return Bytes::copy_from_slice(&open.bytes[skip as usize..]);
            }
            if position >= open_start {
                self.close();
            }
        }
        let (before, after) = self.pieces.as_slices();
        let lent = lend_from(before, position);
        if lent.is_empty() { lend_from(after, position) } else { lent }
    }

    /// Forgets the first piece, if it ends at or before `end`. Says whether.
    pub(super) fn forget_first(&mut self, end: u64) -> bool {
        let forgotten = self.pieces.pop_front_if(|piece| piece.end() <= end);
        if let Some(piece) = &forgotten {
            self.start = piece.end();
        }
        forgotten.is_some()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.open = None;
        self.start = self.end;
    }

    /// The pieces that begin at or behind an offset.
    pub(super) fn pieces_from(&self, start: u64) -> impl Iterator<Item = &Piece> {
        self.pieces.range(self.pieces.partition_point(|piece| piece.start < start)..)
    }
}

/// The bytes from an offset on in the piece that has it.
pub(super) fn lend_from(pieces: &[Piece], position: u64) -> Bytes {
    let behind = pieces.partition_point(|piece| piece.start <= position);
    match behind.checked_sub(1).map(|index| &pieces[index]) {
        Some(piece) if position < piece.end() => piece.bytes.slice((position - piece.start) as usize..),
        _ => Bytes::new(),
    }
}
