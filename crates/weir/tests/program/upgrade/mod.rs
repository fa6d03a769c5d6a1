//! Replacing the program while it runs: what clients see of it, and what happens when it can't be done.

mod beside;
mod load;
mod refused;
mod waiting;
mod websockets;

use std::net::SocketAddr;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_testkit::wait::until;

use super::process::{Running, run};

/// The program, and those that followed it. They write to one stderr. All of them are killed when a test fails before its end.
pub(crate) struct Family {
    pub(crate) running: Running,
    /// The address of clients, which stays the same.
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Who is in charge, and who was.
    members: Vec<i32>,
}

impl Family {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(Running::start(arguments))
    }

    pub(crate) fn of(mut running: Running) -> Self {
        let (address, admin) = running.addresses();
        Self::at(running, address, admin)
    }

    /// One that has started.
    pub(crate) fn at(running: Running, address: SocketAddr, admin: SocketAddr) -> Self {
        let first = i32::try_from(running.id()).unwrap();
        Self { running, address, admin, members: vec![first] }
    }

    /// Who is in charge.
    pub(crate) fn pid(&self) -> i32 {
        *self.members.last().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits until a process has been started to follow.
    pub(crate) fn started(&mut self) -> i32 {
        let line = self.running.line("a new process has been started pid=");
        let (_, rest) = line.split_once("started pid=").unwrap();
        let pid = rest.split_whitespace().next().unwrap().parse().unwrap();
        self.members.push(pid);
        pid
    }

    /// After a signal or a command: waits until the next process is in charge.
    fn in_charge(&mut self) {
        let pid = self.started();
        self.running.line(&format!("another process is in charge; draining pid={pid}"));
    }

    /// The same with a signal.
    pub(crate) fn replace(&mut self) {
        self.signal(Signal::SIGUSR2);
        self.in_charge();
    }

    /// `weir upgrade` with these words behind it: exit code, stdout and stderr.
    pub(crate) fn upgrade(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let admin = self.admin.to_string();
        let output = run(&[&["upgrade", "--admin", &admin], words].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Who was started to follow has gone, and nobody else is in charge now.
    pub(crate) fn is_gone(&mut self, pid: i32) {
        until(|| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH));
        self.members.retain(|member| *member != pid);
    }

    /// Ends who is in charge, and waits until all have ended.
    pub(crate) fn end(self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        self.all_end()
    }

    /// Waits until all have ended.
    pub(crate) fn all_end(mut self) -> Vec<String> {
        self.members.clear();
        let (code, lines) = std::mem::replace(&mut self.running, Running::start(&["--version"])).end();
        assert_eq!(code, Some(0), "{lines:?}");
        lines
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // The first one is a child of the test, and has an owner.
        for pid in self.members.iter().skip(1) {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
    }
}
