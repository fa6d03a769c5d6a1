//! The data plane as a whole: its workers, its sockets and the way to stop it.

use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{mpsc, oneshot};
use weir_config::model::{AccessLog, Drain, Model};
use weir_core::ports::SharedStatusSource;
use weir_core::ports::configuration::SharedConfigurationSource;
use weir_core::ports::connections::SharedConnectionSource;
use weir_core::ports::members::SharedMemberControl;
use weir_core::ports::queue::SharedQueueSource;
use weir_core::ports::site::SharedSiteSource;
use weir_upstream::body::replay::ReplayPool;
use weir_upstream::io::deadline::{now, pause, since_epoch};
use weir_upstream::io::descriptors::Descriptors;
use weir_upstream::policy_groups::PolicyGroups;

use super::authentication::verifiers::Verifiers;
use super::build;
use super::certificates;
use super::configuration_record::ConfigurationRecord;
use super::connections::Connections;
use super::control::Control;
use super::fleet::Fleet;
use super::inbox::{INBOX_MESSAGES_MAX, Inspection, Message, Query};
use super::inherited::Inherited;
use super::keepers;
use super::listeners::{self, OpenListener, Unmanned};
use super::marks::Marks;
use super::percentiles;
use super::permits::Permits;
use super::queues::{OpenQueue, Queues};
use super::quiet::Quiet;
use super::retired;
use super::run::Setup;
use super::snapshot::Snapshot;
use super::sockets::BoundAddress;
use super::status::ProcessStatus;
use super::watched;
use crate::access_log::{AccessLogWriter, LogCounts};
use crate::dispatch::deliver::Deliverer;

pub use super::fleet::Ended;
pub use super::start_error::StartError;

/// How long the last lines of the access log may take to be written.
pub(super) const LOG_FINISH_TIME: Duration = Duration::from_secs(2);

/// How long the start waits for the addresses of names. Who is not known by then may be found later.
pub(super) const FIND_TIME: Duration = Duration::from_secs(2);

/// A running data plane. Dropping it stops everything at once.
#[derive(Debug)]
pub struct Proxy {
    pub(super) fleet: Fleet,
    /// Held until the end: the sockets belong to the process.
    pub(super) listeners: Vec<OpenListener>,
    /// Sockets that a worker should have got and the system did not give, until the next reload.
    pub(super) unmanned: Vec<Unmanned>,
    pub(super) status: Arc<ProcessStatus>,
    pub(super) connections: Arc<Connections>,
    pub(super) log: Option<AccessLogWriter>,
    pub(super) drain: Drain,
    /// Whether any worker may still bring a write.
    pub(super) quiet: Quiet,
    /// What proofs are looked at with.
    pub(super) verifiers: Arc<Verifiers>,
    /// Where writes wait.
    pub(super) queues: Queues,
    /// What runs beside the requests.
    pub(super) control: Arc<Control>,
    /// What may be in progress at once.
    pub(super) permits: Permits,
    /// Where bodies are kept that more than one server gets.
    pub(super) replay: ReplayPool,
    /// What the configuration said.
    pub(super) marks: Arc<Marks>,
}

impl Proxy {
    /// Opens the sockets and starts the workers.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    pub fn start(model: &Model, open_queue: Arc<OpenQueue>) -> Result<Self, StartError> {
        Self::start_with(model, open_queue, &mut Inherited::default(), Arc::default())
    }

    /// The same with sockets that listen already, where they are those of an address of the model; what is not, stays there. And
    /// with groups in which servers may have registered already.
    ///
    /// # Errors
    /// See [`start`](Self::start).
    pub fn start_with(
        model: &Model,
        open_queue: Arc<OpenQueue>,
        inherited: &mut Inherited,
        policy_groups: Arc<PolicyGroups>,
    ) -> Result<Self, StartError> {
        raise_file_limit();
        let queues = Queues::new(open_queue);
        queues.prepare(model).map_err(StartError::Queue)?;
        let workers = worker_count(model);
        let listeners = listeners::open_all(model, workers, inherited)?;
        let log = access_log(&model.access_log, LogCounts::default())?;
        let control = Arc::new(Control::start().map_err(StartError::Worker)?);
        let verifiers = Arc::new(Verifiers::new(&control));
        let snapshot = Arc::new(build::snapshot_beside(model, &verifiers, &queues, policy_groups));
        let replay = ReplayPool::new(model.replay.total_bytes, Some(model.state.join("spool")));
        let status = Arc::new(ProcessStatus {
            started: now(),
            ready: AtomicBool::new(true),
            listeners: ArcSwap::from_pointee(listeners::addresses(&listeners)),
            tls: Arc::new(ArcSwap::from_pointee(listeners::served(&listeners))),
            workers: AtomicUsize::new(0),
            counters: ArcSwap::default(),
            snapshot: ArcSwap::from(Arc::clone(&snapshot)),
            published: Arc::default(),
            members: Mutex::default(),
            log: log.as_ref().map(AccessLogWriter::counts).unwrap_or_default(),
            replay: replay.clone(),
            queues: queues.clone(),
            lookout: Arc::default(),
            configuration: ConfigurationRecord::begun(since_epoch()),
            retired: Arc::default(),
        });
        let mut proxy = Self {
            fleet: Fleet::new(),
            listeners,
            unmanned: Vec::new(),
            connections: Connections::of(&status),
            status,
            log,
            drain: model.drain,
            quiet: Quiet::default(),
            verifiers,
            queues,
            control,
            permits: Permits::new(&model.limits, Descriptors::of_process()),
            replay,
            marks: Arc::new(Marks::of(model)),
        };
        proxy.begin_tasks();
        // Else the first requests would find nobody.
        let deadline = now() + FIND_TIME;
        snapshot.upstreams.iter().for_each(|upstream| upstream.wait_found(deadline));
        proxy.grow(workers, &snapshot).map_err(StartError::Worker)?;
        Ok(proxy)
    }

    /// Lets so many workers run, unless there are as many.
    pub(super) fn grow(&mut self, workers: usize, snapshot: &Arc<Snapshot>) -> io::Result<()> {
        for index in self.fleet.len()..workers {
            let (inbox, receiver) = mpsc::channel(INBOX_MESSAGES_MAX);
            let setup = Setup {
                snapshot: Arc::clone(snapshot),
                sockets: listeners::entrances(&self.listeners, index, workers)?,
                counters: self.fleet.counters(),
                log: self.log.as_ref().map(AccessLogWriter::handle),
                permits: self.permits.clone(),
                replay: self.replay.clone(),
                teller: self.quiet.teller(),
                inbox: receiver,
            };
            self.fleet.enlist(setup, inbox)?;
        }
        self.note_workers();
        Ok(())
    }

    /// Lets the status know who there is.
    pub(super) fn note_workers(&self) {
        self.status.workers.store(self.fleet.len(), Ordering::Relaxed);
        self.status.counters.store(Arc::new(self.fleet.all_counters()));
        self.connections.note_workers(self.fleet.asked());
    }

    /// Begins what runs beside the requests.
    fn begin_tasks(&self) {
        let served = Arc::downgrade(&self.status.tls);
        self.control.begin("certificates", move || certificates::watch(served.clone()));
        let status = Arc::downgrade(&self.status);
        self.control.begin("percentiles", move || percentiles::watch(status.clone()));
        let status = Arc::downgrade(&self.status);
        self.control.begin("watched", move || watched::watch(status.clone()));
        let status = Arc::downgrade(&self.status);
        self.control.begin("members", move || keepers::watch(status.clone()));
        let retired = Arc::downgrade(&self.status.retired);
        self.control.begin("retired", move || retired::watch(retired.clone()));
        self.begin_delivering();
    }

    /// The addresses that are listened on, in the order of the configuration.
    pub fn addresses(&self) -> impl Iterator<Item = &BoundAddress> {
        self.listeners.iter().map(OpenListener::address)
    }

    /// Where the process's status can be read, also after this is gone.
    pub fn status_source(&self) -> SharedStatusSource {
        Arc::clone(&self.status) as SharedStatusSource
    }

    /// Notes for whoever looks that another configuration is in force, or why it is not.
    pub fn note_reload(&self, problem: Option<String>) {
        match problem {
            None => self.status.configuration.note_done(since_epoch()),
            Some(problem) => self.status.configuration.note_refused(problem),
        }
    }

    /// The configuration in force, for people, also after this is gone.
    pub fn configuration_source(&self) -> SharedConfigurationSource {
        Arc::clone(&self.status) as SharedConfigurationSource
    }

    /// Connections that are open, for people, also after this is gone.
    pub fn connection_source(&self) -> SharedConnectionSource {
        Arc::clone(&self.connections) as SharedConnectionSource
    }

    /// Services and routes, for people, also after this is gone.
    pub fn site_source(&self) -> SharedSiteSource {
        Arc::clone(&self.status) as SharedSiteSource
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
        self.fleet.len()
    }

    /// Services of the configuration in force.
    pub fn services(&self) -> usize {
        self.status.snapshot().services.len()
    }

    /// How long what runs may take to end once it drains.
    pub fn drain_deadline(&self) -> Duration {
        self.drain.deadline
    }

    /// Waits until a worker has ended although nobody wanted it to go alone; `Died` is a reason to end the process.
    ///
    /// Cancel safe.
    pub async fn worker_ended(&mut self) -> Ended {
        self.fleet.one_ended().await
    }

    /// Lets somebody deliver from every queue from which nobody does yet.
    pub(super) fn begin_delivering(&self) {
        for (upstream, queue) in self.queues.begin_delivering() {
            let status = Arc::downgrade(&self.status);
            self.control.begin("deliveries", move || {
                let deliverer = Deliverer::new(status.clone(), upstream.clone());
                let queue = Arc::clone(&queue);
                async move { queue.run(Rc::new(deliverer)).await }
            });
        }
    }

    /// Asks every worker that accepts; one that is gone gives no answer.
    pub async fn inspect(&self, query: Query) -> Vec<Inspection> {
        self.fleet.inspect(query).await
    }

    /// Closes a client connection of a worker at once.
    pub async fn cut(&self, worker: usize, connection: super::inbox::ConnectionId) {
        if let Some(inbox) = self.fleet.inbox(worker) {
            // What it says is of no interest, and a worker that is gone has no connections.
            let (reply, _) = oneshot::channel();
            let _ = inbox.send(Message::Cut(connection, reply)).await;
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
        let idle = self.drain.idle;
        self.fleet.tell_all(|_| Message::Drain(idle)).await;
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
            count = self.fleet.all_ended() => return count,
            () = pause(deadline) => {}
        }
        self.fleet.tell_all(|_| Message::Stop).await;
        cut += self.fleet.all_ended().await;
        cut
    }

    /// Cuts everything at once and waits for the workers and the access log to end.
    pub async fn stop(mut self) -> usize {
        self.status.ready.store(false, Ordering::Relaxed);
        self.fleet.tell_all(|_| Message::Stop).await;
        let cut = self.fleet.all_ended().await;
        self.finish();
        cut
    }

    /// Waits for the threads, for what queues have to write and for the last lines of the access log. The workers must have ended.
    pub fn finish(mut self) {
        // Whoever delivers goes first; then what is still to be written to the files of queues is written.
        self.control.stop();
        self.queues.close();
        if let Some(log) = self.log.take()
            && !log.finish(LOG_FINISH_TIME)
        {
            tracing::warn!("the last lines of the access log could not be written in time");
        }
    }
}

pub(super) fn access_log(log: &AccessLog, counts: LogCounts) -> Result<Option<AccessLogWriter>, StartError> {
    let (AccessLog::On { target, .. } | AccessLog::Plain { target, .. }) = log else { return Ok(None) };
    AccessLogWriter::start_counting(target, counts)
        .map(Some)
        .map_err(|source| StartError::AccessLog { target: format!("{target:?}"), source })
}

/// How many workers a model wants.
pub fn worker_count(model: &Model) -> usize {
    model.workers.unwrap_or_else(cores).max(1)
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
