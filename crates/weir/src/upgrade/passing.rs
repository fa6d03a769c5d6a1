//! Messages between the two processes: bytes, and descriptors beside them (SCM_RIGHTS).
//!
//! The socket keeps the bounds of messages (SOCK_SEQPACKET), so that what belongs together comes together or is known to be cut. It is
//! the only place where descriptors come from another process.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};

/// Descriptors that one message can hold; the system's bound.
pub(crate) const DESCRIPTORS_MAX: usize = 253;

/// Bytes of a message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What came in one message.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its bytes.
    pub(crate) text: Vec<u8>,
    /// Descriptors that came with them.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// The two ends. Neither goes on to another program by itself.
///
/// # Errors
/// The system has no file descriptor left.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Whether this is such an end.
pub(crate) fn is_end(socket: impl AsFd) -> bool {
    sockopt::socket_type(socket).is_ok_and(|kind| kind == SocketType::SEQPACKET)
}

/// Waits at most so long for a message, from now on.
pub(crate) fn set_patience(socket: impl AsFd, time: Duration) -> io::Result<()> {
    Ok(sockopt::set_socket_timeout(socket, sockopt::Timeout::Recv, Some(time))?)
}

/// Sends one message.
///
/// # Errors
/// It is too large, or the system's.
pub(crate) fn send(socket: impl AsFd, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if text.is_empty() || text.len() > MESSAGE_BYTES_MAX || descriptors.len() > DESCRIPTORS_MAX {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::io::retry_on_intr(|| {
        // The other process may have gone: that is an error here and no signal.
        sendmsg(&socket, &[IoSlice::new(text)], &mut control, SendFlags::NOSIGNAL)
    })?;
    Ok(())
}

/// The next message; `None` when the other end is closed.
///
/// # Errors
/// It was cut off, because it is larger than any that is sent, or the system's.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<Option<Message>> {
    let mut text = vec![0; MESSAGE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(&socket, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message was cut off"));
    }
    if received.bytes == 0 && descriptors.is_empty() {
        return Ok(None);
    }
    text.truncate(received.bytes);
    Ok(Some(Message { text, descriptors }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::File;
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn descriptors_come_as_they_were_sent() {
        let (one, other) = pair().unwrap();
        assert!(is_end(&one) && !is_end(File::open("/dev/null").unwrap()));
        let (reader, writer) = io::pipe().unwrap();
        let many: Vec<OwnedFd> = (0..DESCRIPTORS_MAX).map(|_| writer.try_clone().unwrap().into()).collect();
        drop(writer);
        let borrowed: Vec<_> = many.iter().map(AsFd::as_fd).collect();
        send(&one, b"all", &borrowed).unwrap();
        drop(many);
        let message = receive(&other).unwrap().unwrap();
        assert_eq!((message.text.as_slice(), message.descriptors.len()), (&b"all"[..], DESCRIPTORS_MAX));
        for descriptor in message.descriptors {
            File::from(descriptor).write_all(b"x").unwrap();
        }
        let mut text = String::new();
        // It ends when no copy of the writing end is left anywhere.
        io::BufReader::new(reader).read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), DESCRIPTORS_MAX);
        drop(one);
        assert!(receive(&other).unwrap().is_none(), "the end");
    }

    #[test]
    fn what_does_not_fit_is_not_sent() {
        let (one, _other) = pair().unwrap();
        let null = File::open("/dev/null").unwrap();
        let many = vec![null.as_fd(); DESCRIPTORS_MAX + 1];
        for (text, descriptors) in
            [(&b"x"[..], &many[..]), (b"", &[]), (&vec![b'x'; MESSAGE_BYTES_MAX + 1], &[])]
        {
            let error = send(&one, text, descriptors).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        send(&one, &vec![b'x'; MESSAGE_BYTES_MAX], &many[..1]).unwrap();
    }

    /// Somebody else may send with another program than ours.
    #[test]
    fn what_was_cut_is_no_message() {
        let (one, other) = pair().unwrap();
        let long = vec![b'x'; MESSAGE_BYTES_MAX + 1];
        rustix::net::send(&one, &long, SendFlags::empty()).unwrap();
        assert_eq!(receive(&other).unwrap_err().kind(), io::ErrorKind::InvalidData);
        send(&one, b"next", &[]).unwrap();
        assert_eq!(receive(&other).unwrap().unwrap().text, b"next");
    }
}
