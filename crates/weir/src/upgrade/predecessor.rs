//! The side of the process that runs: it starts the one that follows, hands over, and waits until that one is ready.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use serde_json::{Value, json};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use weir_core::ports::upgrade::{NewProcess, UpgradeError};
use weir_policy::registered::Registered;

use super::manifest::Manifest;
use super::passing::{self, DESCRIPTORS_MAX};
use super::{program, registrations};
use crate::systemd;

/// Tells a program whom it follows: the id of its parent. What it gets is at its stdin.
pub(crate) const VARIABLE: &str = "WEIR_SUCCESSOR_OF";

/// How long a process that is ready may take to hear that it is in charge: it does nothing but wait for that.
const WORD_TIME: Duration = Duration::from_secs(10);

/// How long a process that has closed its line may take to end by itself.
const END_TIME: Duration = Duration::from_secs(2);

/// What is started, and what it gets.
#[derive(Debug)]
pub(crate) struct Order {
    /// The program.
    pub(crate) program: PathBuf,
    /// How long it may take to be ready.
    pub(crate) time: Duration,
    /// What it is handed.
    pub(crate) manifest: Manifest,
    /// The sockets, in the order of the manifest.
    pub(crate) sockets: Vec<OwnedFd>,
    /// Messages about who has registered for policy groups.
    pub(crate) registered: Vec<Vec<u8>>,
}

/// A process that was started to follow this one. Dropped before it was told to go on, it is killed.
#[derive(Debug)]
pub(crate) struct Successor {
    child: Option<Child>,
    /// Its messages have bounds; the runtime has no other name for such a socket.
    link: UnixDatagram,
    /// What it says of itself.
    pub(crate) process: NewProcess,
}

impl Successor {
    /// Tells it that it is in charge, and leaves it alone. Nobody else than those of `registered` has registered for policy groups;
    /// with `reads_again` somebody wants the configuration to be read again, which may have changed since it read it. It says nothing
    /// to anybody until `farewell` has been said here.
    ///
    /// # Errors
    /// It has gone meanwhile.
    pub(crate) async fn put_in_charge(
        mut self,
        registered: &[Registered],
        reads_again: bool,
        farewell: impl FnOnce(&NewProcess),
    ) -> Result<NewProcess, UpgradeError> {
        let gone = |error: io::Error| UpgradeError::Failed(format!("the new process has gone: {error}"));
        let mut words = registrations::messages(registered);
        words.push(json!({"go": true, "reload": reads_again}).to_string().into_bytes());
        let told = tokio::time::timeout(WORD_TIME, async {
            for word in &words {
                send(&self.link, word, &[]).await?;
            }
            Ok(())
        });
        told.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(gone)?;
        if let Some(child) = self.child.take() {
            watch(child);
        }
        farewell(&self.process);
        // With the line, for whose end it waits.
        Ok(self.process.clone())
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; after a kill there is nothing to wait for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a process and waits until it is ready. Dropping the future ends it.
///
/// # Errors
/// It can't be started, ends, or is not ready in time; it is gone then.
pub(crate) async fn start(order: Order) -> Result<Successor, UpgradeError> {
    let Order { program, time, manifest, sockets, registered } = order;
    let system =
        |error: io::Error| UpgradeError::Refused(format!("the new process can't be started: {error}"));
    let text = manifest.to_text().map_err(|error| UpgradeError::Refused(error.to_string()))?;
    let (link, theirs) = passing::pair().map_err(system)?;
    rustix::io::ioctl_fionbio(&link, true).map_err(|error| system(error.into()))?;
    let link = UnixDatagram::from_std(link.into()).map_err(system)?;
    let mut command = Command::new(&program);
    command.args(program::arguments()).env(VARIABLE, std::process::id().to_string());
    systemd::leave_out(&mut command);
    let child = command.stdin(Stdio::from(theirs)).spawn().map_err(|error| {
        UpgradeError::Failed(format!("`{}` can't be started: {error}", program.display()))
    })?;
    // It has its own end of the line; another one here would hide when it lets go.
    drop(command);
    let process = NewProcess { pid: child.id(), version: String::new() };
    tracing::info!(pid = process.pid, program = %program.display(), "a new process has been started");
    let mut successor = Successor { child: Some(child), link, process };
    let handed = tokio::time::timeout(time, async {
        // One that fails at once closes its end before all has been sent; what it had to say counts.
        let _ = hand_over(&successor.link, &text, &sockets, &registered).await;
        drop(sockets);
        word(&successor.link).await
    });
    match handed.await {
        Ok(Ok(Word::Ready { version })) => {
            successor.process.version = version;
            Ok(successor)
        }
        Ok(Ok(Word::Failed { reason })) => {
            Err(UpgradeError::Failed(format!("the new process did not start: {reason}")))
        }
        Ok(Ok(Word::Strange)) => {
            Err(UpgradeError::Failed("the new program is no Weir of this kind".to_owned()))
        }
        Ok(Ok(Word::End) | Err(_)) => Err(UpgradeError::Failed(ended(&mut successor).await)),
        Err(_) => Err(UpgradeError::Failed(format!("the new process was not ready within {time:?}"))),
    }
}

async fn hand_over(
    link: &UnixDatagram,
    text: &[u8],
    sockets: &[OwnedFd],
    registered: &[Vec<u8>],
) -> io::Result<()> {
    send(link, text, &[]).await?;
    for part in sockets.chunks(DESCRIPTORS_MAX) {
        let part: Vec<BorrowedFd<'_>> = part.iter().map(AsFd::as_fd).collect();
        send(link, b"sockets", &part).await?;
    }
    for message in registered {
        send(link, message, &[]).await?;
    }
    Ok(())
}

async fn send(link: &UnixDatagram, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    link.async_io(Interest::WRITABLE, || passing::send(link, text, descriptors)).await
}

/// What the new process says.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    /// It accepts clients.
    Ready { version: String },
    /// It does not start.
    Failed { reason: String },
    /// Something that no Weir says.
    Strange,
    /// Nothing any more.
    End,
}

async fn word(link: &UnixDatagram) -> io::Result<Word> {
    let next = || link.async_io(Interest::READABLE, || passing::receive(link));
    let message = match next().await {
        // It ended without having read all that was sent to it, which is said before what it has sent.
        Err(error) if error.raw_os_error() == Some(Errno::CONNRESET.raw_os_error()) => next().await,
        message => message,
    };
    Ok(message?.map_or(Word::End, |message| read(&message.text)))
}

fn read(text: &[u8]) -> Word {
    let value: Value = serde_json::from_slice(text).unwrap_or_default();
    match (value["ready"]["version"].as_str(), value["failed"].as_str()) {
        (Some(version), None) => Word::Ready { version: version.to_owned() },
        (None, Some(reason)) => Word::Failed { reason: reason.to_owned() },
        _ => Word::Strange,
    }
}

/// Looks after one that is in charge for as long as this process drains. Dies it, then nobody listens any more, and whoever supervises
/// both hears of it only when its parent has gone, which is this one: so this one ends too, as if it were told to a second time.
fn watch(mut child: Child) {
    let watching = std::thread::Builder::new().name("weir-successor".to_owned()).spawn(move || {
        let Ok(status) = child.wait() else { return };
        // It was told to end, or another one followed it.
        if status.success() {
            return;
        }
        tracing::error!(pid = child.id(), "the new process {}; this one ends as well", how(status));
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM);
    });
    if let Err(error) = watching {
        tracing::warn!(%error, "nobody looks after the new process");
    }
}

/// How a process ended that has closed its line; one that goes on all the same is ended.
async fn ended(successor: &mut Successor) -> String {
    let Some(mut child) = successor.child.take() else { return String::new() };
    let pid = child.id();
    let waiting = tokio::task::spawn_blocking(move || child.wait());
    match tokio::time::timeout(END_TIME, waiting).await {
        Ok(Ok(Ok(status))) => {
            format!("the new process {} before it was ready; what it said is in the log", how(status))
        }
        Ok(_) => "the new process has gone".to_owned(),
        Err(_) => {
            // Its id is its own as long as nobody has waited for it, and somebody still does.
            if let Ok(pid) = i32::try_from(pid) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
            "the new program does not take what it is handed".to_owned()
        }
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// It was taken for one that had said nothing: what it had not read was an error that came before its words.
    #[tokio::test]
    async fn what_one_that_fails_at_once_has_said_is_heard() {
        let (link, theirs) = passing::pair().unwrap();
        rustix::io::ioctl_fionbio(&link, true).unwrap();
        let link = UnixDatagram::from_std(link.into()).unwrap();
        hand_over(&link, b"{}", &[], &[]).await.unwrap();
        passing::send(&theirs, br#"{"failed":"no"}"#, &[]).unwrap();
        drop(theirs);
        hand_over(&link, b"{}", &[], &[]).await.unwrap_err();
        assert_eq!(word(&link).await.unwrap(), Word::Failed { reason: "no".to_owned() });
        assert_eq!(word(&link).await.unwrap(), Word::End);
    }

    #[test]
    fn only_a_weir_that_is_ready_is_believed() {
        assert_eq!(read(br#"{"ready":{"pid":7,"version":"1"}}"#), Word::Ready { version: "1".to_owned() });
        assert_eq!(read(br#"{"failed":"no"}"#), Word::Failed { reason: "no".to_owned() });
        for strange in [&b"hello"[..], b"", b"{}", b"[]", b"\xff", br#"{"ready":true}"#, br#"{"failed":7}"#] {
            assert_eq!(read(strange), Word::Strange, "{strange:?}");
        }
    }
}
