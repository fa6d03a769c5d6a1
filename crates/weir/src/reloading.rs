//! Reading the configuration again while the proxy runs: who asks for it, one at a time, and what becomes of it.
//!
//! Whoever asks while one is under way waits for the next one together with all others that wait, and the file is read after the
//! last of them has asked: so the last word counts, and a thousand calls are two readings. Everything slow happens on threads that
//! block; the control thread only exchanges what is ready.

use std::path::PathBuf;
use std::time::Instant;

use tokio::task::{JoinHandle, spawn_blocking};
use weir_config::model::{Admin, Drain, ListenAddress, Model, OperationalLog};
use weir_config::{LoadError, Loaded};
use weir_core::ports::reload::{CHANGES_TOLD_MAX, ReloadError, Reloaded};
use weir_core::ports::upgrade::NewProcess;
use weir_policy::plane::{PolicyPrepared, PolicyStanding};
use weir_proxy::runtime::inherited::Inherited;
use weir_proxy::runtime::reload::{Adopted, Prepared, Standing};
use weir_proxy::runtime::sockets::BoundAddress;

use crate::logging;
use crate::output;
use crate::policy_listeners;
use crate::reload_requests::{Reply, since_epoch};
use crate::systemd::{self, Notifier};
use crate::watching::{WatchedFile, Watcher};
use crate::wiring::{AdminBound, Weir, bind_admin};

/// Reads the configuration again whenever somebody asks.
#[derive(Debug)]
pub(crate) struct Reloader {
    file: WatchedFile,
    /// Those who wait for the one after the one under way.
    waiting: Vec<Reply>,
    /// Whether somebody who waits for no answer wants another one.
    is_wanted: bool,
    under_way: Option<UnderWay>,
    /// Whether the next one waits, because another process is being started.
    is_held: bool,
    admin: Admin,
    generation: u64,
    /// Whoever looks whether the file has changed, where that is wanted.
    watcher: Option<Watcher>,
    notifier: Notifier,
}

#[derive(Debug)]
struct UnderWay {
    begun: Instant,
    replies: Vec<Reply>,
    preparing: JoinHandle<Result<Ready, ReloadError>>,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// The file has changed.
    Changed,
    /// What was under way can be put in use, or can't.
    Ready(Box<Result<Ready, ReloadError>>),
}

/// A configuration of which nothing can fail any more.
#[derive(Debug)]
pub(crate) struct Ready {
    prepared: Prepared,
    policy: PolicyPrepared,
    drain: Drain,
    admin: Admin,
    watch: bool,
    log: OperationalLog,
    /// The admin listener, where that is another one; `None` in it for none.
    bound: Option<Option<AdminBound>>,
    warnings: Vec<String>,
}

impl Reloader {
    /// Reads this file, of which this model was made, and tells this one when it does.
    pub(crate) fn new(file: WatchedFile, model: &Model, notifier: Notifier) -> Self {
        let watcher = model.watch.then(|| Watcher::begin(file.clone()));
        let admin = model.admin.clone();
        Self {
            file,
            waiting: Vec::new(),
            is_wanted: false,
            under_way: None,
            is_held: false,
            admin,
            generation: 1,
            watcher,
            notifier,
        }
    }

    /// Waits until something is to be done: the file has changed, or what is under way can be put in use, or can't. Cancel safe.
    pub(crate) async fn next(&mut self) -> Step {
        let Self { watcher, under_way, .. } = self;
        tokio::select! {
            () = changed(watcher.as_mut()) => Step::Changed,
            ready = ready(under_way.as_mut()) => Step::Ready(Box::new(ready)),
        }
    }

    /// Somebody wants the file to be read; with a reply to know what became of it.
    pub(crate) fn want(&mut self, reply: Option<Reply>, weir: &Weir) {
        self.waiting.extend(reply);
        self.is_wanted = true;
        self.begin(weir);
    }

    /// Whether a configuration is being made ready.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether somebody waits for the next one.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Lets those who ask from now on wait.
    pub(crate) fn hold(&mut self) {
        self.is_held = true;
    }

    /// Nobody waits any more.
    pub(crate) fn go_on(&mut self, weir: &Weir) {
        self.is_held = false;
        self.begin(weir);
    }

    /// Tells those who wait that another process is in charge.
    pub(crate) fn leave_to(&mut self, process: &NewProcess) {
        for reply in self.waiting.drain(..) {
            let reason = format!(
                "process {} has taken charge meanwhile, and reads the configuration again\n\nhint: ask again to hear what becomes of it",
                process.pid
            );
            // Whoever asked may have gone.
            let _ = reply.send(Err(ReloadError::Refused(reason)));
        }
    }

    /// Begins the next one, if somebody wants it, none is under way and nothing keeps it.
    fn begin(&mut self, weir: &Weir) {
        if !self.is_wanted || self.is_held || self.under_way.is_some() {
            return;
        }
        self.is_wanted = false;
        self.notifier.reloading();
        self.file = WatchedFile::before_reading(self.file.path.clone());
        let admin = (self.admin.clone(), weir.admin.as_ref().map(|admin| admin.address.clone()));
        let standing = (weir.proxy.standing(), weir.policy.plane.standing());
        let work = prepare(self.file.path.clone(), standing, admin);
        self.under_way = Some(UnderWay {
            begun: now(),
            replies: std::mem::take(&mut self.waiting),
            preparing: tokio::spawn(work),
        });
    }

    /// Puts in use what is ready, tells everybody who asked, and begins the next one if somebody wants it.
    pub(crate) async fn settle(&mut self, ready: Result<Ready, ReloadError>, weir: &mut Weir) {
        let Some(UnderWay { begun, replies, .. }) = self.under_way.take() else { return };
        let outcome = match ready {
            Ok(ready) => Ok(self.adopt(ready, begun, weir).await),
            Err(error) => Err(error),
        };
        self.tell(&outcome);
        weir.proxy.note_reload(outcome.as_ref().err().map(ToString::to_string));
        weir.reloads.note(outcome.is_ok(), self.generation, since_epoch());
        self.notifier.ready(&systemd::reloaded(weir, outcome.as_ref().err()));
        for reply in replies {
            // Whoever asked may have gone.
            let _ = reply.send(outcome.clone());
        }
        self.begin(weir);
    }

    async fn adopt(&mut self, ready: Ready, begun: Instant, weir: &mut Weir) -> Reloaded {
        let Ready { prepared, policy, drain, admin, watch, log, bound, warnings } = ready;
        logging::follow(&log);
        let Adopted { changes: others, pause } = weir.proxy.adopt(prepared).await;
        let mut changes = weir.policy.adopt(policy, drain);
        changes.extend(others);
        if let Some(bound) = bound {
            weir.exchange_admin(bound, &admin);
        } else if let Some(listener) = &weir.admin {
            listener.admit(&admin);
        }
        self.admin = admin;
        if watch != self.watcher.is_some() {
            self.watcher = watch.then(|| Watcher::begin(self.file.clone()));
        }
        self.generation += u64::from(!changes.is_empty());
        let changes_total = changes.len();
        changes.truncate(CHANGES_TOLD_MAX);
        Reloaded { generation: self.generation, took: now() - begun, pause, changes, changes_total, warnings }
    }

    /// Tells whoever reads the log.
    fn tell(&self, outcome: &Result<Reloaded, ReloadError>) {
        let file = self.file.path.display();
        match outcome {
            Ok(reloaded) if reloaded.changes.is_empty() => {
                tracing::info!(%file, "the configuration was read again, and says nothing new");
            }
            Ok(reloaded) => {
                for change in &reloaded.changes {
                    let (what, how, name) = (change.what.name(), change.how.name(), &*change.name);
                    tracing::debug!(what, how, name, "a change of the configuration");
                }
                let (took, pause) = (reloaded.took, reloaded.pause);
                tracing::info!(%file, changes = reloaded.changes_total, ?took, ?pause, "another configuration is in use");
            }
            Err(ReloadError::Invalid { text, .. }) => {
                tracing::error!(%file, "the configuration has errors; the one in use stays");
                output::message(text);
            }
            Err(error) => {
                let text = error.to_string();
                let (reason, hint) =
                    text.split_once("\n\nhint: ").map_or((&*text, None), |(r, h)| (r, Some(h)));
                tracing::error!(%file, reason, hint, "the configuration can't be used; the one in use stays");
            }
        }
    }
}

async fn changed(watcher: Option<&mut Watcher>) {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}

async fn ready(under_way: Option<&mut UnderWay>) -> Result<Ready, ReloadError> {
    match under_way {
        Some(under_way) => (&mut under_way.preparing).await.unwrap_or_else(|error| {
            Err(ReloadError::Refused(format!("the configuration could not be prepared: {error}")))
        }),
        None => std::future::pending().await,
    }
}

/// Does everything that can fail or takes long.
async fn prepare(
    file: PathBuf,
    (standing, policy): (Standing, PolicyStanding),
    (admin, bound): (Admin, Option<BoundAddress>),
) -> Result<Ready, ReloadError> {
    let loaded = blocking(move || weir_config::load(&file)).await?;
    let Loaded { model, warnings } = loaded.map_err(unusable)?;
    let warnings = warnings.to_string();
    let warnings = if warnings.is_empty() { Vec::new() } else { vec![warnings] };
    let (new_admin, watch) = (model.admin.clone(), model.watch);
    let bound = match another(&new_admin, &admin, bound.as_ref()) {
        true => {
            let bound = bind_admin(&new_admin, &mut Inherited::default());
            Some(bound.map_err(|error| ReloadError::Refused(error.to_string()))?)
        }
        false => None,
    };
    let (log, drain) = (model.log.clone(), model.drain);
    let prepared = blocking(move || {
        let policy = policy_listeners::prepare(policy, &standing, &model)?;
        let prepared = standing.prepare(&model).map_err(|error| error.to_string())?;
        Ok((prepared, policy))
    });
    let (prepared, policy) = prepared.await?.map_err(ReloadError::Refused)?;
    Ok(Ready { prepared, policy, drain, admin: new_admin, watch, log, bound, warnings })
}

/// Whether the admin listener is to be another one than that which is there.
fn another(new: &Admin, old: &Admin, bound: Option<&BoundAddress>) -> bool {
    let Some(address) = wanted(new) else { return *old != Admin::Off };
    // A default that was written out is the same address; one that was taken may be free now.
    match (bound, wanted(old)) {
        (Some(bound), Some(old)) => old != address && *bound != address,
        _ => true,
    }
}

/// Where it is to be.
fn wanted(admin: &Admin) -> Option<BoundAddress> {
    match admin {
        Admin::Off => None,
        Admin::Default(address) => Some(BoundAddress::Tcp(*address)),
        Admin::At(written) => Some(match &written.address {
            ListenAddress::Tcp(address) => BoundAddress::Tcp(*address),
            ListenAddress::Unix(path) => BoundAddress::Unix(path.clone()),
        }),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReloadError> {
    spawn_blocking(work)
        .await
        .map_err(|error| ReloadError::Refused(format!("the configuration could not be prepared: {error}")))
}

fn unusable(error: LoadError) -> ReloadError {
    match error {
        LoadError::Read { .. } => ReloadError::Unreadable(error.to_string()),
        LoadError::Invalid(report) => {
            ReloadError::Invalid { text: report.to_string(), json: report.to_json().to_string() }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it is told how long a reload took")]
fn now() -> Instant {
    Instant::now()
}
