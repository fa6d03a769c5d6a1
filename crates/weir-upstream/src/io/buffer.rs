//! Buffers that are lent by the thread for as long as something is in progress.
//!
//! An idle connection holds none. Buffers grow when reads fill them, so small messages stay in the first-level cache and
//! large bodies cost few system calls, and go back to a list of the thread when they are dropped.

use std::cell::RefCell;

use super::socket::Room;

/// Bytes of a buffer at first: a head with its small body fits.
const SMALL_BYTES: usize = 8 * 1024;

/// Bytes beyond which a buffer does not grow. Larger ones leave the second-level cache without saving system calls.
pub const LARGE_BYTES: usize = 256 * 1024;

/// Buffers of each kind that a thread keeps: enough for the busy part of some hundred connections.
const KEPT_SMALL: usize = 256;
/// See [`KEPT_SMALL`]; large ones together at most 4 MiB.
const KEPT_LARGE: usize = 16;

/// The longest list of bytes that is kept for writing.
const KEPT_WRITE_BYTES: usize = 64 * 1024;

thread_local! {
    static FREE: RefCell<Free> = const { RefCell::new(Free { small: Vec::new(), large: Vec::new(), write: Vec::new() }) };
}

struct Free {
    small: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
    write: Vec<Vec<u8>>,
}

/// Bytes that were read and are not yet used.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the last read filled all the room it was given.
    filled: bool,
}

impl ReadBuffer {
    /// An empty buffer without memory; it takes some when room is asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes that have been read and not consumed.
    #[inline]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Passes over `count` unread bytes.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start, "only unread bytes can be consumed");
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Puts bytes behind the unread ones, as if they had been read.
    pub fn append(&mut self, bytes: &[u8]) {
        while self.room().len() < bytes.len() {
            self.grow();
        }
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Room for the next read; at least one byte. Moves or grows when there is none, and grows when reads fill it.
    pub fn room(&mut self) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = take_small();
        }
        if self.start == self.end && self.filled && self.bytes.len() < LARGE_BYTES {
            self.replace(LARGE_BYTES);
        } else if self.end == self.bytes.len() {
            if self.start > self.bytes.len() / 2 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                self.grow();
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Says that a read put `count` bytes into the room.
    pub fn advance(&mut self, count: usize) {
        debug_assert!(self.end + count <= self.bytes.len(), "a read fills no more than its room");
        self.end = (self.end + count).min(self.bytes.len());
        self.filled = self.end == self.bytes.len();
    }

    fn grow(&mut self) {
        let larger = if self.bytes.len() < LARGE_BYTES { self.bytes.len() * 4 } else { self.bytes.len() * 2 };
        self.replace(larger);
    }

    fn replace(&mut self, length: usize) {
        let mut larger =
            if length == LARGE_BYTES { take_large() } else { vec![0; length].into_boxed_slice() };
        let unread = self.end - self.start;
        larger[..unread].copy_from_slice(&self.bytes[self.start..self.end]);
        give_back(std::mem::replace(&mut self.bytes, larger));
        self.start = 0;
        self.end = unread;
    }
}

impl Room for ReadBuffer {
    #[inline]
    fn room(&mut self) -> &mut [u8] {
        self.room()
    }
}

impl Drop for ReadBuffer {
    #[inline]
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            give_back(std::mem::take(&mut self.bytes));
        }
    }
}

fn take_small() -> Box<[u8]> {
    FREE.with_borrow_mut(|free| free.small.pop()).unwrap_or_else(|| vec![0; SMALL_BYTES].into_boxed_slice())
}

fn take_large() -> Box<[u8]> {
    FREE.with_borrow_mut(|free| free.large.pop()).unwrap_or_else(|| vec![0; LARGE_BYTES].into_boxed_slice())
}

fn give_back(bytes: Box<[u8]>) {
    // While a thread ends its list may be gone already; then the memory is simply freed.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        match bytes.len() {
            SMALL_BYTES if free.small.len() < KEPT_SMALL => free.small.push(bytes),
            LARGE_BYTES if free.large.len() < KEPT_LARGE => free.large.push(bytes),
            _ => {}
        }
    });
}

/// Bytes that are gathered to be written. The thread lends the memory from the first byte to the write, so that one
/// piece of it serves all connections in turn.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    bytes: Vec<u8>,
}

impl WriteBuffer {
    /// An empty one without memory; it takes some when it is written to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the bytes and gives the memory back.
    pub fn give_back(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.capacity() == 0 || bytes.capacity() > KEPT_WRITE_BYTES {
            return;
        }
        bytes.clear();
        // While a thread ends its list may be gone already; then the memory is simply freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.write.len() < KEPT_SMALL {
                free.write.push(bytes);
            }
        });
    }
}

impl std::ops::Deref for WriteBuffer {
    type Target = Vec<u8>;

    #[inline]
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl std::ops::DerefMut for WriteBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = FREE.with_borrow_mut(|free| free.write.pop()).unwrap_or_default();
        }
        &mut self.bytes
    }
}

impl Drop for WriteBuffer {
    #[inline]
    fn drop(&mut self) {
        if self.bytes.capacity() > 0 {
            self.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffer: &mut ReadBuffer, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = buffer.room();
            let count = bytes.len().min(room.len());
            room[..count].copy_from_slice(&bytes[..count]);
            buffer.advance(count);
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn unread_bytes_survive_growth_and_moves() {
        let mut buffer = ReadBuffer::new();
        let mut expected: Vec<u8> = Vec::new();
        for round in 0..20_000u32 {
            read(&mut buffer, &round.to_le_bytes()[..1 + round as usize % 3]);
            expected.extend_from_slice(&round.to_le_bytes()[..1 + round as usize % 3]);
            if round % 7 == 0 {
                let count = expected.len() / 3;
                buffer.consume(count);
                expected.drain(..count);
            }
            assert_eq!(buffer.unread(), expected);
        }
    }

    #[test]
    fn a_filled_buffer_grows_to_the_large_size_and_no_further() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..4 {
            let room = buffer.room().len();
            buffer.advance(room);
            let unread = buffer.unread().len();
            buffer.consume(unread);
        }
        assert_eq!(buffer.room().len(), LARGE_BYTES);
    }

    #[test]
    fn room_is_never_empty_however_much_is_unread() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..12 {
            let room = buffer.room().len();
            assert!(room > 0);
            buffer.advance(room);
        }
        assert!(buffer.unread().len() > LARGE_BYTES);
    }
}
