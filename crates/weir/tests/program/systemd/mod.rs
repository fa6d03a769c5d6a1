//! What systemd is to the program, with a service manager that the test plays: it hears what is told, and opens the sockets.

mod activation;
mod notify;
mod unit;
mod watchdog;

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::sockopt::PassCred;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt};

use super::scratch::Scratch;

/// How long a message is waited for; far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who listens at `NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    /// What the variable says.
    name: String,
}

/// What a process has told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// Who has, by the word of the system.
    pid: i32,
    text: String,
}

impl Told {
    /// The value of this name.
    fn value(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    fn number(&self, name: &str) -> u128 {
        self.value(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).parse().unwrap()
    }

    fn status(&self) -> &str {
        self.value("STATUS").unwrap_or_else(|| panic!("no status in {self:?}"))
    }

    /// Whether it says this word.
    fn says(&self, word: &str) -> bool {
        self.text.lines().any(|line| line == word)
    }
}

impl Manager {
    /// One at a path.
    fn start(scratch: &Scratch) -> Self {
        let name = scratch.path("notify");
        Self::over(UnixDatagram::bind(&name).unwrap(), name)
    }

    fn over(socket: UnixDatagram, name: String) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        setsockopt(&socket, PassCred, &true).unwrap();
        Self { socket, name }
    }

    /// The environment of who is to tell it something.
    fn environment(&self) -> [(&str, &str); 1] {
        [("NOTIFY_SOCKET", &self.name)]
    }

    fn receive(&self, flags: MsgFlags) -> nix::Result<Told> {
        let mut bytes = [0; 8 << 10];
        let mut space = cmsg_space!(UnixCredentials);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
        let credentials = received.cmsgs().unwrap().find_map(|message| match message {
            ControlMessageOwned::ScmCredentials(credentials) => Some(credentials),
            _ => None,
        });
        let (pid, length) = (credentials.unwrap().pid(), received.bytes);
        // systemd reads no longer ones.
        assert!(length <= 4096, "{length} bytes");
        Ok(Told { pid, text: String::from_utf8(bytes[..length].to_vec()).unwrap() })
    }

    /// What is told next.
    fn next(&self) -> Told {
        let told = self.receive(MsgFlags::empty());
        told.unwrap_or_else(|error| panic!("nothing is told: {}", io::Error::from(error)))
    }

    /// What is told next that is so.
    fn next_that(&self, is_so: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.next();
            if is_so(&told) {
                return told;
            }
        }
    }

    /// What has been told and not been looked at.
    fn rest(&self) -> Vec<Told> {
        std::iter::from_fn(|| self.receive(MsgFlags::MSG_DONTWAIT).ok()).collect()
    }
}

/// A configuration with this many services, which answer for themselves.
fn config(services: usize, top: &str) -> String {
    let services: Vec<String> = (0..services)
        .map(|number| format!("{{host: 'h{number}.example', respond: {{body: here}}}}"))
        .collect();
    let services = services.join(", ");
    format!("listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\nworkers: 2\n{top}\nservices: [{services}]\n")
}
