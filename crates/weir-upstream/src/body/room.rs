//! Bodies that are kept whole in memory, and the room that all of them on one thread share.
//!
//! For answers that somebody looks at as a whole. What is taken is what the allocator is asked for, not what is in it, and it is
//! held until whoever has the bytes is done with them. Bodies that go on to servers are kept elsewhere
//! ([`replay`](super::replay)).

use std::cell::Cell;
use std::rc::Rc;

/// Memory for bodies of one thread; clones share it.
#[derive(Debug, Clone)]
pub struct Room {
    used_bytes: Rc<Cell<usize>>,
    bytes_max: usize,
}

/// There is no more room, or the body is larger than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

/// Bytes that are charged to a room for as long as this lives.
#[derive(Debug)]
pub struct Charge {
    room: Room,
    bytes: usize,
}

/// A body, or what has come of it.
#[derive(Debug)]
pub struct KeptBytes {
    bytes: Vec<u8>,
    bytes_max: usize,
    charge: Charge,
}

impl Room {
    /// So much.
    pub fn new(bytes_max: usize) -> Self {
        Self { used_bytes: Rc::default(), bytes_max }
    }

    /// What is taken of it.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        let used = self.used_bytes.get().checked_add(bytes).filter(|used| *used <= self.bytes_max);
        self.used_bytes.set(used.ok_or(NoRoom)?);
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let used = &self.room.used_bytes;
        used.set(used.get() - self.bytes);
    }
}

impl KeptBytes {
    /// Nothing yet, and at most so much.
    pub fn new(room: &Room, bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, charge: Charge { room: room.clone(), bytes: 0 } }
    }

    /// Puts a piece behind what is there.
    ///
    /// # Errors
    /// It does not fit; nothing has changed then.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), NoRoom> {
        let length = self.bytes.len() + piece.len();
        if length > self.bytes_max {
            return Err(NoRoom);
        }
        let before = self.bytes.capacity();
        if length > before {
            let wanted = length.max(before.saturating_mul(2)).min(self.bytes_max);
            self.charge.room.take(wanted - before)?;
            self.bytes.reserve_exact(wanted - self.bytes.len());
            // An allocator may give a little more; that it keeps to itself.
            self.charge.bytes += wanted - before;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// The bytes, and what they are charged.
    pub fn into_parts(self) -> (Vec<u8>, Charge) {
        (self.bytes, self.charge)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_kept_of_all_bodies_together_has_a_bound() {
        let room = Room::new(100);
        let mut first = KeptBytes::new(&room, 80);
        first.push(&[1; 60]).unwrap();
        assert_eq!(first.push(&[1; 21]), Err(NoRoom), "one body has a bound too");
        let mut second = KeptBytes::new(&room, 80);
        second.push(&[2; 40]).unwrap();
        assert_eq!(second.push(&[2]), Err(NoRoom));
        assert_eq!(room.used_bytes(), 100);
        let (bytes, charge) = second.into_parts();
        assert_eq!((bytes.len(), room.used_bytes()), (40, 100), "it is charged as long as somebody has it");
        drop(charge);
        first.push(&[1; 20]).unwrap();
        drop(first);
        assert_eq!(room.used_bytes(), 0);
    }

    #[test]
    fn what_is_charged_is_what_is_taken_from_the_system() {
        let room = Room::new(1 << 20);
        let mut body = KeptBytes::new(&room, 1 << 20);
        for _ in 0..1000 {
            body.push(&[0; 77]).unwrap();
            assert!(room.used_bytes() >= body.bytes.capacity(), "{room:?}");
        }
        assert!(room.used_bytes() <= 2 * 77_000, "{room:?}");
    }
}
