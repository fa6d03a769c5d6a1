//! The signals that a running process listens to, as words of ours.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What somebody wants of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// TERM or INT: drain; while draining: stop now.
    Stop,
    /// QUIT: drain, and never more than that.
    Drain,
    /// USR1: open log files anew.
    ReopenLogs,
    /// HUP: read the configuration again.
    Reload,
    /// USR2: replace the program by a new one.
    Replace,
}

/// All of them. From the moment this exists none of them ends the process by itself.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Stream,
    interrupt: Stream,
    quit: Stream,
    user1: Stream,
    user2: Stream,
    hangup: Stream,
}

impl Signals {
    /// Begins to listen. Needs a tokio runtime with IO.
    ///
    /// # Errors
    /// What the system says when it does not let a signal be listened to.
    pub(crate) fn listen() -> io::Result<Self> {
        unblock()?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Cancel safe. Two of the same kind that come before somebody looks are one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.quit.recv() => Signal::Drain,
            _ = self.user1.recv() => Signal::ReopenLogs,
            _ = self.user2.recv() => Signal::Replace,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    /// Waits for one that ends a program that somebody tries something with: also HUP, because its terminal has gone.
    pub(crate) async fn end(&mut self) {
        while matches!(self.next().await, Signal::ReopenLogs | Signal::Replace) {}
    }
}

/// A parent that blocks signals leaves that to its children, and nobody could end this one. Threads that are started later
/// have the mask of this one.
fn unblock() -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};

    let all =
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGHUP];
    Ok(all.into_iter().collect::<SigSet>().thread_unblock()?)
}
