//! A worker's main loop: it accepts, listens to its inbox, and ends when it has drained.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use weir_upstream::body::replay::ReplayPool;
use weir_upstream::io::deadline::now;

use super::counters::WorkerCounters;
use super::inbox::Message;
use super::permits::Permits;
use super::snapshot::Snapshot;
use super::worker::Worker;
use crate::access_log::LogHandle;
use crate::inbound::listener::{self, Entrance};

/// How often lines of the access log leave a worker that has little to say.
const LOG_FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// How often idle connections to servers are looked through.
const POOL_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What a worker is made of.
pub(super) struct Setup {
    /// The snapshot to begin with.
    pub snapshot: Arc<Snapshot>,
    /// The sockets it accepts from.
    pub sockets: Vec<Entrance>,
    /// Its counters.
    pub counters: Arc<WorkerCounters>,
    /// Where lines of the access log go.
    pub log: Option<LogHandle>,
    /// What may be in progress at once.
    pub permits: Permits,
    /// Where bodies are kept that more than one server gets.
    pub replay: ReplayPool,
    /// How long idle connections are kept while draining.
    pub drain_idle: Duration,
    /// Where it is told what to do.
    pub inbox: mpsc::Receiver<Message>,
}

/// An accept loop has ended that should run for as long as its worker.
#[derive(Debug)]
pub(super) struct AcceptEnded;

/// Runs a worker until it has drained or is stopped. Returns how many connections were cut.
///
/// # Errors
/// It can't accept any more although nobody told it to stop: connections would wait for ever in the queues of its sockets.
pub(super) async fn run(setup: Setup) -> Result<usize, AcceptEnded> {
    let Setup { snapshot, sockets, counters, log, permits, replay, drain_idle, mut inbox } = setup;
    let worker = Rc::new(Worker::new(snapshot, counters, log, permits, replay));
    let mut accepting = JoinSet::new();
    for socket in sockets {
        accepting.spawn_local(listener::accept(Rc::clone(&worker), socket));
    }
    let ticking = tokio::task::spawn_local(tick(Rc::clone(&worker)));
    let pooling = {
        let worker = Rc::clone(&worker);
        tokio::task::spawn_local(async move { worker.pools.make_room().await })
    };
    let mut cut = 0;
    loop {
        let message = if worker.is_draining() {
            tokio::select! {
                message = inbox.recv() => message,
                () = emptied(&worker) => break,
            }
        } else {
            tokio::select! {
                message = inbox.recv() => message,
                Some(_) = accepting.join_next() => return Err(AcceptEnded),
            }
        };
        match message {
            Some(Message::Publish(snapshot)) => worker.publish(snapshot),
            Some(Message::Drain) => {
                worker.begin_drain(drain_idle);
                // The accept loops take what waits in their queues and end.
                while accepting.join_next().await.is_some() {}
            }
            Some(Message::Inspect(query, reply)) => {
                // Whoever asked may have gone.
                let _ = reply.send(worker.inspect(query));
            }
            Some(Message::Cut(id)) => worker.registry.cut(id),
            Some(Message::Stop) | None => {
                cut = worker.registry.len();
                break;
            }
        }
    }
    ticking.abort();
    pooling.abort();
    Ok(cut)
}

/// Waits until no connection is left, nor anything that goes on without one.
async fn emptied(worker: &Worker) {
    worker.registry.emptied().await;
    worker.tracker.emptied().await;
}

async fn tick(worker: Rc<Worker>) {
    let period = if worker.log.is_some() { LOG_FLUSH_INTERVAL } else { POOL_SWEEP_INTERVAL };
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept = now();
    loop {
        interval.tick().await;
        if let Some(log) = &worker.log {
            log.borrow_mut().flush();
        }
        if now() - swept >= POOL_SWEEP_INTERVAL {
            swept = now();
            worker.pools.sweep();
        }
    }
}
