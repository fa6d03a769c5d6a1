//! Reading from and writing to sockets of the runtime, at the price of the system call.
//!
//! The runtime's own reads and writes ask it first whether it is ready, which registers the task and counts its budget, and
//! then call the system through the C library, whose calls may be cancelled by threads. Nearly always the socket *is* ready:
//! so this tries first, calls the system directly, and asks the runtime only when there is nothing to do.
//!
//! What would let one task keep the others from running is a socket that always has more. Only a read that fills its room
//! says that there may be more without waiting, so those alone are counted against the task's budget.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop;

use super::conduit::Conduit;

/// A socket that the runtime watches.
pub(super) trait Socket: AsFd {
    /// Does `work` if the runtime takes the socket for ready; `WouldBlock` says that it is not, or not any more.
    fn attempt<T>(&self, interest: Interest, work: impl FnOnce() -> io::Result<T>) -> io::Result<T>;

    /// Waits until the runtime takes the socket for readable.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Waits until the runtime takes the socket for writable.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Socket for TcpStream {
    #[inline]
    fn attempt<T>(&self, interest: Interest, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.try_io(interest, work)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }
}

impl Socket for UnixStream {
    #[inline]
    fn attempt<T>(&self, interest: Interest, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.try_io(interest, work)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }
}

/// Waits until a read would give something, as far as the runtime has heard.
#[inline]
pub(super) fn poll_readable(socket: &impl Socket, cx: &mut Context<'_>) -> Poll<()> {
    if socket.attempt(Interest::READABLE, || Ok(())).is_ok() {
        return Poll::Ready(());
    }
    socket.poll_read_ready(cx).map(|_| ())
}

/// Where a read puts what has come.
pub(super) trait Room {
    /// At least one byte. Asked for when there is something to read, because what only waits needs no room.
    fn room(&mut self) -> &mut [u8];
}

impl Room for [u8] {
    #[inline]
    fn room(&mut self) -> &mut [u8] {
        self
    }
}

/// Reads into the room, which is not empty. `Ok(0)` is the end.
#[inline]
pub(super) fn poll_read(
    socket: &impl Socket,
    cx: &mut Context<'_>,
    room: &mut (impl Room + ?Sized),
) -> Poll<io::Result<usize>> {
    loop {
        if !coop::has_budget_remaining() {
            // Others first; the task is woken again at once.
            let _budget = ready!(coop::poll_proceed(cx));
        }
        let (mut count, mut is_full) = (0, false);
        let attempted = socket.attempt(Interest::READABLE, || {
            let room = room.room();
            count = recv(socket, &mut *room, RecvFlags::empty())?.0;
            is_full = count == room.len();
            // A read that leaves room has emptied the socket, which the system says of the next byte again: the same as if
            // another read had been tried in vain. The end is no emptiness.
            if 0 < count && !is_full { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match attempted {
            _ if count > 0 => {
                if is_full && let Poll::Ready(budget) = coop::poll_proceed(cx) {
                    budget.made_progress();
                }
                return Poll::Ready(Ok(count));
            }
            Ok(()) => return Poll::Ready(Ok(0)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_read_ready(cx))?,
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

/// Moves what has come into an empty conduit, at most so many bytes. `Ok(0)` is the end.
pub(super) fn poll_into(
    socket: &impl Socket,
    cx: &mut Context<'_>,
    conduit: &mut Conduit,
    bytes_max: usize,
) -> Poll<io::Result<usize>> {
    loop {
        // Each time counts like a read that fills its room, because there may always be more.
        let budget = ready!(coop::poll_proceed(cx));
        match socket.attempt(Interest::READABLE, || conduit.take_from(socket, bytes_max)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_read_ready(cx))?,
            done => {
                budget.made_progress();
                return Poll::Ready(done);
            }
        }
    }
}

/// Moves what a conduit holds to the other side, as much as goes at once.
pub(super) fn poll_out_of(
    socket: &impl Socket,
    cx: &mut Context<'_>,
    conduit: &mut Conduit,
) -> Poll<io::Result<usize>> {
    loop {
        match socket.attempt(Interest::WRITABLE, || conduit.give_to(socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_write_ready(cx))?,
            done => return Poll::Ready(done),
        }
    }
}

/// Writes the beginning of these slices.
#[inline]
pub(super) fn poll_write(
    socket: &impl Socket,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let write = || match slices {
        [only] => Ok(send(socket, only, SendFlags::NOSIGNAL)?),
        several => write_several(socket, several),
    };
    loop {
        let mut tried = false;
        let attempted = socket.attempt(Interest::WRITABLE, || {
            tried = true;
            write()
        });
        // A connection that has just been made is writable before the runtime has heard of it.
        let written = if tried { attempted } else { write() };
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_write_ready(cx))?,
            done => return Poll::Ready(done),
        }
    }
}

fn write_several(socket: &impl Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, sendmsg};
    Ok(sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;

    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    async fn read(socket: &impl Socket, room: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| poll_read(socket, cx, &mut *room)).await
    }

    async fn write(socket: &impl Socket, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| poll_write(socket, cx, &[IoSlice::new(bytes)])).await
    }

    #[tokio::test]
    async fn a_socket_that_always_has_more_lets_others_run() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut left = write(&theirs, &[0; 32 * 1024]).await.unwrap();
        let turns = Rc::new(Cell::new(0));
        let counted = Rc::clone(&turns);
        LocalSet::new()
            .run_until(async move {
                let others = spawn_local(async move {
                    loop {
                        counted.set(counted.get() + 1);
                        yield_now().await;
                    }
                });
                let reading = spawn_local(async move {
                    while left > 0 {
                        left -= read(&ours, &mut [0; 16]).await.unwrap();
                    }
                });
                reading.await.unwrap();
                others.abort();
            })
            .await;
        // 2048 reads; the budget of a task is 128.
        assert!(turns.get() >= 10, "others ran {} times", turns.get());
    }

    #[tokio::test]
    async fn short_reads_full_reads_and_the_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut room = [0; 8];
        assert!(poll_fn(|cx| Poll::Ready(poll_read(&ours, cx, &mut room[..]).is_pending())).await);
        write(&theirs, b"short").await.unwrap();
        assert_eq!(read(&ours, &mut room).await.unwrap(), 5);
        assert!(poll_fn(|cx| Poll::Ready(poll_read(&ours, cx, &mut room[..]).is_pending())).await);
        write(&theirs, b"more than one room").await.unwrap();
        assert_eq!(read(&ours, &mut room).await.unwrap(), 8);
        assert_eq!(read(&ours, &mut room).await.unwrap(), 8);
        // The end may come between the last bytes and the read that takes them.
        drop(theirs);
        assert_eq!(read(&ours, &mut room).await.unwrap(), 2);
        assert_eq!(read(&ours, &mut room).await.unwrap(), 0);
        assert_eq!(read(&ours, &mut room).await.unwrap(), 0);
        assert!(write(&ours, b"x").await.is_err());
    }

    #[tokio::test]
    async fn a_full_socket_waits_and_goes_on() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let bytes: Vec<u8> = (0..1 << 20).map(|at: u32| at.to_le_bytes()[at as usize % 3]).collect();
        let writing = async {
            let mut left = bytes.as_slice();
            let mut waits = 0;
            while !left.is_empty() {
                let (one, two) = left.split_at(left.len() / 2);
                let slices = [IoSlice::new(one), IoSlice::new(two)];
                let count = poll_fn(|cx| {
                    let written = poll_write(&ours, cx, &slices);
                    waits += u32::from(written.is_pending());
                    written
                });
                left = &left[count.await.unwrap()..];
            }
            waits
        };
        let reading = async {
            let (mut received, mut room) = (Vec::new(), vec![0; 50_000]);
            while received.len() < bytes.len() {
                let count = read(&theirs, &mut room).await.unwrap();
                received.extend_from_slice(&room[..count]);
            }
            received
        };
        let (waits, received) = tokio::join!(writing, reading);
        assert!(waits > 0, "a socket holds less than that");
        assert!(received == bytes);
    }
}
