//! The upgrades of a process: who asks for one, the one that is on its way, and what comes of it.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use weir_core::ports::upgrade::{UPGRADE_TIME, Upgrade, UpgradeError};

use super::desk::{self, Asked, Counter, Outcome};
use super::manifest::{Entry, Manifest, Role};
use super::predecessor::{self, Order, Successor};
use super::{program, registrations};
use crate::wiring::Weir;

/// Something that has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody asks over the admin listener.
    Asked(Asked),
    /// The new process is ready, or is none.
    Ended(Result<Successor, UpgradeError>),
}

/// The upgrades of one process. Dropped, it ends a process that is not ready yet.
#[derive(Debug)]
pub(crate) struct Upgrades {
    counter: Counter,
    asked: mpsc::Receiver<Asked>,
    current: Option<Current>,
    /// One that waits until it may begin; in it who asked, nobody after a signal.
    waiting: Option<Option<Asked>>,
}

/// The one on its way.
#[derive(Debug)]
struct Current {
    task: JoinHandle<Result<Successor, UpgradeError>>,
    /// Who waits for it; nobody after a signal.
    reply: Option<oneshot::Sender<Outcome>>,
}

impl Upgrades {
    /// None yet.
    pub(crate) fn new() -> Self {
        let (counter, asked) = desk::open();
        Self { counter, asked, current: None, waiting: None }
    }

    /// Where one asks.
    pub(crate) fn counter(&self) -> Counter {
        self.counter.clone()
    }

    /// What happens next. Cancel safe.
    pub(crate) async fn next(&mut self) -> Event {
        let ended = async {
            match &mut self.current {
                Some(current) => (&mut current.task).await,
                None => pending().await,
            }
        };
        tokio::select! {
            // The sender is here.
            Some(asked) = self.asked.recv() => Event::Asked(asked),
            ended = ended => {
                let lost = |_| Err(UpgradeError::Failed("the attempt died".to_owned()));
                Event::Ended(ended.unwrap_or_else(lost))
            }
        }
    }

    /// Lets one wait until it may begin. There is one at most.
    pub(crate) fn wait(&mut self, asked: Option<Asked>) {
        if self.waiting.is_some() {
            refuse(&being_started(), asked.map(|asked| asked.reply));
        } else {
            self.waiting = Some(asked);
        }
    }

    /// The one that waits: it may begin.
    pub(crate) fn whoever_waits(&mut self) -> Option<Option<Asked>> {
        self.waiting.take()
    }

    /// Whether a process is being started.
    pub(crate) fn is_under_way(&self) -> bool {
        self.current.is_some()
    }

    /// Begins one, for somebody who asked or after a signal.
    ///
    /// # Errors
    /// Why none is begun; who asked has been told, and so has the log.
    pub(crate) fn begin(&mut self, weir: &Weir, asked: Option<Asked>) -> Result<(), UpgradeError> {
        let (wish, reply) = asked.map_or_else(Default::default, |asked| (asked.wish, Some(asked.reply)));
        match self.order(weir, wish) {
            Ok(order) => {
                // The process that follows needs them before it is ready.
                weir.proxy.share_queues(true);
                self.current = Some(Current { task: tokio::spawn(predecessor::start(order)), reply });
                Ok(())
            }
            Err(error) => {
                refuse(&error, reply);
                Err(error)
            }
        }
    }

    fn order(&self, weir: &Weir, wish: Upgrade) -> Result<Order, UpgradeError> {
        if self.current.is_some() {
            return Err(being_started());
        }
        if let Some(reason) = program::refusal(std::process::id()) {
            return Err(UpgradeError::Refused(reason));
        }
        if let Some(queue) = weir.proxy.queue_not_taken_over() {
            return Err(UpgradeError::Refused(format!(
                "the process before this one still delivers from the queue `{queue}`\n\nhint: try again when it has ended"
            )));
        }
        let user = nix::unistd::geteuid().as_raw();
        let program = match wish.program {
            Some(path) => program::trusted(&path, user).map_err(UpgradeError::Bad)?,
            None => program::same(),
        };
        let registered = registrations::messages(&weir.policy.plane.registered());
        let (manifest, sockets) = parcel(weir, registered.len())
            .map_err(|error| UpgradeError::Refused(format!("the sockets can't be handed over: {error}")))?;
        let time: Duration = wish.time.unwrap_or(UPGRADE_TIME);
        Ok(Order { program, time, manifest, sockets, registered })
    }

    /// No process follows: this one goes on, and says why.
    pub(crate) fn failed(&mut self, weir: &Weir, error: &UpgradeError) {
        weir.proxy.share_queues(false);
        refuse(error, self.current.take().and_then(|current| current.reply));
    }

    /// A process follows: who asked is told.
    pub(crate) fn done(mut self, process: &weir_core::ports::upgrade::NewProcess) {
        if let Some(reply) = self.current.take().and_then(|current| current.reply) {
            // It may not have waited.
            let _ = reply.send(Ok(process.clone()));
        }
    }

    /// Ends a process that is not ready yet, because this one ends.
    pub(crate) async fn give_up(mut self) {
        if let Some(current) = self.current.take() {
            current.task.abort();
            // Its process has gone when the task has.
            let _ = current.task.await;
        }
    }
}

fn being_started() -> UpgradeError {
    UpgradeError::Refused("a new process is being started already".to_owned())
}

fn refuse(error: &UpgradeError, reply: Option<oneshot::Sender<Outcome>>) {
    let text = error.to_string();
    let reason = text.split("\n\nhint: ").next().unwrap_or_default();
    tracing::warn!(reason, "the program is not replaced, and this one goes on");
    if let Some(reply) = reply {
        let _ = reply.send(Err(error.clone()));
    }
}

/// All listening sockets once more, and what they are.
fn parcel(weir: &Weir, registrations: usize) -> io::Result<(Manifest, Vec<OwnedFd>)> {
    let queues = weir.proxy.queues_to_hand_over();
    let mut manifest = Manifest { queues, registrations, ..Manifest::default() };
    let mut sockets = Vec::new();
    let mut add = |role, written: String, more: Vec<OwnedFd>, is_foreign| {
        manifest.entries.push(Entry { role, written, sockets: more.len(), is_foreign });
        sockets.extend(more);
    };
    for listener in weir.proxy.sockets_to_hand_over()? {
        add(Role::Clients, listener.written, listener.sockets, listener.is_foreign);
    }
    for (written, sockets) in weir.policy.plane.sockets_to_hand_over()? {
        add(Role::Policy, written.to_string(), sockets, false);
    }
    for (role, listener) in [(Role::Admin, &weir.admin), (Role::Metrics, &weir.metrics)] {
        if let Some(listener) = listener {
            add(role, listener.written.clone(), vec![listener.socket.try_clone()?], listener.is_foreign);
        }
    }
    Ok((manifest, sockets))
}
