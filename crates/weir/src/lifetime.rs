//! From the start of a proxy to its end: what signals do to it, and what it says at the end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::interval;
use weir_config::model::Model;
use weir_core::ports::SharedStatusSource;
use weir_core::ports::reload::ReloadError;
use weir_core::ports::upgrade::NewProcess;
use weir_proxy::Proxy;

use crate::debug::Shown;
use crate::failure::Failure;
use crate::policy_listeners::PolicyListeners;
use crate::reloading::{Reloader, Step};
use crate::signals::{Signal, Signals};
use crate::systemd::{self, Notifier, Watchdog};
use crate::upgrade::{Asked, Charge, Event, Link, Succession, Upgrades};
use crate::watching::WatchedFile;
use crate::wiring::Weir;

/// How long what comes after the drain takes at most: the last answers of the admin listener, files of queues, lines of the log.
const END_TIME: Duration = Duration::from_secs(10);

/// How often a service manager is told how many connections are left.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// Runs a future on the control thread's runtime, which is this thread.
///
/// # Errors
/// The future's own, and when the system gives no runtime.
pub(crate) fn on_control_thread(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Running(format!("the control thread can't be started: {error}")))?;
    runtime.block_on(work)
}

/// The same with something that fails in its own way.
///
/// # Errors
/// When the system gives no runtime.
pub(crate) fn on_control_thread_with<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let mut done = None;
    on_control_thread(async {
        done = Some(work.await);
        Ok(())
    })?;
    done.ok_or_else(|| Failure::Running("the control thread has ended".to_owned()))
}

/// Starts what a model asks for and runs it until a signal ends it.
///
/// # Errors
/// It could not start, or a worker died.
pub(crate) async fn run(model: &Model) -> Result<(), Failure> {
    run_with(model, Extras::default()).await
}

/// Goes on where the process before has ended: with who has registered there, and with the configuration that was wanted meanwhile.
fn take_over(weir: &Weir, reloader: &mut Option<Reloader>, charge: &Charge) {
    weir.policy.plane.restore(&charge.registered);
    weir.policy.plane.begin();
    if let Some(reloader) = reloader.as_mut().filter(|_| charge.reads_again) {
        reloader.want(None, weir);
    }
}

/// What some commands want beside the usual.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Said when everything has started: what becomes of requests.
    pub(crate) introduction: Option<String>,
    /// After this it ends by itself, as at a signal.
    pub(crate) stop_after: Option<Duration>,
    /// Whether the servers with their states are shown every second.
    pub(crate) debug: bool,
    /// The file that the model was made of, which can be read again.
    pub(crate) file: Option<WatchedFile>,
}

/// The same with extras.
///
/// # Errors
/// See [`run`].
pub(crate) async fn run_with(model: &Model, extras: Extras) -> Result<(), Failure> {
    let mut signals = listen()?;
    let (succession, legacy) = match Succession::receive()? {
        Some(Succession { link, legacy }) => (Some(link), legacy),
        None => (None, systemd::legacy(systemd::receive(), model)),
    };
    let mut upgrades = Upgrades::new();
    let control = Arc::new(upgrades.counter());
    let mut weir = Weir::start_after(model, legacy, extras.file.is_some(), Some(control)).await?;
    let notifier = Notifier::of_environment();
    let mut reloader = extras.file.map(|file| Reloader::new(file, model, notifier.clone()));
    announce(&weir);
    match succession.map(Link::take_charge) {
        None => {
            weir.policy.plane.begin();
            notifier.ready(&systemd::serving(&weir));
        }
        Some(Ok(charge)) => {
            take_over(&weir, &mut reloader, &charge);
            notifier.in_charge(&systemd::serving(&weir));
        }
        Some(Err(failure)) => {
            weir.proxy.stop().await;
            return Err(failure);
        }
    }
    let watching = Watchdog::of_environment().filter(|_| notifier.is_heard());
    let watching = watching.map(|it| it.watch(notifier.clone(), weir.proxy.status_source()));
    if let Some(introduction) = extras.introduction {
        tracing::info!("{introduction}");
    }
    let shown = extras.debug.then(|| Shown::begin(weir.proxy.status_source()));
    let wishes = Wishes { reloader, upgrades: &mut upgrades, notifier: &notifier };
    let ended = until_signal(&mut weir, &mut signals, wishes, extras.stop_after).await;
    // What is said while draining has the terminal for itself.
    if let Some(shown) = shown {
        shown.end().await;
    }
    match ended {
        Ended::Signal => {
            upgrades.give_up().await;
            end(weir, &mut signals, &notifier).await
        }
        Ended::Replaced(process) => {
            // From now on all that is told is about that one.
            drop((watching, notifier));
            upgrades.done(&process);
            end_beside(weir, &process, &mut signals).await
        }
        Ended::Worker => {
            notifier.status("a worker died, so the process ends");
            Err(worker_died(weir).await)
        }
    }
}

/// Begins to listen for signals; before anything is announced, so that a signal that follows the announcement counts.
pub(crate) fn listen() -> Result<Signals, Failure> {
    Signals::listen().map_err(|error| Failure::Running(format!("signals can't be listened to: {error}")))
}

fn announce(weir: &Weir) {
    for address in weir.proxy.addresses() {
        tracing::info!(%address, "listening");
    }
    for address in weir.policy.plane.addresses() {
        tracing::info!(%address, protocol = "policy", "listening");
    }
    if let Some(admin) = &weir.admin {
        tracing::info!(address = %admin.address, "admin listening");
    }
    if let Some(metrics) = &weir.metrics {
        tracing::info!(address = %metrics.address, "metrics listening");
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), workers = weir.proxy.workers(), "started");
}

/// Why it does not go on.
enum Ended {
    /// Somebody wants it to end.
    Signal,
    /// A worker died (`semantics.md` §4.2).
    Worker,
    /// Another process is in charge.
    Replaced(NewProcess),
}

/// Who does what somebody may want while it runs.
struct Wishes<'a> {
    reloader: Option<Reloader>,
    upgrades: &'a mut Upgrades,
    notifier: &'a Notifier,
}

/// Serves until somebody wants it to end, or it can't go on.
async fn until_signal(
    weir: &mut Weir,
    signals: &mut Signals,
    Wishes { mut reloader, upgrades, notifier }: Wishes<'_>,
    stop_after: Option<Duration>,
) -> Ended {
    let mut over = pin!(pass(stop_after));
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            event = upgrades.next() => match replaced(weir, (&mut reloader, upgrades), event, notifier).await {
                Some(process) => return Ended::Replaced(process),
                None => continue,
            },
            () = &mut over => {
                tracing::info!("the time to stop after is over");
                Signal::Drain
            }
            () = weir.drain.made() => Signal::Drain,
            _ = weir.proxy.worker_ended() => return Ended::Worker,
            reply = weir.reloads.next() => {
                if let Some(reloader) = &mut reloader {
                    reloader.want(Some(reply), weir);
                }
                continue;
            }
            step = step(&mut reloader) => {
                if let Some(reloader) = &mut reloader {
                    match step {
                        Step::Changed => reloader.want(None, weir),
                        Step::Ready(ready) => reloader.settle(*ready, weir).await,
                    }
                }
                if let Some(asked) = upgrades.whoever_waits() {
                    upgrade(weir, (&mut reloader, upgrades), asked, notifier);
                }
                continue;
            }
        };
        match signal {
            Signal::Stop | Signal::Drain => return Ended::Signal,
            Signal::ReopenLogs => {
                weir.proxy.reopen_logs();
                tracing::info!("log files are opened anew");
            }
            Signal::Reload => match &mut reloader {
                Some(reloader) => reloader.want(None, weir),
                None => {
                    tracing::warn!("there is no configuration file to read again");
                    // Whoever has sent the signal may wait for an end of it.
                    notifier.reloading();
                    notifier.ready(&systemd::reloaded(weir, Some(&ReloadError::NoFile)));
                }
            },
            Signal::Replace => upgrade(weir, (&mut reloader, upgrades), None, notifier),
        }
    }
}

/// Begins to replace this process, or lets that wait until the configuration that is being read is in use or refused. No other one
/// is read meanwhile: the new process reads the file itself, and gets the sockets that there are now.
fn upgrade(
    weir: &Weir,
    (reloader, upgrades): (&mut Option<Reloader>, &mut Upgrades),
    asked: Option<Asked>,
    notifier: &Notifier,
) {
    match reloader {
        Some(reloader) if reloader.is_under_way() => {
            reloader.hold();
            upgrades.wait(asked);
        }
        _ => {
            let is_signal = asked.is_none();
            if let Err(error) = upgrades.begin(weir, asked)
                && is_signal
            {
                // Who sends signals has no answer, and may look there for one.
                notifier.status(&systemd::not_replaced(weir, &error));
            }
            settle(weir, (reloader, upgrades));
        }
    }
}

/// Lets configurations be read unless a new process is being started.
fn settle(weir: &Weir, (reloader, upgrades): (&mut Option<Reloader>, &mut Upgrades)) {
    if let Some(reloader) = reloader {
        match upgrades.is_under_way() {
            true => reloader.hold(),
            false => reloader.go_on(weir),
        }
    }
}

/// The process that is in charge from now on, if one has become ready.
async fn replaced(
    weir: &Weir,
    (reloader, upgrades): (&mut Option<Reloader>, &mut Upgrades),
    event: Event,
    notifier: &Notifier,
) -> Option<NewProcess> {
    let ended = match event {
        Event::Asked(asked) => {
            upgrade(weir, (reloader, upgrades), Some(asked), notifier);
            return None;
        }
        Event::Ended(ended) => ended,
    };
    let farewell = |process: &NewProcess| notifier.succeeded_by(process.pid);
    let put_in_charge = match ended {
        Ok(successor) => {
            let plane = &weir.policy.plane;
            let reads_again = reloader.as_ref().is_some_and(Reloader::is_wanted);
            let done = successor.put_in_charge(&plane.close_registry(), reads_again, farewell).await;
            if done.is_err() {
                plane.reopen_registry();
            }
            done
        }
        Err(error) => Err(error),
    };
    match put_in_charge {
        Ok(process) => {
            if let Some(reloader) = reloader {
                reloader.leave_to(&process);
            }
            Some(process)
        }
        Err(error) => {
            upgrades.failed(weir, &error);
            let serving = systemd::serving(weir);
            notifier.status(&format!("the last upgrade failed, see the log; {serving}"));
            settle(weir, (reloader, upgrades));
            None
        }
    }
}

/// What is to be done next about another configuration.
async fn step(reloader: &mut Option<Reloader>) -> Step {
    match reloader {
        Some(reloader) => reloader.next().await,
        None => std::future::pending().await,
    }
}

/// Waits for so long; without a time, forever.
#[expect(clippy::disallowed_methods, reason = "somebody asked for an end at a moment; there is no event")]
async fn pass(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Stops what a worker that died has left behind. The failure that it was.
pub(crate) async fn worker_died(weir: Weir) -> Failure {
    weir.proxy.stop().await;
    Failure::Running("a worker died, so the process ends".to_owned())
}

/// Drains and says how that went.
pub(crate) async fn end(weir: Weir, signals: &mut Signals, notifier: &Notifier) -> Result<(), Failure> {
    tracing::info!("draining; a second signal stops at once");
    notifier.stopping(weir.proxy.drain_deadline() + END_TIME, "draining");
    let Weir { proxy, admin, metrics, policy, reloads, .. } = weir;
    // Whoever waits for another configuration is told that there will be none.
    drop(reloads);
    let status = proxy.status_source();
    let cut = tokio::select! {
        cut = drain(proxy, policy, signals) => cut,
        never = tell_what_is_left(notifier, status) => match never {},
    };
    // Last, so that readiness could be asked for until the end.
    for listener in [admin, metrics].into_iter().flatten() {
        listener.stop().await;
    }
    match cut {
        0 => tracing::info!(connections_cut = 0, "stopped"),
        cut => tracing::warn!(connections_cut = cut, "stopped"),
    }
    Ok(())
}

/// Tells a service manager how many connections are left, until nobody wants to know.
async fn tell_what_is_left(notifier: &Notifier, status: SharedStatusSource) -> Infallible {
    if !notifier.is_heard() {
        return std::future::pending().await;
    }
    let mut times = interval(TELL_INTERVAL);
    let mut told = None;
    loop {
        times.tick().await;
        let left = status.status().connections_open;
        if told.replace(left) != Some(left) {
            let connections = if left == 1 { "connection" } else { "connections" };
            notifier.status(&format!("draining: {left} {connections} left"));
        }
    }
}

/// Ends beside a process that is in charge, and says how that went.
async fn end_beside(weir: Weir, process: &NewProcess, signals: &mut Signals) -> Result<(), Failure> {
    tracing::info!(pid = process.pid, version = process.version, "another process is in charge; draining");
    let Weir { mut proxy, mut policy, admin, metrics, reloads, .. } = weir;
    // At once: the other one knows who has registered, and waits for who comes next.
    policy.begin_handover();
    proxy.begin_drain().await;
    // Whoever still waits for another configuration is told that there will be none.
    drop(reloads);
    // Whoever asks from now on asks the other one, which has the same sockets.
    for listener in [admin, metrics].into_iter().flatten() {
        listener.leave().await;
    }
    let in_order = async { tokio::join!(proxy.drained_beside_successor(), policy.drained()).0 };
    let remains = tokio::select! {
        remains = in_order => Some(remains),
        () = impatience(signals) => None,
    };
    let also_cut = policy.plane.stop().await;
    let (connections_cut, writes_lost) = match remains {
        Some(remains) => {
            proxy.finish();
            (also_cut + remains.connections, remains.writes)
        }
        None => {
            let writes = proxy.writes_in_memory();
            (also_cut + proxy.stop().await, writes)
        }
    };
    match (connections_cut, writes_lost) {
        (0, 0) => tracing::info!(connections_cut, "stopped"),
        (_, 0) => tracing::warn!(connections_cut, "stopped"),
        _ => tracing::warn!(connections_cut, writes_lost, "stopped"),
    }
    Ok(())
}

/// Drains, and cuts what is left after the deadline or at a second TERM or INT. Returns how many connections were cut.
async fn drain(mut proxy: Proxy, mut policy: PolicyListeners, signals: &mut Signals) -> usize {
    let in_order = async {
        proxy.begin_drain().await;
        policy.begin_drain();
        tokio::join!(proxy.drained(), policy.drained()).0
    };
    let drained = tokio::select! {
        cut = in_order => Some(cut),
        () = impatience(signals) => None,
    };
    let also_cut = policy.plane.stop().await;
    also_cut
        + match drained {
            Some(cut) => {
                proxy.finish();
                cut
            }
            None => proxy.stop().await,
        }
}

/// Waits until somebody wants a process that drains to stop at once.
async fn impatience(signals: &mut Signals) {
    loop {
        match signals.next().await {
            Signal::Stop => return,
            signal @ (Signal::Reload | Signal::Replace) => warn_of(signal),
            // Draining already; and what is left to log may go where the rest went.
            Signal::Drain | Signal::ReopenLogs => {}
        }
    }
}

/// A signal that changes nothing must not end the process, as it would by itself.
fn warn_of(signal: Signal) {
    match signal {
        Signal::Reload => tracing::warn!("it is draining, and takes no other configuration any more"),
        _ => tracing::warn!("this process ends already, and is not replaced"),
    }
}
