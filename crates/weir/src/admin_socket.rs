//! The Unix socket of the admin listener. Its file's permissions say who may open it, from its first moment on.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Opens it with these permissions. One that a process has left behind is replaced.
///
/// # Errors
/// It can't be had; also when another program listens on it.
pub(crate) fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Nobody can connect before somebody listens, so nobody comes in with the permissions that it was made with.
    set_mode(path, mode)?;
    socket.listen(BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// From now on these permissions say who may open it.
///
/// # Errors
/// The system's word.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// From now on nobody else may open it than these permissions say. One that is somebody else's need not be changed when it is as strict.
///
/// # Errors
/// The system's word.
pub(crate) fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    let Err(error) = set_mode(path, mode) else { return Ok(()) };
    let is_strict = fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o777 & !mode == 0);
    if is_strict { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn one_that_is_left_behind_is_replaced_and_a_live_one_is_not() {
        let path = std::env::temp_dir().join(format!("weir-admin-socket-{}", std::process::id()));
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let first = bind(&path, 0o600).unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(bind(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        let second = bind(&path, 0o660).unwrap();
        assert_eq!(mode(), 0o660);
        drop(second);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "no socket").unwrap();
        assert!(bind(&path, 0o600).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "no socket", "a file of somebody else is not removed");
        fs::remove_file(&path).unwrap();
    }
}
