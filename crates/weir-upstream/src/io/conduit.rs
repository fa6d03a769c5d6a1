//! Pipes of the kernel through which bytes go from one socket to another without being copied (`splice`).
//!
//! A large body between two sockets without TLS need not pass through our memory: a pipe holds references to the pages that one
//! socket has received, and hands them to the other one. Of answers of a megabyte that saves more than half of the time.
//!
//! A pipe is lent by the thread from the moment bytes go in until the last of them has gone out, so a few serve all connections in
//! turn. There is a bound, because each takes two descriptors, and pages that count against what the system lets a user have. Who
//! gets none copies, and so does everybody where the system knows no such call, or forbids it.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// Bytes that one holds at most. Memory of the system, not ours.
pub const CONDUIT_BYTES: usize = 256 * 1024;

/// Pipes of a thread, those that are lent and those that are not.
const OPEN_MAX: usize = 32;

#[cfg(test)]
thread_local! {
    /// What a system says that is played and gives nothing out of a pipe.
    pub(crate) static GIVES_NOTHING: std::cell::Cell<Option<Errno>> = const { std::cell::Cell::new(None) };
}

thread_local! {
    static CONDUITS: RefCell<Conduits> = const { RefCell::new(Conduits { free: Vec::new(), lent: 0, spare: 0, most: OPEN_MAX, refused: false }) };
}

struct Conduits {
    free: Vec<Pipe>,
    lent: usize,
    /// Of those that are free so many were not used since the last sweep.
    spare: usize,
    /// As many as the system gave when it last gave none; looked at again with each sweep.
    most: usize,
    /// Whether the system has refused the call, and not just once.
    refused: bool,
}

#[derive(Debug)]
struct Pipe {
    entry: OwnedFd,
    exit: OwnedFd,
}

impl Pipe {
    fn open() -> io::Result<Self> {
        let (exit, entry) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Refused to a user who has too many pages in pipes. The small ones that are left are not worth their calls.
        fcntl_setpipe_size(&entry, CONDUIT_BYTES)?;
        Ok(Self { entry, exit })
    }
}

/// A pipe that goes back to the thread when it is dropped empty, and is closed when bytes are left in it: nobody else may ever
/// get those.
#[derive(Debug)]
pub struct Conduit {
    /// `None` only while it is dropped.
    pipe: Option<Pipe>,
    held_bytes: usize,
}

impl Conduit {
    /// An empty one. `None` when the thread has lent all that it may have, or the system gives none.
    pub fn obtain() -> Option<Self> {
        CONDUITS.with_borrow_mut(|conduits| {
            if conduits.refused || conduits.lent >= conduits.most {
                return None;
            }
            let pipe = match conduits.free.pop().map_or_else(Pipe::open, Ok) {
                Ok(pipe) => pipe,
                Err(_) => {
                    conduits.most = conduits.lent;
                    return None;
                }
            };
            conduits.lent += 1;
            conduits.spare = conduits.spare.min(conduits.free.len());
            Some(Self { pipe: Some(pipe), held_bytes: 0 })
        })
    }

    /// Says that the system does not do this between such sockets; this thread does not ask again.
    pub fn refuse() {
        tracing::info!("the system does not move bodies between sockets (splice): they are copied");
        CONDUITS.with_borrow_mut(|conduits| conduits.refused = true);
    }

    /// What it holds, for who must write it himself.
    pub(crate) fn into_bytes(mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.held_bytes];
        let mut filled = 0;
        while filled < bytes.len() {
            match rustix::io::read(&self.pipe().exit, &mut bytes[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        self.held_bytes = 0;
        Ok(bytes)
    }

    /// Closes those that nobody has used since the last sweep.
    pub fn sweep() {
        CONDUITS.with_borrow_mut(|conduits| {
            let used = conduits.free.len().saturating_sub(conduits.spare);
            conduits.free.truncate(used);
            conduits.spare = conduits.free.len();
            conduits.most = OPEN_MAX;
        });
    }

    /// Closes those that nobody has; for when file descriptors run out.
    pub fn shed() {
        CONDUITS.with_borrow_mut(|conduits| conduits.free.clear());
    }

    /// Whether an error means that the system knows no such call, not for such sockets, or forbids it. Nothing was moved then.
    pub fn is_refusal(error: &io::Error) -> bool {
        let refusals = [Errno::INVAL, Errno::NOSYS, Errno::PERM, Errno::OPNOTSUPP];
        error.raw_os_error().is_some_and(|number| refusals.iter().any(|known| known.raw_os_error() == number))
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.held_bytes == 0
    }

    /// Pipes that wait for somebody.
    #[cfg(test)]
    pub(crate) fn kept() -> usize {
        CONDUITS.with_borrow(|conduits| conduits.free.len())
    }

    /// Pipes that somebody has.
    #[cfg(test)]
    pub(crate) fn lent() -> usize {
        CONDUITS.with_borrow(|conduits| conduits.lent)
    }

    fn pipe(&self) -> &Pipe {
        self.pipe.as_ref().expect("it has one until it is dropped")
    }

    /// Moves what a socket has received into it, at most so many bytes; it must be empty. `Ok(0)` is the end.
    pub(super) fn take_from(&mut self, socket: impl AsFd, bytes_max: usize) -> io::Result<usize> {
        debug_assert!(self.is_empty(), "a full one would be taken for a socket without bytes");
        let length = bytes_max.min(CONDUIT_BYTES);
        self.held_bytes = splice(socket, None, &self.pipe().entry, None, length, SpliceFlags::NONBLOCK)?;
        Ok(self.held_bytes)
    }

    /// Moves what it holds to a socket, as much as goes at once.
    pub(super) fn give_to(&mut self, socket: impl AsFd) -> io::Result<usize> {
        #[cfg(test)]
        if let Some(said) = GIVES_NOTHING.get() {
            return Err(said.into());
        }
        let count = splice(&self.pipe().exit, None, socket, None, self.held_bytes, SpliceFlags::NONBLOCK)?;
        self.held_bytes = self.held_bytes.saturating_sub(count);
        Ok(count)
    }
}

impl Drop for Conduit {
    fn drop(&mut self) {
        let pipe = self.pipe.take().filter(|_| self.is_empty());
        // While a thread ends its list may be gone already; then the pipe is simply closed.
        let _ = CONDUITS.try_with(|conduits| {
            let mut conduits = conduits.borrow_mut();
            conduits.lent = conduits.lent.saturating_sub(1);
            conduits.free.extend(pipe);
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_pipe_goes_back_empty_and_is_closed_with_bytes_in_it() {
        let (mut from, ours) = UnixStream::pair().unwrap();
        let (other, mut to) = UnixStream::pair().unwrap();
        let mut conduit = Conduit::obtain().unwrap();
        from.write_all(b"through").unwrap();
        assert_eq!(conduit.take_from(&ours, 100).unwrap(), 7);
        assert_eq!(conduit.give_to(&other).unwrap(), 7);
        let mut room = [0; 7];
        to.read_exact(&mut room).unwrap();
        assert_eq!(&room, b"through");
        drop(conduit);
        assert_eq!(Conduit::kept(), 1);
        let mut again = Conduit::obtain().unwrap();
        assert_eq!(Conduit::kept(), 0, "the same one");
        from.write_all(b"left behind").unwrap();
        again.take_from(&ours, 4).unwrap();
        drop(again);
        assert_eq!(Conduit::kept(), 0, "nobody gets what was left in it");
        // No more than was asked for was taken.
        let mut rest = [0; 16];
        let mut ours = ours;
        assert_eq!(ours.read(&mut rest).unwrap(), 7);
        assert_eq!(&rest[..7], b" behind");
    }

    #[test]
    fn a_thread_lends_so_many_and_no_more() {
        let lent: Vec<_> = std::iter::from_fn(Conduit::obtain).take(OPEN_MAX + 1).collect();
        assert_eq!(lent.len(), OPEN_MAX);
        assert!(Conduit::obtain().is_none());
        drop(lent);
        assert_eq!(Conduit::kept(), OPEN_MAX);
        assert!(Conduit::obtain().is_some());
        assert_eq!(Conduit::kept(), OPEN_MAX);
        let one = Conduit::obtain();
        Conduit::shed();
        assert_eq!((Conduit::kept(), Conduit::lent()), (0, 1));
        drop(one);
        assert_eq!((Conduit::kept(), Conduit::lent()), (1, 0));
    }

    #[test]
    fn those_that_nobody_uses_are_closed() {
        let lent: Vec<_> = std::iter::from_fn(Conduit::obtain).take(5).collect();
        drop(lent);
        Conduit::sweep();
        assert_eq!(Conduit::kept(), 5, "they were used just now");
        let lent: Vec<_> = std::iter::from_fn(Conduit::obtain).take(2).collect();
        drop(lent);
        Conduit::sweep();
        assert_eq!(Conduit::kept(), 2);
        Conduit::sweep();
        assert_eq!(Conduit::kept(), 0);
    }

    #[test]
    fn a_system_that_refuses_is_not_asked_again() {
        assert!(Conduit::is_refusal(&io::Error::from(Errno::INVAL)));
        assert!(!Conduit::is_refusal(&io::Error::from(Errno::AGAIN)));
        Conduit::refuse();
        assert!(Conduit::obtain().is_none());
    }
}
