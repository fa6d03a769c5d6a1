//! The workers of the process: their threads, how each is told something, and how many there are.
//!
//! Their number may change while they run. One that goes accepts nothing more and lives until its last connection has ended, however
//! long that takes; nobody is cut because of it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};

use super::connections::Asked;
use super::counters::WorkerCounters;
use super::inbox::{Inbox, Inspection, Message, Query};
use super::posts::AcceptEnded;
use super::run::{self, Setup};

/// Workers that may end before somebody looks. Far more than there ever are.
const ENDED_MAX: usize = 1024;

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It had been told to, and cut so many connections.
    Told {
        /// Connections that were cut.
        cut: usize,
    },
    /// It died; the process should end (`semantics.md` §4.2).
    Died,
}

/// All workers.
#[derive(Debug)]
pub(super) struct Fleet {
    /// Those that accept, by their indexes.
    workers: Vec<WorkerThread>,
    /// Those that only serve whom they have.
    leaving: Vec<WorkerThread>,
    /// Counters of those that have ended, for those that come.
    spare: Vec<Arc<WorkerCounters>>,
    ended: mpsc::Receiver<(u64, Ended)>,
    tell: mpsc::Sender<(u64, Ended)>,
    next: u64,
}

#[derive(Debug)]
struct WorkerThread {
    id: u64,
    inbox: Inbox,
    thread: JoinHandle<()>,
    counters: Arc<WorkerCounters>,
}

impl Fleet {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        let (tell, ended) = mpsc::channel(ENDED_MAX);
        Self { workers: Vec::new(), leaving: Vec::new(), spare: Vec::new(), ended, tell, next: 0 }
    }

    /// How many accept.
    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }

    /// Counters for one more worker: of one that has ended, so that they are no more than there ever were workers at once. Sums
    /// go on.
    pub(super) fn counters(&mut self) -> Arc<WorkerCounters> {
        self.spare.pop().unwrap_or_default()
    }

    /// Lets one more begin.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn enlist(&mut self, setup: Setup, inbox: Inbox) -> io::Result<()> {
        let (id, counters) = (self.next, Arc::clone(&setup.counters));
        let name = format!("weir-worker-{}", self.workers.len());
        let thread = spawn(name, id, setup, self.tell.clone())?;
        self.next += 1;
        self.workers.push(WorkerThread { id, inbox, thread, counters });
        Ok(())
    }

    /// The counters of all, also of those that have ended.
    pub(super) fn all_counters(&self) -> Vec<Arc<WorkerCounters>> {
        let running = self.workers.iter().chain(&self.leaving).map(|worker| &worker.counters);
        running.chain(&self.spare).map(Arc::clone).collect()
    }

    /// Whom to ask for connections, in the order of their numbers.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let all = self.workers.iter().chain(&self.leaving);
        let mut all: Vec<_> = all.map(|worker| (worker.id, worker.inbox.downgrade())).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Tells those with these indexes and above that they go.
    pub(super) async fn dismiss(&mut self, from: usize, idle: Duration) {
        for worker in self.workers.split_off(from.min(self.workers.len())) {
            // One that is gone needs no telling.
            let _ = worker.inbox.send(Message::Drain(idle)).await;
            self.leaving.push(worker);
        }
    }

    /// Tells everybody who runs; those that accept first, in the order of their indexes, which `message` is told.
    pub(super) async fn tell_all(&self, mut message: impl FnMut(Option<usize>) -> Message) {
        for (index, worker) in self.workers.iter().enumerate() {
            let _ = worker.inbox.send(message(Some(index))).await;
        }
        for worker in &self.leaving {
            let _ = worker.inbox.send(message(None)).await;
        }
    }

    /// Asks those that accept; one that is gone gives no answer.
    pub(super) async fn inspect(&self, query: Query) -> Vec<Inspection> {
        let mut answers = Vec::new();
        for worker in &self.workers {
            let (reply, answer) = oneshot::channel();
            if worker.inbox.send(Message::Inspect(query, reply)).await.is_ok()
                && let Ok(answer) = answer.await
            {
                answers.push(answer);
            }
        }
        answers
    }

    /// The inbox of the worker with this index.
    pub(super) fn inbox(&self, index: usize) -> Option<&Inbox> {
        self.workers.get(index).map(|worker| &worker.inbox)
    }

    /// Waits until one has ended that nobody has dismissed. Cancel safe.
    pub(super) async fn one_ended(&mut self) -> Ended {
        loop {
            // A sender is held here, so there is always another word.
            let Some((id, ended)) = self.ended.recv().await else { return Ended::Died };
            if !self.forget(id) || ended == Ended::Died {
                self.lose(id);
                return ended;
            }
        }
    }

    /// Waits until none is left. How many connections they cut.
    pub(super) async fn all_ended(&mut self) -> usize {
        let mut cut = 0;
        while !self.workers.is_empty() || !self.leaving.is_empty() {
            let Some((id, ended)) = self.ended.recv().await else { break };
            if !self.forget(id) {
                self.lose(id);
            }
            if let Ended::Told { cut: count } = ended {
                cut += count;
            }
        }
        cut
    }

    /// Forgets one that has ended although it accepted.
    fn lose(&mut self, id: u64) {
        if let Some(place) = self.workers.iter().position(|worker| worker.id == id) {
            join(self.workers.remove(place));
        }
    }

    /// Forgets one of those that were dismissed. Says whether it was one.
    fn forget(&mut self, id: u64) -> bool {
        let Some(place) = self.leaving.iter().position(|worker| worker.id == id) else { return false };
        let worker = self.leaving.swap_remove(place);
        self.spare.push(Arc::clone(&worker.counters));
        join(worker);
        true
    }
}

/// Waits for a thread that has said its last word.
fn join(worker: WorkerThread) {
    // A worker that panicked has said so.
    let _ = worker.thread.join();
}

fn spawn(
    name: String,
    id: u64,
    setup: Setup,
    ended: mpsc::Sender<(u64, Ended)>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(move || {
        let run = std::panic::AssertUnwindSafe(|| {
            let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
            runtime.map(|runtime| runtime.block_on(run::run(setup)))
        });
        let outcome = match std::panic::catch_unwind(run) {
            Ok(Ok(Ok(cut))) => Ended::Told { cut },
            Ok(Ok(Err(AcceptEnded))) => {
                tracing::error!("a worker can't accept connections any more");
                Ended::Died
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a worker's runtime can't be made");
                Ended::Died
            }
            Err(_) => Ended::Died,
        };
        // If nobody listens the process is ending anyway.
        let _ = ended.try_send((id, outcome));
    })
}
