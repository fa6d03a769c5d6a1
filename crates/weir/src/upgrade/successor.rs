//! The side of the process that follows: it takes over what it is handed, says that it is ready, and waits for the word.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use serde_json::{Value, json};
use weir_policy::registered::Registered;

use super::legacy::Legacy;
use super::passing::{self, Message as Passed};
use super::predecessor::VARIABLE;
use super::registrations;
use crate::failure::Failure;

/// How long the process before may take for its part: it has nothing to do but that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a reason that are told.
const REASON_BYTES_MAX: usize = 8 << 10;

/// A process that follows another one.
#[derive(Debug)]
pub(crate) struct Succession {
    /// The line to the one before.
    pub(crate) link: Link,
    /// What it was handed.
    pub(crate) legacy: Legacy,
}

/// The line to the process before.
#[derive(Debug)]
pub(crate) struct Link(OwnedFd);

/// What a process hears that is in charge from now on.
#[derive(Debug)]
pub(crate) struct Charge {
    /// Who has registered for policy groups, and nobody else.
    pub(crate) registered: Vec<Registered>,
    /// Somebody wants the configuration to be read again, which may have changed since this process read it.
    pub(crate) reads_again: bool,
}

/// The line to the process before, if this one was started to follow it. It is stdin.
fn link() -> Option<OwnedFd> {
    let parent: u32 = std::env::var(VARIABLE).ok()?.parse().ok()?;
    // The variable goes on to whatever else is started from here, and means nothing there.
    let stdin = io::stdin();
    let is_ours = parent == std::os::unix::process::parent_id() && passing::is_end(&stdin);
    is_ours.then(|| stdin.as_fd().try_clone_to_owned().ok())?
}

/// Tells the process before why this one does not start; nothing in any other process.
pub(crate) fn explain(failure: &Failure) {
    let Some(link) = link() else { return };
    let mut text = failure.text();
    text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
    // It reads the end of the line too.
    let _ = passing::send(&link, json!({ "failed": text }).to_string().as_bytes(), &[]);
}

impl Succession {
    /// What this process was handed, if it follows another one.
    ///
    /// # Errors
    /// It was handed something else.
    pub(crate) fn receive() -> Result<Option<Self>, Failure> {
        let Some(link) = link() else { return Ok(None) };
        let received = passing::set_patience(&link, PATIENCE)
            .map_err(|error| error.to_string())
            .and_then(|()| Legacy::receive(&link));
        match received {
            Ok(legacy) => Ok(Some(Self { link: Link(link), legacy })),
            Err(reason) => Err(Failure::Running(format!("the sockets can't be taken over: {reason}"))),
        }
    }
}

impl Link {
    /// Says that everything runs, and waits for the word of the process before that it ends, and until that one has told whoever
    /// supervises it who is in charge now: what this one says there counts only then. Then stdin is nothing any more.
    ///
    /// # Errors
    /// It goes on, or has gone before: this process ends.
    pub(crate) fn take_charge(self) -> Result<Charge, Failure> {
        let ready = json!({ "ready": { "pid": std::process::id(), "version": env!("CARGO_PKG_VERSION") } });
        let told = passing::send(&self.0, ready.to_string().as_bytes(), &[]);
        let charge = told.map_err(|error| error.to_string()).and_then(|()| self.word());
        let charge = charge.map_err(|reason| {
            Failure::Running(format!("the process before this one has not handed over: {reason}"))
        })?;
        // The end of the line, or of patience.
        let _ = passing::receive(&self.0);
        // Whoever reads stdin from now on gets its end.
        if let Err(error) = File::open("/dev/null").and_then(|null| Ok(nix::unistd::dup2_stdin(null)?)) {
            tracing::warn!(%error, "stdin stays open");
        }
        Ok(charge)
    }

    /// The word of the process before, and what it says before that.
    fn word(&self) -> Result<Charge, String> {
        let mut registered = Vec::new();
        loop {
            let message = passing::receive(&self.0).map_err(|error| error.to_string())?;
            let Passed { text, .. } = message.ok_or("it has gone, or goes on itself")?;
            match registrations::read(&text) {
                Some(more) => registered.extend(more),
                None => {
                    let word: Value = serde_json::from_slice(&text).unwrap_or_default();
                    let reads_again = word["reload"] == true;
                    return Ok(Charge { registered, reads_again });
                }
            }
        }
    }
}
