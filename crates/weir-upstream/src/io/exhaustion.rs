//! Whether a system call failed because the process or the system has run out of something.
//!
//! Then nobody else is at fault: no client for a connection that can't be accepted, no server for one that can't be opened.

use std::io;

use rustix::io::Errno;

/// Whether file descriptors, or memory for sockets, have run out.
pub fn is_exhaustion(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_do_is_no_exhaustion() {
        for (errno, expected) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOBUFS, true),
            (Errno::NOMEM, true),
            (Errno::CONNREFUSED, false),
            (Errno::CONNABORTED, false),
            (Errno::HOSTUNREACH, false),
        ] {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(is_exhaustion(&error), expected, "{error}");
        }
        assert!(!is_exhaustion(&io::ErrorKind::OutOfMemory.into()), "no word of the system");
    }
}
