//! The data plane as a whole: its workers, its sockets and the way to stop it.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use weir_config::model::{AccessLog, Drain, Model};
use weir_core::ports::SharedStatusSource;
use weir_core::ports::members::SharedMemberControl;
use weir_core::ports::queue::SharedQueueSource;
use weir_upstream::body::replay::ReplayPool;
use weir_upstream::io::deadline::{now, pause};

use super::authentication::verifiers::Verifiers;
use super::build;
use super::certificates::{self, CertificateError, ListenerTls};
use super::clock::time_of_day;
use super::control::Control;
use super::counters::WorkerCounters;
use super::descriptors::Descriptors;
use super::inbox::{INBOX_MESSAGES_MAX, Inbox, Inspection, Message, Query};
use super::keepers;
use super::percentiles;
use super::permits::Permits;
use super::queues::{OpenQueue, QueueError, Queues};
use super::run::{self, AcceptEnded, Setup};
use super::sockets::{BoundAddress, ListenError, Listener};
use super::status::ProcessStatus;
use super::watched;
use crate::access_log::AccessLogWriter;
use crate::dispatch::deliver::Deliverer;
use crate::inbound::listener::Entrance;

/// How long the last lines of the access log may take to be written.
const LOG_FINISH_TIME: Duration = Duration::from_secs(2);

/// How long the start waits for the addresses of names. Who is not known by then may be found later.
const FIND_TIME: Duration = Duration::from_secs(2);

/// Why the data plane can't start.
#[derive(Debug)]
pub enum StartError {
    /// An address can't be listened on.
    Listen(ListenError),
    /// A listener has nothing to serve TLS with.
    Certificates(CertificateError),
    /// The access log can't be opened.
    AccessLog {
        /// Where it was to go.
        target: String,
        /// The system's word.
        source: io::Error,
    },
    /// A queue of writes can't be opened.
    Queue(QueueError),
    /// A thread or its runtime can't be made.
    Worker(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => error.fmt(f),
            Self::Certificates(error) => error.fmt(f),
            Self::AccessLog { target, source } => {
                write!(f, "the access log `{target}` can't be opened: {source}")
            }
            Self::Queue(error) => error.fmt(f),
            Self::Worker(source) => write!(f, "a worker can't be started: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen(error) => Some(error),
            Self::Certificates(error) => Some(error),
            Self::AccessLog { source, .. } | Self::Worker(source) => Some(source),
            Self::Queue(error) => Some(error),
        }
    }
}

/// Where bodies are kept that more than one server gets.
fn replay_pool(model: &Model) -> ReplayPool {
    let spool = model.replay.disk_bytes.map(|_| model.state.join("spool"));
    ReplayPool::new(model.replay.total_bytes, spool)
}

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

/// A running data plane. Dropping it stops everything at once.
#[derive(Debug)]
pub struct Proxy {
    inboxes: Vec<Inbox>,
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::Receiver<Ended>,
    running: usize,
    /// Held until the end: the sockets belong to the process.
    listeners: Vec<Listener>,
    status: Arc<ProcessStatus>,
    log: Option<AccessLogWriter>,
    drain: Drain,
    /// What proofs are looked at with.
    verifiers: Verifiers,
    /// Where writes wait.
    queues: Queues,
    /// What runs beside the requests.
    control: Arc<Control>,
}

impl Proxy {
    /// Opens the sockets and starts the workers.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    pub fn start(model: &Model, open_queue: Arc<OpenQueue>) -> Result<Self, StartError> {
        raise_file_limit();
        let queues = Queues::new(open_queue);
        queues.prepare(model).map_err(StartError::Queue)?;
        let workers = model.workers.unwrap_or_else(cores).max(1);
        let (listeners, tls) = open(model, workers)?;
        let log = access_log(&model.access_log)?;
        let control = Arc::new(Control::start().map_err(StartError::Worker)?);
        let verifiers = Verifiers::new(&control);
        let snapshot = Arc::new(build::snapshot(model, &verifiers, &queues));
        let counters: Vec<_> = (0..workers).map(|_| Arc::new(WorkerCounters::default())).collect();
        let replay = replay_pool(model);
        let status = Arc::new(ProcessStatus {
            started: now(),
            ready: AtomicBool::new(true),
            listeners: listeners.iter().map(|listener| listener.address().to_string()).collect(),
            tls: tls.iter().flatten().map(Arc::clone).collect(),
            workers: counters.clone(),
            snapshot: ArcSwap::from(Arc::clone(&snapshot)),
            published: Arc::default(),
            log: log.as_ref().map(AccessLogWriter::counts),
            replay: replay.clone(),
            queues: queues.clone(),
            lookout: Arc::default(),
        });
        let permits = Permits::new(&model.limits, Descriptors::of_process());
        let (ended_sender, ended) = mpsc::channel(workers);
        let mut proxy = Self {
            inboxes: Vec::new(),
            threads: Vec::new(),
            ended,
            running: 0,
            listeners,
            status,
            log,
            drain: model.drain,
            verifiers,
            queues,
            control,
        };
        proxy.begin_tasks(tls.iter().flatten().cloned().collect());
        // Else the first requests would find nobody.
        let deadline = now() + FIND_TIME;
        snapshot.upstreams.iter().for_each(|upstream| upstream.wait_found(deadline));
        for (index, counters) in counters.into_iter().enumerate() {
            let (inbox, receiver) = mpsc::channel(INBOX_MESSAGES_MAX);
            let setup = Setup {
                snapshot: Arc::clone(&snapshot),
                sockets: proxy.entrances(model, &tls, (index, workers))?,
                counters,
                log: proxy.log.as_ref().map(AccessLogWriter::handle),
                permits: permits.clone(),
                replay: replay.clone(),
                drain_idle: model.drain.idle,
                inbox: receiver,
            };
            let thread = spawn_worker(index, setup, ended_sender.clone()).map_err(StartError::Worker)?;
            proxy.inboxes.push(inbox);
            proxy.threads.push(thread);
            proxy.running += 1;
        }
        Ok(proxy)
    }

    /// Where this one of so many workers accepts clients.
    fn entrances(
        &self,
        model: &Model,
        tls: &[Option<Arc<ListenerTls>>],
        (index, workers): (usize, usize),
    ) -> Result<Vec<Entrance>, StartError> {
        let mut entrances = Vec::new();
        for ((listener, tls), written) in self.listeners.iter().zip(tls).zip(&model.listen) {
            let own = listener.for_worker(index, workers).map_err(StartError::Worker)?;
            let proxy_protocol = written.proxy_protocol.clone().map(Arc::new);
            entrances.extend(own.into_iter().map(|socket| Entrance {
                socket,
                tls: tls.clone(),
                proxy_protocol: proxy_protocol.clone(),
            }));
        }
        Ok(entrances)
    }

    /// Begins what runs beside the requests.
    fn begin_tasks(&self, tls: Vec<Arc<ListenerTls>>) {
        if !tls.is_empty() {
            self.control.begin("certificates", move || certificates::watch(tls.clone()));
        }
        let status = Arc::downgrade(&self.status);
        self.control.begin("percentiles", move || percentiles::watch(status.clone()));
        let status = Arc::downgrade(&self.status);
        self.control.begin("watched", move || watched::watch(status.clone()));
        let status = Arc::downgrade(&self.status);
        self.control.begin("members", move || keepers::watch(status.clone()));
        self.begin_delivering();
    }

    /// The addresses that are listened on, in the order of the configuration.
    pub fn addresses(&self) -> impl Iterator<Item = &BoundAddress> {
        self.listeners.iter().map(Listener::address)
    }

    /// Where the process's status can be read, also after this is gone.
    pub fn status_source(&self) -> SharedStatusSource {
        Arc::clone(&self.status) as SharedStatusSource
    }

    /// Whoever changes the members of upstreams, also after this is gone.
    pub fn member_control(&self) -> SharedMemberControl {
        Arc::clone(&self.status) as SharedMemberControl
    }

    /// The queues of writes, for people.
    pub fn queue_source(&self) -> SharedQueueSource {
        Arc::new(self.queues.clone())
    }

    /// Worker threads.
    pub fn workers(&self) -> usize {
        self.inboxes.len()
    }

    /// Waits until a worker has ended that was not told to; `Died` is a reason to end the process.
    ///
    /// Cancel safe.
    pub async fn worker_ended(&mut self) -> Ended {
        let ended = self.ended.recv().await.unwrap_or(Ended::Died);
        self.running = self.running.saturating_sub(1);
        ended
    }

    /// Requests that begin from now on, also on connections that are open, go where this model says; those that run end
    /// under the one they began with.
    ///
    /// Routes, upstreams, limits and timeouts are taken from it. Listeners, workers, the targets of the access log, the
    /// limit of connections and the times of draining stay as they were at the start. Servers are counted anew; a rate that
    /// stays as it is, at a route of the same name, goes on with what has been used of it.
    ///
    /// # Errors
    /// A queue that the model needs can't be had, or not as durable as the model says. Nothing has changed then: everything goes on
    /// as it was.
    pub async fn publish(&self, model: &Model) -> Result<(), QueueError> {
        self.queues.prepare(model)?;
        let before = self.status.snapshot.load_full();
        let snapshot = Arc::new(build::successor(model, &self.verifiers, &self.queues, &before));
        self.status.snapshot.store(Arc::clone(&snapshot));
        self.status.published.notify_one();
        self.begin_delivering();
        self.tell_all(|| Message::Publish(Arc::clone(&snapshot))).await;
        Ok(())
    }

    /// Lets somebody deliver from every queue from which nobody does yet.
    fn begin_delivering(&self) {
        for (upstream, queue) in self.queues.begin_delivering() {
            let status = Arc::downgrade(&self.status);
            self.control.begin("deliveries", move || {
                let deliverer = Deliverer::new(status.clone(), upstream.clone());
                let queue = Arc::clone(&queue);
                async move { queue.run(Rc::new(deliverer)).await }
            });
        }
    }

    /// Asks every worker; one that is gone gives no answer.
    pub async fn inspect(&self, query: Query) -> Vec<Inspection> {
        let mut answers = Vec::new();
        for inbox in &self.inboxes {
            let (reply, answer) = oneshot::channel();
            if inbox.send(Message::Inspect(query, reply)).await.is_ok()
                && let Ok(answer) = answer.await
            {
                answers.push(answer);
            }
        }
        answers
    }

    /// Closes a client connection of a worker at once.
    pub async fn cut(&self, worker: usize, connection: super::inbox::ConnectionId) {
        if let Some(inbox) = self.inboxes.get(worker) {
            // A worker that is gone has no connections.
            let _ = inbox.send(Message::Cut(connection)).await;
        }
    }

    /// Opens the file of the access log anew before the next line is written, so that it can be moved away.
    pub fn reopen_logs(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// Begins to drain: readiness flips at once, no connection is accepted any more, idle ones end after `drain.idle`.
    pub async fn begin_drain(&self) {
        self.status.ready.store(false, Ordering::Relaxed);
        self.tell_all(|| Message::Drain).await;
    }

    /// Waits until what runs has ended, at most until the deadline of the configuration; then the rest is cut. Returns how
    /// many connections were cut. Call after [`begin_drain`](Self::begin_drain). Cancel safe.
    pub async fn drained(&mut self) -> usize {
        // Whoever comes now is refused at once, instead of waiting in a queue that nobody will look at again. The workers
        // still have the sockets until they have accepted what came before.
        self.listeners.clear();
        let deadline = self.drain.deadline;
        let mut cut = 0;
        tokio::select! {
            count = self.all_ended() => return count,
            () = pause(deadline) => {}
        }
        self.tell_all(|| Message::Stop).await;
        cut += self.all_ended().await;
        cut
    }

    /// Cuts everything at once and waits for the workers and the access log to end.
    pub async fn stop(mut self) -> usize {
        self.status.ready.store(false, Ordering::Relaxed);
        self.tell_all(|| Message::Stop).await;
        let cut = self.all_ended().await;
        self.finish();
        cut
    }

    /// Waits for the threads, for what queues have to write and for the last lines of the access log. The workers must have ended.
    pub fn finish(mut self) {
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so.
            let _ = thread.join();
        }
        // Whoever delivers goes first; then what is still to be written to the files of queues is written.
        self.control.stop();
        self.queues.close();
        if let Some(log) = self.log.take()
            && !log.finish(LOG_FINISH_TIME)
        {
            tracing::warn!("the last lines of the access log could not be written in time");
        }
    }

    async fn tell_all(&self, message: impl Fn() -> Message) {
        for inbox in &self.inboxes {
            // A worker that is gone needs no telling.
            let _ = inbox.send(message()).await;
        }
    }

    async fn all_ended(&mut self) -> usize {
        let mut cut = 0;
        while self.running > 0 {
            if let Ended::Told { cut: count } = self.worker_ended().await {
                cut += count;
            }
        }
        cut
    }
}

/// Per listener; `None` is plain HTTP.
type Secured = Vec<Option<Arc<ListenerTls>>>;

/// Opens the sockets, and reads what is served on them with TLS.
fn open(model: &Model, workers: usize) -> Result<(Vec<Listener>, Secured), StartError> {
    let mut listeners = Vec::new();
    let mut secured = Vec::new();
    for listen in &model.listen {
        let listener = Listener::bind(&listen.address, workers).map_err(StartError::Listen)?;
        let tls = listen
            .tls
            .as_ref()
            .map(|tls| ListenerTls::start(listener.address().to_string(), tls, time_of_day()).map(Arc::new));
        secured.push(tls.transpose().map_err(StartError::Certificates)?);
        listeners.push(listener);
    }
    Ok((listeners, secured))
}

fn spawn_worker(index: usize, setup: Setup, ended: mpsc::Sender<Ended>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("weir-worker-{index}")).spawn(move || {
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
        let _ = ended.try_send(outcome);
    })
}

fn access_log(log: &AccessLog) -> Result<Option<AccessLogWriter>, StartError> {
    let (AccessLog::On { target, .. } | AccessLog::Plain { target, .. }) = log else { return Ok(None) };
    AccessLogWriter::start(target)
        .map(Some)
        .map_err(|source| StartError::AccessLog { target: format!("{target:?}"), source })
}

/// One worker for each core that the process may run on.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Raises the soft limit of open files to the hard one (`semantics.md` §4.2).
fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, soft, hard, "the limit of open files can't be raised");
    }
}
