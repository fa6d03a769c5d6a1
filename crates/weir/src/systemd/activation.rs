//! Sockets that a service manager has opened for this process (`sd_listen_fds(3)`), so that clients can connect while it starts, and while
//! it is started again.
//!
//! They come as numbers of descriptors, from 3 on, and a number owns nothing. So each is sent through a socket of our own, as to another
//! process: what comes out is owned, and goes on to no other program by itself. Then the number is closed. A manager may tell of more than
//! it hands over, and a number of those may be a descriptor of our own: what came with the process can be told from that, because it is not
//! closed when a program is started, and all of ours are.
//!
//! The variables stay in the environment, which nobody can change while threads run, but they name this process and mean nothing to any
//! other.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::Command;

use nix::fcntl::OFlag;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use weir_config::model::{Admin, ListenAddress, Model};
use weir_proxy::runtime::inherited::Inherited;

use crate::upgrade::{Legacy, passing};

/// For which process they are.
const PROCESS_VARIABLE: &str = "LISTEN_PID";
/// How many there are.
const COUNT_VARIABLE: &str = "LISTEN_FDS";
/// What they are called, with colons between them.
const NAMES_VARIABLE: &str = "LISTEN_FDNAMES";

/// The first one, after those that every process has.
const FIRST: RawFd = 3;

/// More than any manager hands over; who says more is wrong.
const SOCKETS_MAX: usize = 4096;

/// A descriptor that was handed over.
#[derive(Debug)]
pub(crate) struct Handed {
    /// What the manager calls it.
    name: String,
    socket: OwnedFd,
}

/// Takes what is for this process. A second time there is nothing left.
pub(crate) fn receive() -> Vec<Handed> {
    let variable = |name| std::env::var(name).ok();
    let (process, count) = (variable(PROCESS_VARIABLE), variable(COUNT_VARIABLE));
    let count = match count_for(process.as_deref(), count.as_deref(), std::process::id()) {
        Ok(count) => count,
        Err(reason) => {
            tracing::warn!(reason, "sockets can't be taken over from whoever has started this process");
            return Vec::new();
        }
    };
    let mut handed = Vec::with_capacity(count);
    for (number, name) in (FIRST..).zip(names(variable(NAMES_VARIABLE).as_deref(), count)) {
        match came_with_the_process(number).and_then(|()| own(number)) {
            Ok(socket) => handed.push(Handed { name, socket }),
            Err(error) => tracing::warn!(number, %name, %error, "a descriptor was not handed over"),
        }
    }
    handed
}

/// How many are for the process with this id.
fn count_for(process: Option<&str>, count: Option<&str>, own: u32) -> Result<usize, String> {
    let (Some(process), Some(count)) = (process, count) else { return Ok(0) };
    // Somebody else's, who has started this one.
    if process.parse() != Ok(own) {
        return Ok(0);
    }
    match count.parse() {
        Ok(count @ 0..=SOCKETS_MAX) => Ok(count),
        Ok(count) => {
            Err(format!("`{COUNT_VARIABLE}` is {count}, and {SOCKETS_MAX} are the most that can be"))
        }
        Err(_) => Err(format!("`{COUNT_VARIABLE}` is `{count}`, and no number")),
    }
}

/// The names of so many, also where the manager names fewer.
fn names(names: Option<&str>, count: usize) -> impl Iterator<Item = String> {
    let names = names.unwrap_or_default().split(':').filter(|name| !name.is_empty()).map(str::to_owned);
    let names: Vec<String> = names.take(count).collect();
    names.into_iter().chain(std::iter::repeat("unknown".to_owned())).take(count)
}

/// An error unless a descriptor with this number was open before this program was started.
fn came_with_the_process(number: RawFd) -> io::Result<()> {
    let information = fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
    let flags = information.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    match flags {
        Some(flags) if flags & OFlag::O_CLOEXEC.bits() == 0 => Ok(()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The descriptor with this number as one that is owned; the number means nothing any more.
fn own(number: RawFd) -> io::Result<OwnedFd> {
    let (one, other) = passing::pair()?;
    let rights = [ControlMessage::ScmRights(&[number])];
    sendmsg::<()>(one.as_raw_fd(), &[IoSlice::new(b"x")], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    nix::unistd::close(number)?;
    let message = passing::receive(&other)?;
    message.and_then(|mut message| message.descriptors.pop()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// What a process finds there that follows nobody: the sockets, each where the configuration has its address.
pub(crate) fn legacy(handed: Vec<Handed>, model: &Model) -> Legacy {
    let mut all = Inherited::default();
    for Handed { name, socket } in handed {
        match all.add(None, vec![socket]) {
            Ok(address) => tracing::info!(%address, %name, "a socket was handed over"),
            Err(error) => tracing::warn!(%name, %error, "what was handed over can't be used, and is closed"),
        }
    }
    let admin = match &model.admin {
        Admin::Off => Inherited::default(),
        Admin::Default(address) => all.split(&ListenAddress::Tcp(*address)),
        Admin::At(written) => all.split(&written.address),
    };
    let metrics = model.metrics.map(|address| all.split(&ListenAddress::Tcp(address))).unwrap_or_default();
    Legacy { clients: all, admin, metrics, is_activated: true, ..Legacy::default() }
}

/// What was said to this process alone.
pub(super) fn leave_out(command: &mut Command) {
    for variable in [PROCESS_VARIABLE, COUNT_VARIABLE, NAMES_VARIABLE] {
        command.env_remove(variable);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::IntoRawFd;

    use nix::fcntl::{FcntlArg, FdFlag};

    use super::*;

    #[test]
    fn only_what_is_for_this_process_is_taken() {
        let count = |process, count| count_for(process, count, 7);
        assert_eq!(count(Some("7"), Some("2")), Ok(2));
        for (process, number) in [
            (None, None),
            (None, Some("2")),
            (Some("7"), None),
            (Some("8"), Some("2")),
            (Some("8"), Some("nonsense")),
            (Some(""), Some("2")),
            (Some("7x"), Some("2")),
            (Some("7"), Some("0")),
        ] {
            assert_eq!(count(process, number), Ok(0), "{process:?} {number:?}");
        }
        assert_eq!(count(Some("7"), Some("4096")), Ok(4096));
        for bad in ["4097", "-1", "", "2x", "99999999999999999999"] {
            let reason = count(Some("7"), Some(bad)).unwrap_err();
            assert!(reason.contains(COUNT_VARIABLE), "{reason}");
        }
    }

    #[test]
    fn each_has_a_name_whatever_the_manager_says() {
        let all = |text, count| names(text, count).collect::<Vec<_>>();
        assert_eq!(all(Some("http:admin"), 2), ["http", "admin"]);
        assert_eq!(all(Some("http"), 2), ["http", "unknown"]);
        assert_eq!(all(Some("a:b:c"), 1), ["a"]);
        assert_eq!(all(None, 1), ["unknown"]);
        assert_eq!(all(Some(""), 0), [""; 0]);
    }

    #[test]
    fn a_number_becomes_a_descriptor_that_is_owned_and_goes_nowhere_else() {
        let (mut reader, writer) = io::pipe().unwrap();
        let owned = own(writer.into_raw_fd()).unwrap();
        let flags = nix::fcntl::fcntl(&owned, FcntlArg::F_GETFD).unwrap();
        assert_eq!(FdFlag::from_bits_retain(flags), FdFlag::FD_CLOEXEC);
        File::from(owned).write_all(b"one").unwrap();
        let mut text = String::new();
        // It ends when no copy of the writing end is left.
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one");
        own(RawFd::MAX).unwrap_err();
        own(-1).unwrap_err();
    }

    #[test]
    fn our_own_descriptors_are_not_taken_for_what_came_with_the_process() {
        let ours = File::open("/dev/null").unwrap();
        came_with_the_process(ours.as_raw_fd()).unwrap_err();
        nix::fcntl::fcntl(&ours, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        came_with_the_process(ours.as_raw_fd()).unwrap();
        for nobodys in [-1, RawFd::MAX] {
            came_with_the_process(nobodys).unwrap_err();
        }
    }
}
