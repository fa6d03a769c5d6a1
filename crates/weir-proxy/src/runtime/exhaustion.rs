//! Whether a system call failed because the process or the system has run out of something.
//!
//! Then nobody else is at fault: no client for a connection that can't be accepted, no server for one that can't be opened.

use std::io;

use nix::libc;

/// Whether file descriptors, or memory for sockets, have run out.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    let exhausted = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_do_is_no_exhaustion() {
        for (code, expected) in [
            (libc::EMFILE, true),
            (libc::ENFILE, true),
            (libc::ENOBUFS, true),
            (libc::ENOMEM, true),
            (libc::ECONNREFUSED, false),
            (libc::ECONNABORTED, false),
            (libc::EHOSTUNREACH, false),
        ] {
            assert_eq!(is_exhaustion(&io::Error::from_raw_os_error(code)), expected, "{code}");
        }
        assert!(!is_exhaustion(&io::ErrorKind::OutOfMemory.into()), "no word of the system");
    }
}
