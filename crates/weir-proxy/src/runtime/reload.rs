//! From the configuration that is in force to the next one, while requests go on.
//!
//! Everything that can fail or takes long is done before ([`Standing::prepare`]), on a thread that serves nobody: sockets are
//! opened, files read, the snapshot built. What is left ([`Proxy::adopt`]) can't fail, and takes a worker as long as exchanging a few
//! pointers. So a configuration is in force wholly or not at all.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use weir_config::model::{Drain, Limits, ListenAddress, Model};
use weir_core::ports::reload::{Changed, ConfigurationChange, How};
use weir_upstream::io::deadline::now;
use weir_upstream::recruit::NamedServers;
use weir_upstream::upstream::Upstream;

use super::authentication::verifiers::Verifiers;
use super::build;
use super::certificates::{ListenerTls, Renewal};
use super::clock::time_of_day;
use super::fingerprint::Fingerprint;
use super::found;
use super::inbox::{Change, Message};
use super::listeners::{self, OpenListener, Unmanned};
use super::marks::{self, Marks, change};
use super::process::{FIND_TIME, LOG_FINISH_TIME, Proxy, access_log, worker_count};
use super::queues::{QueueError, Queues};
use super::snapshot::Snapshot;
use super::sockets::BoundAddress;
use super::start_error::StartError;
use super::upstreams;
use crate::access_log::{AccessLogWriter, LogCounts};
use crate::inbound::door::{Door, DoorId, Terms};

/// Why a configuration can't be put in use. Nothing has changed then.
#[derive(Debug)]
pub enum AdoptError {
    /// Something that it wants is not to be had.
    Start(StartError),
    /// A queue can't be had, or not as the configuration wants it.
    Queue(QueueError),
    /// It changes what stays for the life of the process.
    NeedsRestart(&'static str),
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Queue(error) => error.fmt(f),
            Self::NeedsRestart(key) => write!(
                f,
                "`{key}` is another than the one in use, and stays for as long as Weir runs\n\nhint: restart to use this \
                 configuration, or write the old `{key}` to use the rest of it now"
            ),
        }
    }
}

impl std::error::Error for AdoptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            Self::Queue(error) => Some(error),
            Self::NeedsRestart(_) => None,
        }
    }
}

impl From<StartError> for AdoptError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

/// What is in force, as far as the next configuration is held against it. It can be sent to another thread.
#[derive(Debug)]
pub struct Standing {
    snapshot: Arc<Snapshot>,
    marks: Arc<Marks>,
    verifiers: Arc<Verifiers>,
    queues: Queues,
    listeners: Vec<StandingListener>,
    workers: usize,
    log_counts: LogCounts,
}

#[derive(Debug)]
struct StandingListener {
    door: Arc<Door>,
    written: ListenAddress,
    address: BoundAddress,
    mark: Fingerprint,
}

/// A configuration that can be put in use.
#[derive(Debug)]
pub struct Prepared {
    snapshot: Arc<Snapshot>,
    marks: Arc<Marks>,
    /// In the order of the configuration.
    listeners: Vec<Wanted>,
    renewals: Vec<Renewal>,
    workers: usize,
    /// Where lines of the access log go, if that is new.
    log: Option<Option<AccessLogWriter>>,
    limits: Limits,
    drain: Drain,
    replay_bytes: usize,
    changes: Vec<ConfigurationChange>,
}

/// What has become of a configuration that was put in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// What it has changed.
    pub changes: Vec<ConfigurationChange>,
    /// How long a worker did nothing else for it at most.
    pub pause: Duration,
}

/// A listener under the new configuration.
#[derive(Debug)]
enum Wanted {
    /// One that is open; where something else is spoken from now on, what.
    Stays(DoorId, Fingerprint, Option<Terms>),
    /// One that was opened for it.
    New(Box<OpenListener>),
}

impl Prepared {
    /// What it changes.
    pub fn changes(&self) -> &[ConfigurationChange] {
        &self.changes
    }
}

impl Standing {
    /// Whether clients are accepted at this address, as it is written.
    pub fn listens_at(&self, address: &ListenAddress) -> bool {
        self.listeners.iter().any(|known| known.written == *address)
    }

    /// Makes everything ready for a configuration. Blocks, for as long as files and the system take.
    ///
    /// # Errors
    /// See [`AdoptError`].
    pub fn prepare(self, model: &Model) -> Result<Prepared, AdoptError> {
        let marks = Arc::new(Marks::of(model));
        for key in ["state", "metrics"] {
            if !marks.has_same(&self.marks, key) {
                return Err(AdoptError::NeedsRestart(key));
            }
        }
        let mut changes = Vec::new();
        let (listeners, renewals) = self.listeners(model, &mut changes)?;
        let log = match marks.has_same(&self.marks, "access_log") {
            true => None,
            false => Some(access_log(&model.access_log, self.log_counts.clone())?),
        };
        // Last of what can fail, because queues that are open get other bounds.
        self.queues.prepare(model).map_err(AdoptError::Queue)?;
        let snapshot = Arc::new(build::successor(model, &self.verifiers, &self.queues, &self.snapshot));
        found::find(&self.strangers(&snapshot), &snapshot.resolver, now() + FIND_TIME);
        changes.extend(marks::changes((&self.marks, &self.snapshot), (&marks, &snapshot)));
        self.unlisted(&marks, &snapshot, &mut changes);
        Ok(Prepared {
            snapshot,
            marks,
            listeners,
            renewals,
            workers: worker_count(model),
            log,
            limits: model.limits,
            drain: model.drain,
            replay_bytes: model.replay.total_bytes,
            changes,
        })
    }

    /// Names whose servers nobody knows yet.
    fn strangers(&self, snapshot: &Snapshot) -> Vec<(Arc<Upstream>, NamedServers)> {
        let known: HashMap<_, _> = self.snapshot.upstreams.iter().map(|it| (&*it.name, it)).collect();
        let is_known = |upstream: &Upstream, servers: &NamedServers| {
            let before = known.get(&*upstream.name);
            before.is_some_and(|before| before.named.iter().any(|it| it.written() == servers.written()))
        };
        let all = snapshot.upstreams.iter();
        let all = all.flat_map(|upstream| upstream.named.iter().map(move |servers| (upstream, servers)));
        let strange = all.filter(|(upstream, servers)| !is_known(upstream, servers));
        strange.map(|(upstream, servers)| (Arc::clone(upstream), servers.clone())).collect()
    }

    /// Changes that fingerprints of things with names do not show.
    fn unlisted(&self, marks: &Marks, snapshot: &Snapshot, changes: &mut Vec<ConfigurationChange>) {
        let known: HashMap<_, _> = self.snapshot.upstreams.iter().map(|it| (&*it.name, it)).collect();
        for upstream in &snapshot.upstreams {
            let is_told = changes.iter().any(|it| it.what == Changed::Upstream && *it.name == *upstream.name);
            // Its inventory has other servers.
            if !is_told && known.get(&*upstream.name).is_some_and(|known| !Arc::ptr_eq(known, upstream)) {
                changes.push(change(Changed::Upstream, How::Changed, upstream.name.to_string()));
            }
        }
        let is_new = |it: &ConfigurationChange| !matches!(it.what, Changed::Listener | Changed::Certificates);
        if *marks != *self.marks && !changes.iter().any(is_new) {
            changes.push(change(Changed::Setting, How::Changed, "order of services or routes".to_owned()));
        }
    }

    /// Which listeners stay, what is spoken there, and which are new.
    fn listeners(
        &self,
        model: &Model,
        changes: &mut Vec<ConfigurationChange>,
    ) -> Result<(Vec<Wanted>, Vec<Renewal>), AdoptError> {
        let mut left: VecDeque<&StandingListener> = self.listeners.iter().collect();
        let known: Vec<_> = model
            .listen
            .iter()
            .map(|listen| {
                let place = left.iter().position(|known| known.written == listen.address)?;
                left.remove(place)
            })
            .collect();
        let gone_ports: Vec<u16> = left.iter().filter_map(|gone| gone.address.port()).collect();
        let (mut wanted, mut renewals) = (Vec::new(), Vec::new());
        for (listen, known) in model.listen.iter().zip(known) {
            let Some(known) = known else {
                let is_ours = listen.address.port().is_some_and(|port| gone_ports.contains(&port));
                let opened = OpenListener::open(listen, self.workers.max(worker_count(model)), is_ours)?;
                changes.push(change(Changed::Listener, How::Added, opened.address().to_string()));
                wanted.push(Wanted::New(Box::new(opened)));
                continue;
            };
            let mark = Fingerprint::of(listen);
            let terms = if mark == known.mark {
                let tls = known.door.terms.load().tls.clone();
                let renewal = tls.map(|tls| ListenerTls::renewal(&tls, time_of_day())).transpose();
                if let Some(renewal) = renewal.map_err(StartError::Certificates)?.flatten() {
                    let address = known.address.to_string();
                    changes.push(change(Changed::Certificates, How::Changed, address));
                    renewals.push(renewal);
                }
                None
            } else {
                changes.push(change(Changed::Listener, How::Changed, known.address.to_string()));
                Some(listeners::terms(listen, &known.address)?)
            };
            wanted.push(Wanted::Stays(known.door.id, mark, terms));
        }
        let gone = left.iter().map(|gone| change(Changed::Listener, How::Removed, gone.address.to_string()));
        changes.extend(gone);
        Ok((wanted, renewals))
    }
}

impl Proxy {
    /// What is in force, for [`Standing::prepare`]. What was prepared must be adopted before the next one is.
    pub fn standing(&self) -> Standing {
        let listeners = self.listeners.iter().map(|open| StandingListener {
            door: Arc::clone(&open.door),
            written: open.written.clone(),
            address: open.address().clone(),
            mark: open.mark,
        });
        Standing {
            snapshot: self.status.snapshot(),
            marks: Arc::clone(&self.marks),
            verifiers: Arc::clone(&self.verifiers),
            queues: self.queues.clone(),
            listeners: listeners.collect(),
            workers: self.fleet.len(),
            log_counts: self.status.log.clone(),
        }
    }

    /// Puts a configuration in use: requests that begin from now on, also on connections that are open, go where it says; those
    /// that run end under the one they began with. Returns when every worker uses it. What it
    /// has changed.
    ///
    /// What is unchanged keeps its connections, its pools, its health and its counters. A listener that is gone accepts who waits
    /// in its queue and asks who came in to leave (`semantics.md` §4.3); nobody is cut. So does a worker that is one too many.
    pub async fn adopt(&mut self, prepared: Prepared) -> Adopted {
        let Prepared { snapshot, marks, listeners, renewals, workers, log, limits, drain, .. } = prepared;
        let (replay_bytes, changes) = (prepared.replay_bytes, prepared.changes);
        renewals.into_iter().for_each(Renewal::serve);
        let is_same = *marks == *self.marks && changes.iter().all(|it| it.what == Changed::Certificates);
        if is_same && self.unmanned.is_empty() {
            return Adopted { changes, pause: Duration::ZERO };
        }
        self.publish(&snapshot);
        self.marks = marks;
        self.drain = drain;
        self.permits.resize(&limits);
        self.replay.resize(replay_bytes);
        let (new, gone) = self.rearrange(listeners);
        // Before workers are told: each has a descriptor of its own until it has accepted what waits, and with the last one the
        // system stops queueing. One that was held for longer would have it fill queues that nobody empties any more.
        let closing: Vec<DoorId> = gone.iter().map(|gone| gone.door.id).collect();
        drop(gone);
        let log_is_new = log.is_some();
        let old_log = log.and_then(|log| std::mem::replace(&mut self.log, log));
        let before = self.fleet.len();
        // Those who come first, so that no socket is without somebody who accepts.
        let mut now_there = workers;
        if let Err(error) = self.grow_by(before, workers, &snapshot) {
            tracing::error!(%error, "no more workers can be started; those that run serve on");
            // Some of the sockets were meant for those that are not there.
            now_there = before;
        }
        let pause = self.tell_of_change(&snapshot, (before, now_there), &new, &closing, log_is_new).await;
        self.fleet.dismiss(now_there, self.drain.idle).await;
        self.note_workers();
        if let Some(log) = old_log {
            // It may have to wait for a slow disk.
            drop(std::thread::Builder::new().name("access-log-end".to_owned()).spawn(move || {
                if !log.finish(LOG_FINISH_TIME) {
                    tracing::warn!("the last lines of the old access log could not be written in time");
                }
            }));
        }
        Adopted { changes, pause }
    }

    /// The snapshot that counts from now on.
    fn publish(&self, snapshot: &Arc<Snapshot>) {
        let before = {
            // Whoever changes members, or looks at them, does it before or after.
            let _members = self.status.members.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.status.snapshot();
            upstreams::take_over(snapshot, &before);
            upstreams::adopt_policy_groups(snapshot, Some(&before));
            self.status.snapshot.store(Arc::clone(snapshot));
            before
        };
        self.status.published.notify_one();
        self.begin_delivering();
        self.status.retired.add(before);
    }

    /// Brings the listeners into their new order. Which ones are new, and those that are gone.
    fn rearrange(&mut self, wanted: Vec<Wanted>) -> (Vec<DoorId>, Vec<OpenListener>) {
        let mut known: HashMap<DoorId, OpenListener> =
            self.listeners.drain(..).map(|open| (open.door.id, open)).collect();
        let mut new = Vec::new();
        for wanted in wanted {
            match wanted {
                Wanted::New(open) => {
                    new.push(open.door.id);
                    self.listeners.push(*open);
                }
                Wanted::Stays(id, mark, terms) => {
                    // It was there when this was prepared.
                    let Some(mut open) = known.remove(&id) else { continue };
                    open.mark = mark;
                    if let Some(terms) = terms {
                        open.door.terms.store(Arc::new(terms));
                    }
                    self.listeners.push(open);
                }
            }
        }
        self.status.listeners.store(Arc::new(listeners::addresses(&self.listeners)));
        self.status.tls.store(Arc::new(listeners::served(&self.listeners)));
        (new, known.into_values().collect())
    }

    /// Starts the workers that are missing.
    fn grow_by(&mut self, before: usize, workers: usize, snapshot: &Arc<Snapshot>) -> std::io::Result<()> {
        if workers > before { self.grow(workers, snapshot) } else { Ok(()) }
    }

    /// Tells every worker, and waits until all have done it. How long one of them did nothing else at most.
    async fn tell_of_change(
        &mut self,
        snapshot: &Arc<Snapshot>,
        (before, workers): (usize, usize),
        new: &[DoorId],
        closing: &[DoorId],
        log_is_new: bool,
    ) -> Duration {
        let (mut done, mut unmanned) = (Vec::new(), Vec::new());
        let message = |index: Option<usize>| {
            let (told, has_done) = oneshot::channel();
            done.push(has_done);
            let index = index.filter(|index| *index < before);
            let served = |workers: usize, listener: &OpenListener| -> Vec<usize> {
                let own = index.filter(|index| *index < workers);
                own.map_or_else(Vec::new, |own| listener.listener.numbers_for(own, workers).collect())
            };
            let (mut open, mut hand_over) = (Vec::new(), Vec::new());
            for listener in &self.listeners {
                let is_new = new.contains(&listener.door.id);
                let (after, before) = (served(workers, listener), served(before, listener));
                let before = if is_new { &[][..] } else { &before };
                // Without an index nothing is served.
                let place =
                    |number| Unmanned { door: listener.door.id, number, worker: index.unwrap_or_default() };
                let has = |number| before.contains(&number) && !self.unmanned.contains(&place(number));
                for number in after.iter().copied().filter(|number| !has(*number)) {
                    match listener.entrance(number) {
                        Ok(entrance) => open.push(entrance),
                        Err(error) => {
                            let address = listener.address();
                            tracing::error!(%error, %address, "a worker can't have a socket; the next reload tries again");
                            unmanned.push(place(number));
                        }
                    }
                }
                let handed = before.iter().filter(|number| !after.contains(number));
                hand_over.extend(handed.map(|number| (listener.door.id, *number)));
            }
            Message::Change(Change {
                snapshot: Arc::clone(snapshot),
                open,
                hand_over,
                close: closing.to_vec(),
                idle: self.drain.idle,
                log: log_is_new.then(|| self.log.as_ref().map(AccessLogWriter::handle)),
                done: told,
            })
        };
        self.fleet.tell_all(message).await;
        self.unmanned = unmanned;
        let mut pause = Duration::ZERO;
        for done in done {
            // One that is gone has nothing to do.
            pause = pause.max(done.await.unwrap_or_default());
        }
        pause
    }
}
