//! The way to a service manager: a datagram to the socket that it has named.
//!
//! A manager that is busy is waited for, but not for long: whoever tells it something is the control thread, which has other things to do.
//! What could not be told is in the log.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, SockAddr, Socket, Type};

use super::message;

/// Names the socket: a path, or `@` and a name that is in no file system.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// How long a manager may take to take a message.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells a service manager how things stand, where there is one. Clones tell the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notifier(Option<Arc<Line>>);

#[derive(Debug)]
struct Line {
    socket: Socket,
    manager: SockAddr,
}

impl Notifier {
    /// Tells the manager that has started this process; nobody where none has.
    pub(crate) fn of_environment() -> Self {
        let Some(name) = std::env::var_os(VARIABLE) else { return Self::default() };
        Self::to(&name).unwrap_or_else(|error| {
            tracing::warn!(socket = ?name, %error, "the service manager can't be told anything");
            Self::default()
        })
    }

    /// Tells the manager that listens there.
    pub(super) fn to(name: &OsStr) -> io::Result<Self> {
        Ok(Self(Some(Arc::new(Line::to(name)?))))
    }

    /// Whether somebody wants to know.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// It serves; also after it has read its configuration again, whether it could use that or not.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(|| message::ready(status));
    }

    /// It reads its configuration again from now on.
    pub(crate) fn reloading(&self) {
        self.tell(|| message::reloading(since_boot()));
    }

    /// Another process is the service from now on. Nothing else is told after that: it would be about that one.
    pub(crate) fn succeeded_by(&self, pid: u32) {
        self.tell(|| message::main_process(pid));
    }

    /// This process is the service from now on, and serves.
    pub(crate) fn in_charge(&self, status: &str) {
        self.tell(|| message::in_charge(std::process::id(), status));
    }

    /// It ends, and takes so long at most.
    pub(crate) fn stopping(&self, time: Duration, status: &str) {
        self.tell(|| message::stopping(time, status));
    }

    /// How things stand.
    pub(crate) fn status(&self, status: &str) {
        self.tell(|| message::status(status));
    }

    /// All of it goes on.
    pub(super) fn alive(&self) {
        self.tell(|| message::ALIVE.to_owned());
    }

    fn tell(&self, text: impl FnOnce() -> String) {
        let Some(line) = &self.0 else { return };
        let text = text();
        if let Err(error) = line.socket.send_to(text.as_bytes(), &line.manager) {
            let word = text.split('\n').next().unwrap_or_default();
            tracing::warn!(word, %error, "the service manager was not told");
        }
    }
}

impl Line {
    fn to(name: &OsStr) -> io::Result<Self> {
        let manager = match name.as_bytes() {
            [b'/', ..] => SockAddr::unix(Path::new(name))?,
            [b'@', rest @ ..] if !rest.is_empty() => {
                let name = [b"\0", rest].concat();
                SockAddr::unix(Path::new(OsStr::from_bytes(&name)))?
            }
            _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a path nor `@NAME`")),
        };
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, manager })
    }
}

/// The time of the clock by which a manager knows what came first.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    fn notifier(name: &str) -> Notifier {
        Notifier::to(OsStr::new(name)).unwrap()
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 4096];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn managers_are_found_by_path_and_by_abstract_name() {
        let path = std::env::temp_dir().join(format!("weir-notifier-test-{}", std::process::id()));
        let by_path = UnixDatagram::bind(&path).unwrap();
        notifier(path.to_str().unwrap()).status("by path");
        assert_eq!(heard(&by_path), "STATUS=by path");
        std::fs::remove_file(path).unwrap();
        let name = format!("weir-notifier-test-{}", std::process::id());
        let by_name =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
        let notifier = notifier(&format!("@{name}"));
        notifier.reloading();
        let first = heard(&by_name);
        assert!(first.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{first}");
        notifier.alive();
        assert_eq!(heard(&by_name), "WATCHDOG=1");
    }

    #[test]
    fn what_is_no_socket_is_not_told_anything() {
        for name in ["", "@", "relative", "vsock:2:1", &"/x".repeat(100)] {
            Line::to(OsStr::new(name)).unwrap_err();
        }
        // Nobody listens there; it is said in the log.
        notifier("/nonexistent/notify").ready("nobody hears");
        Notifier::default().ready("nobody asks");
        assert!(!Notifier::default().is_heard());
    }

    /// A manager that hangs must not make the proxy hang.
    #[test]
    fn a_manager_that_does_not_read_is_not_waited_for_without_end() {
        let name = format!("weir-notifier-full-{}", std::process::id());
        let _full =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
        let line = Line::to(OsStr::new(&format!("@{name}"))).unwrap();
        line.socket.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        let full = (0..1_000_000).find_map(|_| line.socket.send_to(&[b'x'; 4096], &line.manager).err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
